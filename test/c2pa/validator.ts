import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { IMAGE_FORMATS, sniffImageFormat } from "../../src/core/image-format.ts";

const FOLDER = resolve(import.meta.dirname, "validator");
const LIBRARY = resolve(FOLDER, "node_modules/@contentauth/c2pa-node/dist/index.js");

const codesShape = z.array(z.looseObject({ code: z.string() })).transform((codes) => codes.map(({ code }) => code));
const manifestShape = z.looseObject({
  claim_version: z.number(),
  claim_generator_info: z.array(z.looseObject({ name: z.string(), version: z.string() })),
  assertions: z.array(z.looseObject({ label: z.string(), data: z.unknown() })),
  signature_info: z.looseObject({ alg: z.string(), issuer: z.string() }),
  thumbnail: z.unknown().optional(),
});
const reportShape = z.looseObject({
  active_manifest: z.string().optional(),
  manifests: z.record(z.string(), z.unknown()).optional(),
  validation_state: z.enum(["Invalid", "Valid", "Trusted"]),
  validation_results: z
    .looseObject({ activeManifest: z.looseObject({ failure: codesShape, informational: codesShape }).optional() })
    .optional(),
});

/** What the validator says of a picture. */
export interface Verdict {
  readonly state: "Invalid" | "Valid" | "Trusted";
  readonly failures: readonly string[];
  readonly informational: readonly string[];
  readonly manifest: z.infer<typeof manifestShape> | undefined;
}

export type Validate = (picture: Buffer, trustedPem?: string) => Promise<Verdict>;

/**
 * The validator of the Content Authenticity Initiative, installed from the lock of its folder when it is not there. Its
 * package holds the native code of this platform; the script that would download it is not run.
 */
export async function loadValidator(): Promise<Validate> {
  if (!existsSync(LIBRARY)) {
    console.log("The validator is not installed; running: npm ci --prefix test/c2pa/validator");
    const args = ["ci", "--prefix", FOLDER, "--ignore-scripts", "--no-audit", "--no-fund"];
    execFileSync("npm", args, { stdio: "inherit" });
  }
  const { Reader } = await import(pathToFileURL(LIBRARY).href);
  return async (picture, trustedPem) => {
    const mimeType = IMAGE_FORMATS[sniffImageFormat(picture) ?? "png"].mimeType;
    const settings = trustedPem && { trust: { trust_anchors: trustedPem }, verify: { verify_trust: true } };
    const reader = await Reader.fromAsset({ buffer: picture, mimeType }, settings).catch((error: unknown) => error);
    if (!(reader instanceof Reader))
      return { state: "Invalid", failures: [String(reader)], informational: [], manifest: undefined };
    const report = reportShape.parse(reader.json());
    const { failure: failures = [], informational = [] } = report.validation_results?.activeManifest ?? {};
    // That of a damaged picture has any form.
    const { data: manifest } = manifestShape.safeParse(report.manifests?.[report.active_manifest ?? ""]);
    return { state: report.validation_state, failures, informational, manifest };
  };
}
