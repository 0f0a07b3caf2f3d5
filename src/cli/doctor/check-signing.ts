import type { SigningSettings } from "../../config/settings.ts";
import { PictureSigner } from "../../images/signing/picture-signer.ts";
import { ok, toFailure, type Finding } from "./finding.ts";

/** Signs a tiny picture, where pictures are to be signed. */
export async function checkSigning(
  settings: SigningSettings | undefined,
  version: string,
): Promise<readonly Finding[]> {
  if (settings === undefined) return [];
  try {
    const signer = new PictureSigner({ settings, version });
    await signer.check();
    const [certificate] = settings.certificates;
    const subject = certificate?.subject.replaceAll("\n", ", ");
    const day = signer.end.toISOString().slice(0, 10);
    return [ok("signing", `Pictures are signed by ${subject}, until ${day}`)];
  } catch (error) {
    return [toFailure("signing", error)];
  }
}
