import { parentPort } from "node:worker_threads";
import { MCPImageError } from "../core/errors.ts";
import { verifyImage, type VerifiedImage } from "../core/verify-image.ts";

/** Bytes travel by transfer: the sender has them no more. */
export interface ImageWorkerRequest {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type ImageWorkerReply =
  | { readonly ok: true; readonly bytes: Uint8Array<ArrayBuffer>; readonly image: VerifiedImage }
  | { readonly ok: false; readonly reason: string };

parentPort?.on("message", ({ bytes }: ImageWorkerRequest) => {
  const reply = verify(bytes);
  parentPort?.postMessage(reply, reply.ok ? [reply.bytes.buffer] : []);
});

function verify(bytes: Uint8Array<ArrayBuffer>): ImageWorkerReply {
  try {
    return { ok: true, bytes, image: verifyImage(bytes) };
  } catch (error) {
    if (!(error instanceof MCPImageError)) throw error;
    return { ok: false, reason: String(error.details["reason"] ?? error.message) };
  }
}
