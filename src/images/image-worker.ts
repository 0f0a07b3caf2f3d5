import { parentPort } from "node:worker_threads";
import { encodePng } from "../core/png.ts";
import { readPictureAnswer, type AnswerForm, type PictureAnswer } from "../wire/picture-answer.ts";

/** An answer to read. Its body travels by transfer: the sender has it no more. */
export interface ImageWorkerRequest {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly form: AnswerForm;
}

/** What it was; pixels have become a file. */
export type ImageWorkerReply = Exclude<PictureAnswer, { readonly kind: "pixels" }>;

parentPort?.on("message", (request: ImageWorkerRequest) => {
  // Nothing is handed over: a picture may share its memory with the body.
  parentPort?.postMessage(read(request), []);
});

function read({ body, form }: ImageWorkerRequest): ImageWorkerReply {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const answer = readPictureAnswer({ text, picture: undefined }, form);
  if (answer.kind !== "pixels") return answer;
  return { kind: "picture", imageData: encodePng(answer.image), report: answer.report };
}
