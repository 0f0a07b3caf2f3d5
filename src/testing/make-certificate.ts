import { createPublicKey, createSign, generateKeyPairSync, hash, randomBytes, type KeyObject } from "node:crypto";

/** A certificate and its key, as PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  readonly privateKey: KeyObject;
  readonly commonName: string;
  /** What those that it issues name its key by. */
  readonly keyId: Uint8Array;
}

export type TestKeyType = "P-256" | "P-384" | "P-521" | "rsa" | "rsa-pss" | "ed25519";

export interface TestCertificateOptions {
  readonly commonName: string;
  /** DNS names and IPv4 addresses that it is for; default: none. */
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
  /** Has a key of P-256. Default: signed by itself, as an authority. */
  readonly issuer?: TestCertificate;
  /** Default: the year 2000. */
  readonly validFrom?: Date;
  /** Default: the year 2100. */
  readonly validTo?: Date;
  /** Default: P-256. */
  readonly keyType?: TestKeyType;
  /** For signing contents, as C2PA's certificate profile wants it: an authority of signers, or a signer. Default: for TLS. */
  readonly signs?: "certificates" | "contents";
  /** Named in the subject beside the common name. Default: none. */
  readonly organization?: string;
  /** The extended key usage, as DER has it. Default: that of e-mail for a signer of contents, otherwise none. */
  readonly usage?: readonly number[];
}

/** DER tags (ITU-T X.690). */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  time: 0x18,
  sequence: 0x30,
  set: 0x31,
};
const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const ORGANIZATION = [0x55, 0x04, 0x0a];
const BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11];
const SUBJECT_KEY_ID = [0x55, 0x1d, 0x0e];
const AUTHORITY_KEY_ID = [0x55, 0x1d, 0x23];
const KEY_USAGE = [0x55, 0x1d, 0x0f];
const EXTENDED_KEY_USAGE = [0x55, 0x1d, 0x25];
/** Bits of KeyUsage, behind the number of those that are not used. */
const DIGITAL_SIGNATURE = [0x07, 0x80];
const CERTIFICATE_SIGN = [0x02, 0x04];
const EMAIL_PROTECTION = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];
const RSA_BITS = 2048;

/** Makes an X.509 certificate (RFC 5280), without any tool but Node. */
export function makeCertificate(options: TestCertificateOptions): TestCertificate {
  const { commonName, issuer, dnsNames = [], addresses = [] } = options;
  const { validFrom = new Date("2000-01-01"), validTo = new Date("2100-01-01") } = options;
  const privateKey = generateKey(options.keyType ?? "P-256");
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const keyId = hash("sha1", publicKey, "buffer");
  const algorithm = der(TAG.sequence, der(TAG.oid, ECDSA_WITH_SHA256));
  const names = [
    ...dnsNames.map((name) => der(0x82, Buffer.from(name))),
    ...addresses.map((address) => der(0x87, address.split(".").map(Number))),
  ];
  const isAuthority = !issuer || options.signs === "certificates";
  const extensions = [
    ...(isAuthority ? [toExtension(BASIC_CONSTRAINTS, der(TAG.sequence, der(TAG.boolean, [0xff])), true)] : []),
    ...toSigningExtensions(options, keyId),
    ...(names.length > 0 ? [toExtension(SUBJECT_ALT_NAME, der(TAG.sequence, ...names))] : []),
  ];
  const body = der(
    TAG.sequence,
    der(0xa0, der(TAG.integer, [2])),
    der(TAG.integer, [0x01, ...randomBytes(8)]),
    algorithm,
    toName(issuer?.commonName ?? commonName),
    der(TAG.sequence, toTime(validFrom), toTime(validTo)),
    toName(commonName, options.organization),
    publicKey,
    der(0xa3, der(TAG.sequence, ...extensions)),
  );
  const signature = createSign("sha256")
    .update(body)
    .sign(issuer?.privateKey ?? privateKey);
  const certificate = der(TAG.sequence, body, algorithm, der(TAG.bits, [0], signature));
  // A blank line at its end would be no PEM.
  const base64 = certificate.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    privateKey,
    commonName,
    keyId,
  };
}

function generateKey(keyType: TestKeyType): KeyObject {
  if (keyType === "rsa") return generateKeyPairSync("rsa", { modulusLength: RSA_BITS }).privateKey;
  if (keyType === "rsa-pss") return generateKeyPairSync("rsa-pss", { modulusLength: RSA_BITS }).privateKey;
  if (keyType === "ed25519") return generateKeyPairSync("ed25519").privateKey;
  return generateKeyPairSync("ec", { namedCurve: keyType }).privateKey;
}

function toSigningExtensions(options: TestCertificateOptions, keyId: Uint8Array): Buffer[] {
  const { signs, issuer, usage = signs === "contents" ? EMAIL_PROTECTION : undefined } = options;
  const usages = usage ? [toExtension(EXTENDED_KEY_USAGE, der(TAG.sequence, der(TAG.oid, usage)))] : [];
  if (signs === undefined) return usages;
  const bits = signs === "contents" ? DIGITAL_SIGNATURE : CERTIFICATE_SIGN;
  return [
    ...usages,
    toExtension(KEY_USAGE, der(TAG.bits, bits), true),
    toExtension(SUBJECT_KEY_ID, der(TAG.octets, keyId)),
    ...(issuer ? [toExtension(AUTHORITY_KEY_ID, der(TAG.sequence, der(0x80, issuer.keyId)))] : []),
  ];
}

function toName(commonName: string, organization?: string): Buffer {
  const toPart = (type: readonly number[], text: string): Buffer =>
    der(TAG.set, der(TAG.sequence, der(TAG.oid, type), der(TAG.utf8, Buffer.from(text))));
  const parts = organization === undefined ? [] : [toPart(ORGANIZATION, organization)];
  return der(TAG.sequence, ...parts, toPart(COMMON_NAME, commonName));
}

function toTime(time: Date): Buffer {
  const [text = ""] = time.toISOString().replaceAll(/[-T:]/g, "").split(".");
  return der(TAG.time, Buffer.from(`${text}Z`));
}

function toExtension(oid: readonly number[], value: Buffer, isCritical = false): Buffer {
  const critical = isCritical ? [der(TAG.boolean, [0xff])] : [];
  return der(TAG.sequence, der(TAG.oid, oid), ...critical, der(TAG.octets, value));
}

function der(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const lengthBytes = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}
