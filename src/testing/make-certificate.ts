import { createPublicKey, createSign, generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto";

/** A certificate and its key, as PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  readonly privateKey: KeyObject;
  readonly commonName: string;
}

export interface TestCertificateOptions {
  readonly commonName: string;
  /** DNS names and IPv4 addresses that it is for; default: none. */
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
  /** Default: signed by itself, as an authority. */
  readonly issuer?: TestCertificate;
  /** Default: valid for a hundred years. True: it ended in 2001. */
  readonly isExpired?: boolean;
}

/** DER tags (ITU-T X.690). */
const TAG = { integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, utf8: 0x0c, time: 0x18, sequence: 0x30, set: 0x31 };
const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11];

/** Makes an X.509 certificate (RFC 5280) with an elliptic-curve key, without any tool but Node. */
export function makeCertificate(options: TestCertificateOptions): TestCertificate {
  const { commonName, issuer, dnsNames = [], addresses = [] } = options;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const algorithm = der(TAG.sequence, der(TAG.oid, ECDSA_WITH_SHA256));
  const names = [
    ...dnsNames.map((name) => der(0x82, Buffer.from(name))),
    ...addresses.map((address) => der(0x87, address.split(".").map(Number))),
  ];
  const extensions = [
    ...(issuer ? [] : [toExtension(BASIC_CONSTRAINTS, der(TAG.sequence, der(0x01, [0xff])))]),
    ...(names.length > 0 ? [toExtension(SUBJECT_ALT_NAME, der(TAG.sequence, ...names))] : []),
  ];
  const body = der(
    TAG.sequence,
    der(0xa0, der(TAG.integer, [2])),
    der(TAG.integer, [0x01, ...randomBytes(8)]),
    algorithm,
    toName(issuer?.commonName ?? commonName),
    der(TAG.sequence, toTime("20000101000000Z"), toTime(options.isExpired ? "20010101000000Z" : "21000101000000Z")),
    toName(commonName),
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
  };
}

function toName(commonName: string): Buffer {
  const attribute = der(TAG.sequence, der(TAG.oid, COMMON_NAME), der(TAG.utf8, Buffer.from(commonName)));
  return der(TAG.sequence, der(TAG.set, attribute));
}

function toTime(time: string): Buffer {
  return der(TAG.time, Buffer.from(time));
}

function toExtension(oid: readonly number[], value: Buffer): Buffer {
  return der(TAG.sequence, der(TAG.oid, oid), der(TAG.octets, value));
}

function der(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const lengthBytes = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}
