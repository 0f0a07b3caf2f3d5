import type { Clock } from "../core/clock.ts";
import { toMcpImageError } from "../core/errors.ts";
import type { ImageId } from "../core/image-id.ts";
import type { JsonObject } from "../core/json.ts";
import type { Random } from "../core/random.ts";
import { nextTurn } from "../core/next-turn.ts";
import { Semaphore } from "../core/semaphore.ts";
import type { GenerateImageRequest, ImageGenerator } from "../kserve/generated-image.ts";
import { getLogger } from "../logging/logger.ts";
import type { FairQueue, Lease } from "../queue/fair-queue.ts";
import type { AbstractStorage, ImageRecord } from "../storage/abstract-storage.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { AbandonedJobs } from "./abandoned-jobs.ts";
import { drawImage } from "./draw-image.ts";
import { toGenerationCall, toGenerationDetails } from "./generation-call.ts";
import type { JobControl } from "./image-job.ts";
import type { PictureSigner } from "./signing/picture-signer.ts";

export interface JobRunnerOptions {
  readonly storage: AbstractStorage;
  readonly generator: ImageGenerator;
  readonly queue: FairQueue;
  /** The longest that a job which was given up keeps its place. */
  readonly jobTimeoutMs: number;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether a picture tells its prompts. */
  readonly embedsPrompt: boolean;
  /** `undefined`: pictures are not signed. */
  readonly signer: PictureSigner | undefined;
}

/** What is to be drawn, under which id, for whom. */
export interface JobOrder {
  readonly imageId: ImageId;
  readonly request: GenerateImageRequest;
  /** Whose turn in the queue this takes. */
  readonly clientId: string;
  /** Kept with the picture, beside what is known of its making. */
  readonly facts: JsonObject;
}

const logger = getLogger("images");

/** Takes a job through the queue, the generator and the storage. */
export class JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #abandonedJobs: AbandonedJobs;
  readonly #saves: Semaphore;

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    const { generator, queue, clock, jobTimeoutMs } = options;
    this.#saves = new Semaphore(queue.concurrency);
    this.#abandonedJobs = new AbandonedJobs({ generator, limitMs: jobTimeoutMs, clock });
  }

  /** The record of the stored picture. @throws {MCPImageError} logged and counted already */
  async run(order: JobOrder, control: JobControl): Promise<ImageRecord> {
    const { queue, metrics } = this.#options;
    let lease: Lease | undefined;
    let isDrawing = false;
    const report: JobControl["report"] = (progress) => {
      isDrawing = progress.phase === "generating";
      control.report(progress);
    };
    try {
      await this.#checkRoom(control.signal);
      lease = await queue.acquire(order.clientId, {
        signal: control.signal,
        onPosition: (position) => report({ phase: "queued", ...position }),
      });
      metrics.queueLeft(lease.waitedMs / 1000);
      return await this.#generateAndSave(order, { ...control, report }, lease);
    } catch (error) {
      const failure = toMcpImageError(error);
      if (lease === undefined) metrics.rejected(failure.code);
      else metrics.generationEnded(failure.code, 0);
      const level = failure.code === "cancelled" || failure.retryable ? "warn" : "error";
      logger[level]("generation_failed", { error: failure });
      const mayStillRun = failure.details["maybe_running"] === true || (isDrawing && failure.code === "cancelled");
      if (mayStillRun && lease !== undefined) this.#abandonedJobs.hold(lease);
      else lease?.release({ isSample: false });
      throw failure;
    }
  }

  /** Resolves when nothing asks the generator any more. */
  async close(): Promise<void> {
    await this.#abandonedJobs.close();
  }

  /** A full store is told at once, not after the wait. */
  async #checkRoom(signal: AbortSignal): Promise<void> {
    using _room = await this.#options.storage.reserveRoom({ signal });
  }

  async #generateAndSave(
    { imageId, request, facts }: JobOrder,
    { signal, report }: JobControl,
    lease: Lease,
  ): Promise<ImageRecord> {
    const { storage, generator, metrics, tracing, clock, random } = this.#options;
    using _room = await storage.reserveRoom({ signal }); // before the model is asked: a drawn picture finds its place
    const startedAtMs = clock.monotonicMs();
    const call = toGenerationCall(request, generator.upstream);
    const { imageData, release, metadata } = await tracing.send(call, async (traceparent, tell) => {
      const drawn = await drawImage(generator, request, {
        random,
        embedsPrompt: this.#options.embedsPrompt,
        signer: this.#options.signer,
        requestId: imageId,
        signal,
        onProgress: report,
        ...(traceparent !== undefined && { traceparent }),
      });
      tell?.({ details: toGenerationDetails(drawn.metadata) });
      return drawn;
    });
    report({ phase: "saving" });
    // While this picture is stored the model draws the next one, but no further ahead: memory holds no more of them.
    using _save = await this.#saves.acquire();
    lease.release();
    await nextTurn(); // the store hashes it
    const { record, location } = await storage.storeImage(imageData, imageId, {
      ...metadata,
      ...facts,
      queue_wait_seconds: roundSeconds(lease.waitedMs),
      queue_ahead: lease.ahead,
    });
    const size = imageData.length;
    // Not after a failure: what was given up may still be on its way to the store.
    release();
    const seconds = roundSeconds(clock.monotonicMs() - startedAtMs);
    metrics.generationEnded("ok", seconds);
    logger.info("image_generated", { size, seconds, seed: metadata["seed"] });
    logger.debug("image_stored", { location });

    return record;
  }
}

function roundSeconds(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}
