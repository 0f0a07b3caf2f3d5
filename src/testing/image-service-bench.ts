import { KServeError } from "../core/errors.ts";
import { encodePng } from "../core/png.ts";
import { ImageService } from "../images/image-service.ts";
import type { PictureSigner } from "../images/signing/picture-signer.ts";
import type {
  GenerateImageOptions,
  GenerateImageRequest,
  ImageGenerator,
  WaitUntilIdleOptions,
} from "../kserve/generated-image.ts";
import { FairQueue } from "../queue/fair-queue.ts";
import type { StorageLimits } from "../storage/storage-quota.ts";
import { noMetrics } from "../telemetry/metrics.ts";
import type { JobRecords } from "../storage/job-records.ts";
import { MemoryJobRecords } from "../storage/memory-job-records.ts";
import { createFakeClock, type FakeClock } from "./fake-clock.ts";
import { MockStorage } from "./mock-storage.ts";

const PICTURE = encodePng({ width: 1, height: 1, rgb: Uint8Array.of(1, 2, 3) });

/** A generator whose jobs end when the test says so; by default at once. */
export class SteppedGenerator implements ImageGenerator {
  readonly requests: GenerateImageRequest[] = [];
  /** The questions whether it is idle, which wait for `idle`. */
  readonly idleQuestions: WaitUntilIdleOptions[] = [];
  gate: Promise<void> = Promise.resolve();
  idle: Promise<void> = Promise.resolve();
  failure: KServeError | undefined;
  /** What every job is at while it waits for the gate. */
  phase: "waking" | "generating" = "generating";

  async generateImage(request: GenerateImageRequest, options: GenerateImageOptions = {}) {
    this.requests.push(request);
    options.onProgress?.({ phase: this.phase });
    const aborted = new Promise<never>((_, reject) => {
      options.signal?.addEventListener("abort", () => reject(new KServeError("cancelled", "Cancelled")));
    });
    await Promise.race([this.gate, aborted]);
    if (this.failure !== undefined) throw this.failure;
    const seed = request.seed ?? 0;
    return {
      imageData: PICTURE,
      format: "png" as const,
      metadata: {
        prompt: request.prompt,
        width: 1,
        height: 1,
        seed,
        seed_report: { requested: seed, sent: seed, echoed: null, honoured: "unknown" as const },
        model_name: "test-model",
        generation_seconds: 0.5,
        warnings: [],
      },
    };
  }

  async healthCheck(): Promise<boolean> {
    return true;
  }

  async waitUntilIdle(options: WaitUntilIdleOptions): Promise<void> {
    this.idleQuestions.push(options);
    await this.idle;
  }
}

export interface ImageServiceBenchOptions {
  readonly ttlSeconds?: number;
  readonly depth?: number;
  readonly limits?: StorageLimits;
  /** What several services share that are to be replicas of one another. */
  readonly clock?: FakeClock;
  readonly storage?: MockStorage;
  readonly jobRecords?: JobRecords;
  readonly signer?: PictureSigner;
}

/** An image service over a mock storage and a stepped generator, on a clock that only the test moves. */
export function createImageServiceBench(options: ImageServiceBenchOptions = {}) {
  const {
    ttlSeconds = 3600,
    depth = 4,
    limits,
    clock = createFakeClock(),
    jobRecords = new MemoryJobRecords(),
  } = options;
  const storage = options.storage ?? new MockStorage({ clock, ...(limits && { limits }) });
  const generator = new SteppedGenerator();
  const queue = new FairQueue({ concurrency: 1, depth, timeoutMs: 100_000, clock });
  const events: string[] = [];
  const images = new ImageService({
    storage,
    generator,
    queue,
    jobRecords,
    ttlSeconds,
    jobTimeoutSeconds: 20,
    clock,
    signer: options.signer,
    metrics: {
      ...noMetrics,
      generationEnded: (outcome) => events.push(`ended ${outcome}`),
      rejected: (reason) => events.push(`rejected ${reason}`),
    },
  });
  return { images, clock, storage, jobRecords, generator, queue, events };
}
