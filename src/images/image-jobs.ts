import type { CallLimits } from "../access/call-limits.ts";
import type { Caller } from "../access/principal.ts";
import type { Clock } from "../core/clock.ts";
import { MCPImageError, toMcpImageError } from "../core/errors.ts";
import { createImageId, parseImageId, type ImageId } from "../core/image-id.ts";
import type { JsonObject } from "../core/json.ts";
import type { Random } from "../core/random.ts";
import type { GenerateImageRequest } from "../kserve/generated-image.ts";
import { getLogger, withLogFields } from "../logging/logger.ts";
import type { ImageRecord } from "../storage/abstract-storage.ts";
import type { JobRecords } from "../storage/job-records.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { ImageJob, type GenerateImageResponse, type JobCaller } from "./image-job.ts";
import { JobBoard } from "./job-board.ts";
import { JobKeeper } from "./job-keeper.ts";
import type { JobRunner } from "./job-runner.ts";
import { LostCalls, toCallKey } from "./lost-calls.ts";
import { OWNER_KEY } from "./owner.ts";
import { toImageProgress, toRunningMetadata } from "./running-metadata.ts";

export interface GenerateOptions extends JobCaller {
  /** Whose turn in the queue this takes: the client's address, session or name. */
  readonly clientId: string;
  /** Owns the picture, and needs the scope `images:generate`. Default: the server itself. */
  readonly caller?: Caller;
  /**
   * Aborts when the caller was cut off without having cancelled. The job goes on, and the same call of the same client,
   * when it comes again soon, gets its picture.
   */
  readonly lostSignal?: AbortSignal;
  /**
   * After this time the answer is that of a running job: the same shape, with `metadata.status` "running". The job goes
   * on, and its picture is found under the id. 0 answers as soon as the job is accepted. Default: waits to the end.
   */
  readonly maxWaitMs?: number;
  /** Kept with the picture, beside what is known of its making. */
  readonly facts?: JsonObject;
}

/** A picture that is not there: it is being drawn, or it never will be. */
export type PendingImage =
  | { readonly status: "running"; readonly response: GenerateImageResponse; readonly owner: string | undefined }
  | {
      readonly status: "failed";
      readonly error: MCPImageError;
      readonly endedAtMs: number;
      readonly owner: string | undefined;
    };

export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** Default: waits to the end of the job. */
  readonly maxWaitMs?: number;
  readonly onProgress?: JobCaller["onProgress"];
}

export interface ImageJobsOptions {
  readonly runner: JobRunner;
  readonly records: JobRecords;
  readonly clock: Clock;
  readonly random: Random;
  /** How many jobs a caller may begin. Default: any number. */
  readonly limits?: CallLimits | undefined;
  readonly metrics: Metrics;
  readonly isStored: (imageId: ImageId) => Promise<boolean>;
  readonly toResponse: (record: ImageRecord) => Promise<GenerateImageResponse>;
  /** The answer for a picture that is not there yet. */
  readonly toPendingResponse: (imageId: ImageId, metadata: JsonObject) => GenerateImageResponse;
}

/** How often a process looks at a job of another one. */
const POLL_MS = 2000;
/** A reason of one's own: the default one is an error with its stack, for each call. */
const OVER = "the wait is over";

const logger = getLogger("images");

/** The jobs of this process, from the call that begins one to the end, and a view on those of other processes. */
export class ImageJobs {
  readonly board = new JobBoard();
  readonly #options: ImageJobsOptions;
  readonly #running = new Map<ImageId, ImageJob>();
  /** Jobs that have ended and whose end others are being told of. */
  readonly #ending = new Map<ImageId, Promise<void>>();
  readonly #lostCalls: LostCalls<ImageJob>;
  readonly #keeper: JobKeeper;
  #draining = false;

  constructor(options: ImageJobsOptions) {
    this.#options = options;
    this.#lostCalls = new LostCalls({ clock: options.clock });
    this.#keeper = new JobKeeper({ records: options.records, clock: options.clock });
  }

