import { parentPort } from "node:worker_threads";
import { encodePng } from "../core/png.ts";

/** Pixels to encode, 8-bit RGB. They travel by transfer: the sender has them no more. */
export interface ImageWorkerRequest {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array<ArrayBuffer>;
}

/** The file, as PNG. */
export type ImageWorkerReply = Uint8Array<ArrayBuffer>;

parentPort?.on("message", (request: ImageWorkerRequest) => {
  // The copy owns its memory whole, so that it can be handed over.
  const file: ImageWorkerReply = new Uint8Array(encodePng(request));
  parentPort?.postMessage(file, [file.buffer]);
});
