import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import type { SettingKind } from "./setting-kinds.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const MIN_RSA_BITS = 2048;
const CURVES = ["prime256v1", "secp384r1"];
/** What C2PA's default list of extended key usages allows for a signer: e-mail protection, documents, C2PA itself. */
const USAGES = ["1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1"];
const ALGORITHMS = "ECDSA on P-256 or P-384, RSA of 2048 bits or more, or Ed25519";

/** Certificates as PEM, each before that of its issuer; the first is one that C2PA allows to sign. */
export function certificateChain(): SettingKind<readonly X509Certificate[]> {
  return {
    rule: `must be a certificate in PEM that may sign documents (${ALGORITHMS}), followed by those of the authorities between it and the root`,
    parse: (text) => {
      const chain = readCertificates(text);
      return chain === undefined || findChainFault(chain) !== undefined ? undefined : chain;
    },
    explain: (text) => {
      const chain = readCertificates(text);
      return chain && findChainFault(chain);
    },
  };
}

/** A private key as PEM, of an algorithm that C2PA signs with. */
export function signingKey(): SettingKind<KeyObject> {
  return {
    rule: `must be a private key in PEM without a passphrase: ${ALGORITHMS}`,
    parse: (text) => {
      try {
        const key = createPrivateKey(toPem(text));
        return isSigningKey(key) ? key : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

/** `undefined` where there is none, or one that cannot be read. */
function readCertificates(text: string): readonly X509Certificate[] | undefined {
  try {
    const chain = [...toPem(text).matchAll(CERTIFICATE)].map(([pem]) => new X509Certificate(pem));
    return chain.length === 0 ? undefined : chain;
  } catch {
    return undefined;
  }
}

/** Where an environment holds no line ends, `\n` stands for them. */
function toPem(text: string): string {
  return text.replaceAll(String.raw`\n`, "\n");
}

/** What C2PA's certificate profile says against it, as far as Node tells what a certificate holds. */
function findChainFault(chain: readonly X509Certificate[]): string | undefined {
  const [signer] = chain;
  if (signer === undefined) return undefined;
  if (!isSigningKey(signer.publicKey)) return `must have a key that C2PA signs with: ${ALGORITHMS}`;
  if (isSelfSigned(signer)) return "must not begin with a certificate that signed itself: C2PA refuses those";
  if (signer.ca) return "must begin with the certificate of the signer, not of an authority";
  // Of Node's names, this one means the extended key usage.
  if (!signer.keyUsage?.some((usage) => USAGES.includes(usage))) {
    return "must begin with a certificate whose extended key usage is e-mail protection, document signing or C2PA";
  }
  if (!/^O=/m.test(signer.subject)) {
    return "must begin with a certificate that names an organization (O): validators take no signature of another one";
  }
  const isChain = chain.every((certificate, index) => {
    const issuer = chain[index + 1];
    return issuer === undefined || (certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
  });
  return isChain ? undefined : "must have each certificate before that of its issuer";
}

/** Whether it signed itself, as a root does. */
function isSelfSigned({ subject, issuer }: X509Certificate): boolean {
  return subject === issuer;
}

function isSigningKey({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): boolean {
  const { namedCurve = "", modulusLength = 0 } = asymmetricKeyDetails;
  if (asymmetricKeyType === "ec") return CURVES.includes(namedCurve);
  if (asymmetricKeyType === "rsa" || asymmetricKeyType === "rsa-pss") return modulusLength >= MIN_RSA_BITS;
  return asymmetricKeyType === "ed25519";
}
