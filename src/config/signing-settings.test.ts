import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import {
  makeCertificate,
  type TestCertificate,
  type TestCertificateOptions,
  type TestKeyType,
} from "../testing/make-certificate.ts";
import { faultsOf } from "../testing/settings-faults.ts";
import { loadSettings } from "./load-settings.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const root = makeCertificate({ commonName: "Root", signs: "certificates" });
const authority = makeCertificate({ commonName: "Authority", signs: "certificates", issuer: root });
const makeSigner = (options: Partial<TestCertificateOptions> = {}): TestCertificate =>
  makeCertificate({
    commonName: "Pictures",
    organization: "Example",
    signs: "contents",
    issuer: authority,
    ...options,
  });
const signer = makeSigner();

const toEnv = (certificates: readonly TestCertificate[], key = certificates[0]?.key): Record<string, string> => ({
  C2PA_SIGN_CERT: certificates.map(({ cert }) => cert).join(""),
  C2PA_PRIVATE_KEY: key ?? "",
});
const rulesOf = (env: Record<string, string>): string[] =>
  faultsOf({ env, nowMs: NOW.getTime() }).map(({ name, rule }) => `${name} ${rule}`);

describe("C2PA_SIGN_CERT and C2PA_PRIVATE_KEY", () => {
  test("are a chain and its key, with words around them and line ends in either form", () => {
    const env = toEnv([signer, authority]);
    for (const certificates of [env["C2PA_SIGN_CERT"], `subject=x\n\n${env["C2PA_SIGN_CERT"]}`]) {
      for (const isEscaped of [false, true]) {
        const toText = (text = ""): string => (isEscaped ? text.replaceAll("\n", String.raw`\n`) : text);
        const { settings, warnings, texts } = loadSettings({
          env: { C2PA_SIGN_CERT: toText(certificates), C2PA_PRIVATE_KEY: toText(signer.key) },
          nowMs: NOW.getTime(),
        });
        const { signing } = settings.images;
        assert.deepEqual(
          signing?.certificates.map(({ subject }) => subject),
          ["O=Example\nCN=Pictures", "CN=Authority"],
        );
        assert.ok(signing.privateKey.equals(createPrivateKey(signer.key)));
        assert.deepEqual([warnings, texts.C2PA_PRIVATE_KEY], [[], "[redacted]"]);
        assert.ok(!`${inspect(settings, { depth: 9 })}${JSON.stringify(settings)}`.includes(signer.key.slice(40, 80)));
      }
    }
    assert.equal(loadSettings({ env: {} }).settings.images.signing, undefined);
  });

  test("may be of the algorithms that are known here, and of no other", () => {
    const rulesFor = (keyType: TestKeyType): string[] => rulesOf(toEnv([makeSigner({ keyType })]));
    for (const keyType of ["P-256", "P-384", "rsa", "rsa-pss", "ed25519"] as const) {
      assert.deepEqual(rulesFor(keyType), [], keyType);
    }
    assert.deepEqual(rulesFor("P-521"), [
      "C2PA_SIGN_CERT must have a key that C2PA signs with: ECDSA on P-256 or P-384, RSA of 2048 bits or more, or Ed25519",
      "C2PA_PRIVATE_KEY must be a private key in PEM without a passphrase: ECDSA on P-256 or P-384, RSA of 2048 bits or more, or Ed25519",
    ]);
  });

  test("are set both or neither, and belong together", () => {
    const { C2PA_SIGN_CERT = "", C2PA_PRIVATE_KEY = "" } = toEnv([signer]);
    assert.deepEqual(rulesOf({ C2PA_SIGN_CERT }), ["C2PA_PRIVATE_KEY must be set together with C2PA_SIGN_CERT"]);
    assert.deepEqual(rulesOf({ C2PA_PRIVATE_KEY }), ["C2PA_SIGN_CERT must be set together with C2PA_PRIVATE_KEY"]);
    assert.deepEqual(rulesOf(toEnv([signer], authority.key)), [
      "C2PA_PRIVATE_KEY must be the key of the first certificate of C2PA_SIGN_CERT",
    ]);
  });

  test("are refused with all their faults and none of their text when they cannot be read", () => {
    const broken = signer.cert.replace(/^M.{20}/m, "AAAA");
    const faults = faultsOf({ env: { C2PA_SIGN_CERT: broken, C2PA_PRIVATE_KEY: signer.key.slice(0, 100), PORT: "x" } });
    assert.deepEqual(
      faults.map(({ name, value, example }) => [name, value, example]),
      [
        ["PORT", "x", "PORT=8000"],
        ["C2PA_SIGN_CERT", "[redacted]", "C2PA_SIGN_CERT_FILE=/etc/mcp-image-server/c2pa-chain.pem"],
        ["C2PA_PRIVATE_KEY", "[redacted]", "C2PA_PRIVATE_KEY_FILE=/run/secrets/c2pa-private-key.pem"],
      ],
    );
    const encrypted = createPrivateKey(signer.key).export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: "x",
    });
    assert.match(rulesOf(toEnv([signer], encrypted.toString())).join("\n"), /^C2PA_PRIVATE_KEY .*without a passphrase/);
  });

  test("must be of a signer, in the order of their issuers", () => {
    const rulesFor = (...certificates: readonly TestCertificate[]): string => rulesOf(toEnv(certificates)).join("\n");
    const alone = makeCertificate({ commonName: "Alone", signs: "contents" });
    const anonymous = makeCertificate({ commonName: "Pictures", signs: "contents", issuer: authority });
    const impostor = makeCertificate({ commonName: "Authority", signs: "certificates", issuer: root });
    const server = makeCertificate({ commonName: "Server", dnsNames: ["localhost"], issuer: authority });
    assert.match(rulesFor(alone), /signed itself/);
    assert.match(rulesFor(authority, root), /not of an authority/);
    assert.match(rulesFor(server, authority), /extended key usage/);
    assert.match(rulesFor(anonymous, authority), /names an organization/);
    assert.match(rulesFor(signer, root), /before that of its issuer/);
    assert.match(rulesFor(signer, impostor), /before that of its issuer/);
    assert.equal(rulesFor(signer, authority, root), "");
  });

  test("must be valid now, and are warned about from 30 days before their end on", () => {
    const until = (validTo: Date, issuer = authority): TestCertificate => makeSigner({ issuer, validTo });
    const later = (days: number): Date => new Date(NOW.getTime() + days * 86_400_000);
    assert.deepEqual(rulesOf(toEnv([until(later(-1))])), [
      "C2PA_SIGN_CERT must be valid now, but certificate 1 of the chain ended on 2026-05-31",
    ]);
    assert.match(
      rulesOf(toEnv([makeSigner({ validFrom: later(1) })])).join("\n"),
      /certificate 1 of the chain begins on 2026-06-02$/,
    );
    const old = makeCertificate({ commonName: "Old", signs: "certificates", issuer: root, validTo: later(-2) });
    assert.match(
      rulesOf(toEnv([until(later(9), old), old])).join("\n"),
      /certificate 2 of the chain ended on 2026-05-30$/,
    );
    const warningsFor = (days: number) =>
      loadSettings({ env: toEnv([until(later(days))]), nowMs: NOW.getTime() }).warnings;
    assert.deepEqual(warningsFor(30), []);
    assert.deepEqual(warningsFor(29), [
      {
        name: "C2PA_SIGN_CERT",
        message: "C2PA_SIGN_CERT ends on 2026-06-30, in 29 days; no picture can be made after that",
      },
    ]);
  });
});
