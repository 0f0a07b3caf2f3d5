import { constants, randomUUID, sign, type KeyObject, type SignKeyObjectInput } from "node:crypto";
import { promisify } from "node:util";
import { JPEG, PNG, type Asset } from "@trustnxt/c2pa-ts/asset";
import { CoseAlgorithmIdentifier, Signature, type Signer } from "@trustnxt/c2pa-ts/cose";
import { CBORBox, SuperBox } from "@trustnxt/c2pa-ts/jumbf";
import {
  ActionAssertion,
  ActionType,
  Claim,
  ClaimVersion,
  DataHashAssertion,
  DigitalSourceType,
  ManifestStore,
  ValidationResult,
} from "@trustnxt/c2pa-ts/manifest";
import type { SigningSettings } from "../../config/settings.ts";
import type { ImageFormat } from "../../core/image-format.ts";
import { withoutFillBytes } from "../../core/jpeg-metadata.ts";
import { WebpAsset } from "./webp-asset.ts";

// The one file that imports the optional package c2pa-ts; it is itself loaded on first use.

/** A verified picture. */
export interface Picture {
  readonly format: ImageFormat;
  readonly bytes: Buffer;
}

export interface ManifestFacts {
  /** The program that makes the claim. */
  readonly generator: { readonly name: string; readonly version: string };
  /** What drew the picture. */
  readonly modelName: string;
}

/** What a manifest says, and whether it is true. */
export interface ManifestFindings {
  readonly generator: string | undefined;
  /** The subject of the certificate; whether its issuer is to be trusted is not asked. */
  readonly signer: string | undefined;
  /** C2PA's codes of what is wrong; none when signature, manifest and picture belong together. */
  readonly failures: readonly string[];
  /** C2PA's codes of what is wrong with the certificate today, such as that it has ended. */
  readonly certificateFailures: readonly string[];
}

/** Signs with one certificate. */
export class C2paWriter {
  readonly #signer: Signer;
  readonly #signatureBytes: number;

