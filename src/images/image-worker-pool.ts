import { Worker } from "node:worker_threads";
import { MCPImageError } from "../core/errors.ts";
import { getLogger } from "../logging/logger.ts";
import type { AnswerForm } from "../wire/picture-answer.ts";
import type { ImageWorkerReply, ImageWorkerRequest } from "./image-worker.ts";

export interface ImageWorkerPoolOptions {
  /** The most worker threads; each is started when it is first needed. */
  readonly size: number;
}

interface Job {
  readonly request: ImageWorkerRequest;
  readonly resolve: (reply: ImageWorkerReply) => void;
  readonly reject: (error: unknown) => void;
}

interface Slot {
  readonly worker: Worker;
  job: Job | undefined;
}

const logger = getLogger("images");

/** Keeps the reading of long answers off the thread that answers requests. A thread that dies costs one job an error. */
export class ImageWorkerPool implements AsyncDisposable {
  readonly #size: number;
  readonly #slots = new Set<Slot>();
  readonly #waiting: Job[] = [];
  #closed = false;

  constructor(options: ImageWorkerPoolOptions) {
    this.#size = options.size;
  }

  /** `readPictureAnswer` in a worker thread, pixels as a PNG; the body that was given is no longer usable. */
  async readAnswer(body: Buffer, form: AnswerForm): Promise<ImageWorkerReply> {
    const reply = await this.#run({ body: toTransferable(body), form });
    if (reply.kind !== "picture") return reply;
    const { buffer, byteOffset, byteLength } = reply.imageData;
    return { ...reply, imageData: Buffer.from(buffer, byteOffset, byteLength) };
  }

  /** Ends every thread; jobs that still run or wait are rejected. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) job.reject(closedError());
    await Promise.all(Array.from(this.#slots, async ({ worker }) => worker.terminate()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(request: ImageWorkerRequest): Promise<ImageWorkerReply> {
    if (this.#closed) throw closedError();
    const { promise, resolve, reject } = Promise.withResolvers<ImageWorkerReply>();
    this.#waiting.push({ request, resolve, reject });
    this.#assign();
    return promise;
  }

  #assign(): void {
    for (const slot of this.#slots) this.#give(slot);
    while (this.#waiting.length > 0 && this.#slots.size < this.#size) this.#give(this.#startWorker());
  }

  #give(slot: Slot): void {
    if (slot.job !== undefined) return;
    slot.job = this.#waiting.shift();
    if (slot.job === undefined) return slot.worker.unref();
    slot.worker.ref();
    const { request } = slot.job;
    slot.worker.postMessage(request, [request.body.buffer]);
  }

  #startWorker(): Slot {
    const slot: Slot = { worker: new Worker(workerUrl()), job: undefined };
    this.#slots.add(slot);
    slot.worker.on("message", (reply: ImageWorkerReply) => {
      slot.job?.resolve(reply);
      slot.job = undefined;
      this.#give(slot);
    });
    slot.worker.on("error", (error) => {
      logger.error("image_worker_failed", { error });
    });
    slot.worker.on("exit", () => {
      this.#slots.delete(slot);
      slot.job?.reject(this.#closed ? closedError() : new MCPImageError("internal", "An image worker thread ended"));
      if (!this.#closed) this.#assign();
    });
    return slot;
  }
}

/** The worker's file, beside this one: `.ts` in the source tree, `.js` when built. */
function workerUrl(): URL {
  return new URL(import.meta.url.endsWith(".ts") ? "./image-worker.ts" : "./image-worker.js", import.meta.url);
}

/** Bytes that own their memory whole; a slice of a shared pool is copied, or its neighbours would go with it. */
function toTransferable(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && bytes.byteLength > buffer.byteLength / 2) {
    return new Uint8Array(buffer, bytes.byteOffset, bytes.byteLength);
  }
  return new Uint8Array(bytes);
}

function closedError(): MCPImageError {
  return new MCPImageError("shutting_down", "Cannot read the answer: the worker pool is closed");
}
