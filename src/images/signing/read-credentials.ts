import { isSigned } from "../../core/is-signed.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Picture } from "./c2pa.ts";
import { loadC2pa } from "./load-c2pa.ts";

/**
 * What the C2PA manifest of a verified picture says, as `inspect` prints it. `c2pa` is `none`, `valid` (signature, manifest and
 * picture belong together; whether the signer is to be trusted is not asked), `invalid`, or `not checked` without the package.
 */
export async function readCredentials(picture: Picture, load = loadC2pa): Promise<JsonObject> {
  if (!isSigned(picture.format, picture.bytes)) return { c2pa: "none" };
  const c2pa = await load().catch(() => undefined);
  if (c2pa === undefined) return { c2pa: "not checked" };
  const { generator, signer, failures, certificateFailures } = await c2pa.readManifest(picture);
  return {
    c2pa: failures.length === 0 ? "valid" : "invalid",
    ...(failures.length > 0 && { c2pa_failures: failures }),
    ...(generator !== undefined && { c2pa_generator: generator }),
    ...(signer !== undefined && { c2pa_signer: signer }),
    ...(certificateFailures.length > 0 && { c2pa_certificate_failures: certificateFailures }),
  };
}
