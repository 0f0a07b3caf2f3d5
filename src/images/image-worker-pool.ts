import { Worker } from "node:worker_threads";
import { MCPImageError, ValidationError } from "../core/errors.ts";
import { encodePng, type RgbImage } from "../core/png.ts";
import { verifyImage, type VerifiedImage } from "../core/verify-image.ts";
import { getLogger } from "../logging/logger.ts";
import type { ImageWorkerReply, ImageWorkerRequest } from "./image-worker.ts";

export interface ImageWorkerPoolOptions {
  /** The most worker threads; each is started when it is first needed. */
  readonly size: number;
  /** Pictures below this are checked on the calling thread, where a hand-over would cost more. Default 1 MiB. */
  readonly inlineBytes?: number;
}

/** A verified picture and its bytes; the bytes that were given are no longer usable. */
export interface VerifiedBytes extends VerifiedImage {
  readonly imageData: Buffer;
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

/** Measured: checksums run at about 5 GB/s, so a smaller picture takes less than a thread switch and back. */
const INLINE_BYTES = 1024 * 1024;
/** How much longer a byte takes to encode than to verify, at least. */
const ENCODING_EFFORT = 32;

const logger = getLogger("images");

/** Keeps work on large pictures off the thread that answers requests. A thread that dies costs one job an error. */
export class ImageWorkerPool implements AsyncDisposable {
  readonly #size: number;
  readonly #inlineBytes: number;
  readonly #slots = new Set<Slot>();
  readonly #waiting: Job[] = [];
  #closed = false;

  constructor(options: ImageWorkerPoolOptions) {
    this.#size = options.size;
    this.#inlineBytes = options.inlineBytes ?? INLINE_BYTES;
  }

  /** `verifyImage` in a worker thread. @throws {ValidationError} `image_invalid` */
  async verify(imageData: Buffer): Promise<VerifiedBytes> {
    if (imageData.length < this.#inlineBytes) return { ...verifyImage(imageData), imageData };
    const reply = await this.#run({ task: "verify", bytes: toTransferable(imageData) });
    return toVerifiedBytes(reply);
  }

  /** `encodePng` in a worker thread; the pixels that were given are no longer usable. */
  async encode({ width, height, rgb }: RgbImage): Promise<Buffer> {
    if (rgb.length < this.#inlineBytes / ENCODING_EFFORT) return encodePng({ width, height, rgb });
    const reply = await this.#run({ task: "encode", bytes: toTransferable(rgb), width, height });
    return toVerifiedBytes(reply).imageData;
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
    slot.worker.postMessage(request, [request.bytes.buffer]);
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

function toVerifiedBytes(reply: ImageWorkerReply): VerifiedBytes {
  if (!reply.ok) {
    throw new ValidationError("image_invalid", `Cannot read the picture: ${reply.reason}`, {
      details: { reason: reply.reason },
    });
  }
  const { buffer, byteOffset, byteLength } = reply.bytes;
  return { ...reply.image, imageData: Buffer.from(buffer, byteOffset, byteLength) };
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
  return new MCPImageError("shutting_down", "Cannot check the picture: the worker pool is closed");
}