  /** Runs a job, or joins the one of an equal call whose caller was cut off, and answers by the options. */
  async generate(request: GenerateImageRequest, options: GenerateOptions): Promise<GenerateImageResponse> {
    const key = toCallKey(options.clientId, request);
    const job = (await this.#rejoin(key)) ?? (await this.#admit(request, options));
    const lose = (): void => {
      logger.info("call_lost", { image_id: job.imageId });
      this.#lostCalls.add(key, job);
    };
    // Stays after the answer was given: a connection may turn out to be lost only when the answer is sent.
    options.lostSignal?.addEventListener("abort", lose, { once: true });
    if (options.lostSignal?.aborted) lose();
    return this.#serve(job, options);
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  /** What is known of a picture that is not stored; `undefined` when nothing is. @throws {StorageError} */
  async find(imageId: string, signal?: AbortSignal): Promise<PendingImage | undefined> {
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current") return undefined;
    const { id } = parsed;
    const own = this.board.get(id);
    if (own !== undefined) {
      const response = this.#options.toPendingResponse(id, toRunningMetadata(own));
      return { status: "running", response, owner: own.owner };
    }
    await this.#ending.get(id);
    const known = await this.#keeper.find(id, signal);
    if (known?.status !== "running") return known;
    const { metadata, owner } = known;
    return { status: "running", response: this.#options.toPendingResponse(id, metadata), owner };
  }

  /** True when it is known without waiting that nobody was told of a picture of this id; false says nothing. */
  isAbsent(imageId: string): boolean {
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current") return true;
    const { id } = parsed;
    return this.board.get(id) === undefined && !this.#ending.has(id) && this.#options.records.isAbsent(id);
  }

  /** Resolves when no job of this id runs any more, or when the time is over. @throws the reason of the signal */
  async wait(imageId: string, options: WaitOptions): Promise<void> {
    const { signal, maxWaitMs } = options;
    const over = new AbortController();
    const stop = AbortSignal.any([over.signal, ...(signal ? [signal] : [])]);
    const limit = maxWaitMs === undefined ? undefined : this.#options.clock.sleep(maxWaitMs, stop);
    try {
      await Promise.race([this.#waitForEnd(imageId, options, stop), ...(limit ? [limit] : [])]);
    } finally {
      over.abort();
      limit?.catch(() => undefined);
    }
  }

  /** Ends a job of this process; false when none of that id runs here. Resolves when it has ended. */
  async cancelHere(imageId: string): Promise<boolean> {
    const job = this.#find(imageId);
    if (job === undefined) return false;
    job.cancel();
    await job.result.catch(() => undefined);
    return true;
  }

  /** Asks whichever process runs the job to end it, within seconds; false when nothing is known of it. */
  async cancelElsewhere(imageId: string): Promise<boolean> {
    const parsed = parseImageId(imageId);
    return parsed?.kind === "current" && this.#keeper.requestCancel(parsed.id);
  }

  /** Refuses new jobs from now on and resolves when the accepted ones have ended; the signal cancels those. */
  async drain(signal?: AbortSignal): Promise<void> {
    this.#draining = true;
    const cancelAll = (): void => {
      for (const job of this.#running.values()) job.cancel(signal?.reason);
    };
    signal?.addEventListener("abort", cancelAll, { once: true });
    if (signal?.aborted) cancelAll();
    await Promise.allSettled(Array.from(this.#running.values(), async ({ result }) => result));
    signal?.removeEventListener("abort", cancelAll);
    await Promise.all(this.#ending.values());
    await this.#keeper.close();
    await this.#options.runner.close();
  }

  #find(imageId: string): ImageJob | undefined {
    const parsed = parseImageId(imageId);
    return parsed && this.#running.get(parsed.id);
  }

  /** The job of an earlier call like this one whose caller was cut off, unless its picture is gone. */
  async #rejoin(key: string): Promise<ImageJob | undefined> {
    const job = this.#lostCalls.take(key);
    if (job === undefined) return undefined;
    if (!this.#running.has(job.imageId) && !(await this.#options.isStored(job.imageId))) return undefined;
    logger.info("call_joined", { image_id: job.imageId });
    return job;
  }

  /** Starts a job that the limits of its caller allow. */
  async #admit(request: GenerateImageRequest, options: GenerateOptions): Promise<ImageJob> {
    const { clock, random, limits, metrics } = this.#options;
    const imageId = createImageId(clock.nowMs(), random);
    const { caller } = options;
    const admission = await (caller && limits?.admit(caller.limitId, imageId))?.catch((error: unknown) => {
      if (error instanceof MCPImageError) metrics.rejected(error.code);
      throw error;
    });
    if (this.#draining) {
      await admission?.release({ wasBegun: false });
      throw new MCPImageError("shutting_down", "Cannot start a job: the server shuts down");
    }
    const job = this.#start(imageId, request, options);
    job.result.then(
      async () => admission?.release(),
      async (error: unknown) => admission?.release({ wasBegun: !isTurnedAway(error) }),
    );
    return job;
  }

  #start(imageId: ImageId, request: GenerateImageRequest, options: GenerateOptions): ImageJob {
    const { clock, runner, toResponse } = this.#options;
    const startedAtMs = clock.nowMs();
    const owner = options.caller?.principal.id;
    const facts = { ...options.facts, ...(owner !== undefined && { [OWNER_KEY]: owner }) };
    const order = { imageId, request, clientId: options.clientId, facts };
    this.board.start({ imageId, request, startedAtMs, owner });
    const job = new ImageJob(imageId, options, async ({ signal, report }) =>
      withLogFields({ image_id: imageId }, async () => {
        const tell: typeof report = (progress) => {
          this.board.report(imageId, progress);
          report(progress);
        };
        return toResponse(await runner.run(order, { signal, report: tell }));
      }),
    );
    this.#running.set(imageId, job);
    job.result.then(
      () => this.#end(imageId),
      (error: unknown) => this.#end(imageId, toMcpImageError(error)),
    );
    return job;
  }

  #end(imageId: ImageId, error?: MCPImageError): void {
    const owner = this.board.get(imageId)?.owner;
    this.#running.delete(imageId);
    this.board.end(imageId, error);
    const isInterrupted = error?.code === "cancelled" && this.#draining;
    const reason = isInterrupted ? new MCPImageError("generation_interrupted", "The server shuts down") : error;
    const ending = this.#keeper.end(imageId, reason, owner).finally(() => this.#ending.delete(imageId));
    this.#ending.set(imageId, ending);
  }

  async #serve(job: ImageJob, options: GenerateOptions): Promise<GenerateImageResponse> {
    const { clock } = this.#options;
    const { maxWaitMs } = options;
    const served = new AbortController();
    const limit = maxWaitMs === undefined ? undefined : clock.sleep(maxWaitMs, served.signal).catch(() => undefined);
    try {
      const response = await job.serve(options, limit);
      if (response !== undefined) return response;
    } finally {
      served.abort(OVER);
    }
    // It may have ended in the very moment in which the time was over.
    return (await this.#announce(job)) ?? job.result;
  }

  /** The answer for a running job, once every process knows its id. */
  async #announce(job: ImageJob): Promise<GenerateImageResponse | undefined> {
    const { imageId } = job;
    const running = this.board.get(imageId);
    if (running === undefined) return undefined;
    const describe = (): JsonObject => toRunningMetadata(this.board.get(imageId) ?? running);
    await this.#keeper.announce({ imageId, describe, cancel: () => job.cancel() });
    logger.info("call_answered_early", { image_id: imageId });
    return this.#options.toPendingResponse(imageId, describe());
  }

  async #waitForEnd(imageId: string, { onProgress }: WaitOptions, stop: AbortSignal): Promise<void> {
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current") return;
    const own = this.#running.get(parsed.id);
    if (own !== undefined) {
      const progress = this.board.get(parsed.id)?.progress;
      if (progress !== undefined && progress.phase !== "accepted") onProgress?.(progress);
      const leave = this.board.subscribe(({ kind, job }) => {
        if (kind === "progressed" && job.imageId === parsed.id && job.progress.phase !== "accepted") {
          onProgress?.(job.progress);
        }
      });
      stop.addEventListener("abort", leave, { once: true });
      await own.result.catch(() => undefined);
      leave();
      return;
    }
    for (;;) {
      const known = await this.#keeper.find(parsed.id, stop);
      if (known?.status !== "running") return;
      const progress = toImageProgress(known.metadata);
      if (progress !== undefined) onProgress?.(progress);
      await this.#options.clock.sleep(POLL_MS, stop);
    }
  }
}

/** True for a job that the queue did not take. */
function isTurnedAway(error: unknown): boolean {
  return error instanceof MCPImageError && (error.code === "queue_full" || error.code === "queue_timeout");
}
