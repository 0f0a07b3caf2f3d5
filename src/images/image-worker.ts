import { parentPort } from "node:worker_threads";
import { MCPImageError } from "../core/errors.ts";
import { encodePng } from "../core/png.ts";
import { verifyImage, type VerifiedImage } from "../core/verify-image.ts";

/** Bytes travel by transfer: the sender has them no more. */
export type ImageWorkerRequest =
  | { readonly task: "verify"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** The bytes are pixels, 8-bit RGB. */
  | {
      readonly task: "encode";
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly width: number;
      readonly height: number;
    };

/** The picture's file and what it is, or why it is none. */
export type ImageWorkerReply =
  | { readonly ok: true; readonly bytes: Uint8Array<ArrayBuffer>; readonly image: VerifiedImage }
  | { readonly ok: false; readonly reason: string };

parentPort?.on("message", (request: ImageWorkerRequest) => {
  const reply = request.task === "verify" ? verify(request.bytes) : encode(request);
  parentPort?.postMessage(reply, reply.ok ? [reply.bytes.buffer] : []);
});

function encode({ bytes, width, height }: Extract<ImageWorkerRequest, { task: "encode" }>): ImageWorkerReply {
  // The copy owns its memory whole, so that it can be handed over.
  const file = new Uint8Array(encodePng({ width, height, rgb: bytes }));
  return { ok: true, bytes: file, image: { format: "png", width, height } };
}

function verify(bytes: Uint8Array<ArrayBuffer>): ImageWorkerReply {
  try {
    return { ok: true, bytes, image: verifyImage(bytes) };
  } catch (error) {
    if (!(error instanceof MCPImageError)) throw error;
    return { ok: false, reason: String(error.details["reason"] ?? error.message) };
  }
}