  constructor({ certificates, privateKey }: SigningSettings) {
    const { id, signatureBytes, digest, options } = toAlgorithm(privateKey);
    // Validators have the root; the writer takes certificates in a form that its reader makes.
    const chain = certificates.filter(({ subject, issuer }) => subject !== issuer).map(({ raw }) => raw);
    const { certificate, chainCertificates } = Signature.readFromJUMBFData([
      CBORBox.encoder.encode({ "1": id, "33": chain }),
      {},
      null,
      new Uint8Array(0),
    ]);
    if (certificate === undefined) throw new TypeError("The certificate cannot be read");
    this.#signatureBytes = signatureBytes;
    this.#signer = {
      algorithm: id,
      certificate,
      chainCertificates,
      // In a thread of Node's; the signer of the package would give ECDSA in a form that COSE does not have.
      sign: async (payload) => signInThread(digest, payload, { key: privateKey, ...options }),
    };
  }

  /** The picture with a manifest that says that a model drew it. */
  async write({ format, bytes }: Picture, { generator, modelName }: ManifestFacts): Promise<Buffer> {
    const asset = toAsset(format, format === "jpeg" ? withoutFillBytes(bytes) : bytes);
    const store = new ManifestStore();
    const manifest = store.createManifest({
      claimVersion: ClaimVersion.V2,
      assetFormat: asset.mimeType,
      instanceID: `xmp:iid:${randomUUID()}`,
      defaultHashAlgorithm: "SHA-256",
      signer: this.#signer,
    });
    const { claim, signature } = manifest;
    if (claim === undefined || signature === undefined) throw new TypeError("The manifest has no claim");
    manifest.claim = Object.assign(new StrictClaim(), claim, {
      claimGeneratorName: generator.name,
      claimGeneratorVersion: generator.version,
      // With the name of the manifest in it, which nothing else would sign.
      signatureRef: `self#jumbf=/c2pa/${manifest.label}/${signature.label}`,
    });
    // The size is known; padding would be bytes that nobody signs.
    signature.signatureData.paddingLength = 0;
    signature.signatureData.signature = new Uint8Array(this.#signatureBytes);
    const actions = new ActionAssertion();
    actions.actions.push({
      action: ActionType.C2paCreated,
      digitalSourceType: DigitalSourceType.TrainedAlgorithmicMedia,
      softwareAgent: { name: modelName },
    });
    const binding = DataHashAssertion.create("SHA-256");
    manifest.addAssertion(actions);
    manifest.addAssertion(binding);
    await asset.ensureManifestSpace(store.measureSize());
    await binding.updateWithAsset(asset);
    await manifest.sign(this.#signer);
    await asset.writeManifestJUMBF(store.getBytes());
    const { buffer, byteOffset, length } = await asset.getDataRange();
    return Buffer.from(buffer, byteOffset, length);
  }
}

/** A claim without the empty lists that the package writes, and the specification does not allow. */
class StrictClaim extends Claim {
  override generateJUMBFBox(): SuperBox {
    const box = super.generateJUMBFBox();
    const [content] = box.contentBoxes;
    if (!(content instanceof CBORBox)) throw new TypeError("The claim is not CBOR");
    const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
    content.content = Object.fromEntries(
      Object.entries(Object(content.content)).filter(([, value]) => !isEmpty(value)),
    );
    content.generateRawContent();
    return box;
  }
}

/** What the manifest of a signed picture says. */
export async function readManifest({ format, bytes }: Picture): Promise<ManifestFindings> {
  try {
    const asset = toAsset(format, bytes);
    const store = ManifestStore.read(SuperBox.fromBuffer(new Uint8Array(asset.getManifestJUMBF() ?? [])));
    const { claim, signature } = store.getActiveManifest() ?? {};
    return {
      generator: claim && [claim.claimGeneratorName, claim.claimGeneratorVersion].filter(Boolean).join(" "),
      signer: signature?.signatureData.certificate?.subject,
      ...toFailures(await store.validate(asset)),
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { generator: undefined, signer: undefined, ...toFailures(ValidationResult.fromError(error)) };
  }
}

function toFailures(result: ValidationResult): Pick<ManifestFindings, "failures" | "certificateFailures"> {
  const codes: string[] = result.statusEntries.filter(({ success }) => success === false).map(({ code }) => code);
  const isOfCertificate = (code: string): boolean => code.startsWith("signingCredential.");
  return {
    failures: codes.filter((code) => !isOfCertificate(code)),
    certificateFailures: codes.filter(isOfCertificate),
  };
}

function toAsset(format: ImageFormat, bytes: Buffer): Asset {
  switch (format) {
    case "png":
      return new PNG(bytes);
    case "jpeg":
      return new JPEG(bytes);
    case "webp":
      return new WebpAsset(bytes);
  }
}

interface Algorithm {
  readonly id: CoseAlgorithmIdentifier;
  readonly digest: string | null;
  readonly signatureBytes: number;
  readonly options: Partial<SignKeyObjectInput>;
}

/** How RFC 9053 signs with this key. */
function toAlgorithm({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): Algorithm {
  const { namedCurve, modulusLength = 0 } = asymmetricKeyDetails;
  const [P256, P384] = [CoseAlgorithmIdentifier.ES256, CoseAlgorithmIdentifier.ES384];
  if (asymmetricKeyType === "ed25519") {
    return { id: CoseAlgorithmIdentifier.Ed25519, digest: null, signatureBytes: 64, options: {} };
  }
  if (asymmetricKeyType === "ec") {
    const options = { dsaEncoding: "ieee-p1363" } as const;
    return namedCurve === "secp384r1"
      ? { id: P384, digest: "sha384", signatureBytes: 96, options }
      : { id: P256, digest: "sha256", signatureBytes: 64, options };
  }
  const options = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return { id: CoseAlgorithmIdentifier.PS256, digest: "sha256", signatureBytes: Math.ceil(modulusLength / 8), options };
}

const signInThread = promisify<string | null, Uint8Array, SignKeyObjectInput, Buffer>(sign);
