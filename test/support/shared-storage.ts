import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Clock } from "../../src/core/clock.ts";
import { MCPImageError, StorageError, ValidationError, type ErrorCode } from "../../src/core/errors.ts";
import type { JsonObject } from "../../src/core/json.ts";
import {
  AbstractStorage,
  type CleaningOptions,
  type FindImagesQuery,
  type ImagePage,
  type ImageRecord,
  type OpenImage,
  type OperationOptions,
  type SavedImage,
  type StoredImage,
} from "../../src/storage/abstract-storage.ts";

/** What is asked of one of the processes. */
export type SharedCall = { readonly number: number } & (
  | { readonly method: "abort" }
  | ({ readonly target: string; readonly nowMs: number } & Work)
);

type OnImage = { readonly imageId: string };
type Work =
  | ({ readonly method: "storeImage"; readonly imageData: Uint8Array; readonly metadata: JsonObject } & OnImage)
  | ({ readonly method: "readImage" | "readRecord" | "deleteImage" | "openImage" } & OnImage)
  | ({ readonly method: "keepImage"; readonly keep: boolean } & OnImage)
  | { readonly method: "findImages"; readonly query: Omit<FindImagesQuery, "signal"> }
  | { readonly method: "cleanupExpiredImages"; readonly ttlSeconds: number; readonly options: { budgetMs?: number } }
  | { readonly method: "readPart"; readonly image: number; readonly position: number; readonly length: number }
  | { readonly method: "closeImage"; readonly image: number }
  | { readonly method: "checkHealth" | "closeStorage" };

export interface SharedAnswer {
  readonly number: number;
  readonly value?: unknown;
  readonly error?: { readonly code: ErrorCode | undefined; readonly message: string };
}

const PROGRAM = join(import.meta.dirname, "shared-storage-process.ts");

/** Some processes that each have a store of their own on whatever folder, or bucket, is asked for. */
export class StorageProcesses implements AsyncDisposable {
  readonly #children: readonly ChildProcess[];
  readonly #waiting = new Map<number, (answer: SharedAnswer) => void>();
  #count = 0;

  constructor(count: number) {
    this.#children = Array.from({ length: count }, () => {
      const child = fork(PROGRAM, { serialization: "advanced" });
      child.on("message", (answer: SharedAnswer) => this.#waiting.get(answer.number)?.(answer));
      return child;
    });
  }

  get size(): number {
    return this.#children.length;
  }

  /** Asks one process; `number` names the call. */
  async ask(
    index: number,
    work: Work & { readonly target: string; readonly nowMs: number },
    signal?: AbortSignal,
  ): Promise<{ readonly value: unknown; readonly number: number }> {
    signal?.throwIfAborted();
    const number = this.#count++;
    const child = this.#children[index];
    const abort = (): void => void child?.send({ number, method: "abort" });
    signal?.addEventListener("abort", abort);
    const { value, error } = await new Promise<SharedAnswer>((resolve) => {
      this.#waiting.set(number, resolve);
      child?.send({ number, ...work });
    });
    this.#waiting.delete(number);
    signal?.removeEventListener("abort", abort);
    if (error === undefined) return { value, number };
    if (signal?.aborted && error.code === undefined) throw signal.reason;
    throw toError(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        child.disconnect();
        await once(child, "exit");
      }),
    );
  }
}

/** One folder or bucket as several servers have it: each call is answered by the next of them. */
export class SharedStorage extends AbstractStorage {
  override readonly backend: "file" | "s3";
  readonly #processes: StorageProcesses;
  readonly #target: string;
  readonly #clock: Clock;
  #turn = 0;
  #isClosed = false;

  /** @param options.target a folder, or the JSON of an S3 store's options */
  constructor(options: { processes: StorageProcesses; target: string; baseUrl: string; clock: Clock }) {
    super(options);
    this.backend = options.target.startsWith("{") ? "s3" : "file";
    this.#processes = options.processes;
    this.#target = options.target;
    this.#clock = options.clock;
  }

  override async storeImage(
    imageData: Uint8Array,
    imageId: string,
    metadata: JsonObject,
    options?: OperationOptions,
  ): Promise<SavedImage> {
    return this.#ask({ method: "storeImage", imageId, imageData, metadata }, options);
  }

  override async readImage(imageId: string, options?: OperationOptions): Promise<StoredImage | undefined> {
    const image = await this.#ask<StoredImage | undefined>({ method: "readImage", imageId }, options);
    return image && { ...image, imageData: Buffer.from(image.imageData) };
  }

  override async readRecord(imageId: string, options?: OperationOptions): Promise<ImageRecord | undefined> {
    return this.#ask({ method: "readRecord", imageId }, options);
  }

  override async keepImage(imageId: string, keep: boolean, options?: OperationOptions): Promise<boolean> {
    return this.#ask({ method: "keepImage", imageId, keep }, options);
  }

  override async deleteImage(imageId: string, options?: OperationOptions): Promise<boolean> {
    return this.#ask({ method: "deleteImage", imageId }, options);
  }

  override async findImages({ signal, ...query }: FindImagesQuery = {}): Promise<ImagePage> {
    return this.#ask({ method: "findImages", query }, { ...(signal && { signal }) });
  }

  override async cleanupExpiredImages(ttlSeconds: number, options: CleaningOptions = {}): Promise<number> {
    const { signal, ...rest } = options;
    return this.#ask({ method: "cleanupExpiredImages", ttlSeconds, options: rest }, { ...(signal && { signal }) });
  }

  override async checkHealth(options?: OperationOptions): Promise<void> {
    await this.#ask({ method: "checkHealth" }, options);
  }

  override async openImage(imageId: string, options?: OperationOptions): Promise<OpenImage | undefined> {
    const index = this.#turn++ % this.#processes.size;
    const opened = await this.#askOf(index, { method: "openImage", imageId }, options);
    if (opened.value === undefined) return undefined;
    const { number: image } = opened;
    return {
      record: opened.value as ImageRecord,
      read: async (into, position) => {
        const part = await this.#askOf(index, { method: "readPart", image, position, length: into.length });
        into.set(part.value as Uint8Array);
      },
      close: () => void this.#askOf(index, { method: "closeImage", image }),
    };
  }

  override async close(): Promise<void> {
    if (this.#isClosed) return;
    const all = Array.from({ length: this.#processes.size }, async (_, index) =>
      this.#askOf(index, { method: "closeStorage" }),
    );
    this.#isClosed = true;
    await Promise.all(all);
  }

  async #ask<Result>(work: Work, options?: OperationOptions): Promise<Result> {
    return (await this.#askOf(this.#turn++ % this.#processes.size, work, options)).value as Result;
  }

  async #askOf(
    index: number,
    work: Work,
    options?: OperationOptions,
  ): Promise<{ readonly value: unknown; readonly number: number }> {
    options?.signal?.throwIfAborted();
    if (this.#isClosed) throw new StorageError("storage_unavailable", "The storage is closed");
    return this.#processes.ask(index, { ...work, target: this.#target, nowMs: this.#clock.nowMs() }, options?.signal);
  }
}

function toError({ code, message }: NonNullable<SharedAnswer["error"]>): Error {
  if (code === undefined) return new Error(message);
  if (code === "image_exists" || code.startsWith("storage_")) return new StorageError(code, message);
  if (code === "invalid_argument" || code.startsWith("invalid_") || code === "image_invalid") {
    return new ValidationError(code, message);
  }
  return new MCPImageError(code, message);
}
