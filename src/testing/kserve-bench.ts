import assert from "node:assert/strict";
import { KServeError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { GenerateImageOptions, GenerateImageRequest, GenerationProgress } from "../kserve/generated-image.ts";
import { KServeClient, type KServeClientOptions } from "../kserve/kserve-client.ts";
import { createFakeClock, type FakeClock } from "./fake-clock.ts";
import { FakeKServeRuntime, type FakeKServeRuntimeOptions } from "./fake-kserve-runtime.ts";

/** A small picture, quickly drawn. */
export const BENCH_REQUEST: GenerateImageRequest = { prompt: "a red fox", width: 64, height: 64 };

/** Jitter is half of the most; the seed is always 7. */
const fixedRandom: Random = {
  bytes: (count) => new Uint8Array(count),
  uint32: () => 7,
  fraction: () => 0.5,
};

/** A client of V1, unless the options say otherwise, at a fake runtime, on a clock that only the test moves. */
export interface KServeBench extends AsyncDisposable {
  readonly runtime: FakeKServeRuntime;
  readonly client: KServeClient;
  readonly clock: FakeClock;
  readonly progress: GenerationProgress[];
  /** Draws; pauses between attempts pass at once. */
  generate(
    request?: Partial<GenerateImageRequest>,
    options?: GenerateImageOptions,
  ): ReturnType<KServeClient["generateImage"]>;
}

export async function createKServeBench(
  options: Partial<KServeClientOptions> = {},
  runtimeOptions: FakeKServeRuntimeOptions = {},
): Promise<KServeBench> {
  const runtime = await FakeKServeRuntime.start(runtimeOptions);
  const clock = createFakeClock();
  const client = new KServeClient({ endpoint: runtime.url, protocol: "v1", clock, random: fixedRandom, ...options });
  const progress: GenerationProgress[] = [];
  return {
    runtime,
    client,
    clock,
    progress,
    generate: async (request = {}, generateOptions = {}) =>
      client.generateImage(
        { ...BENCH_REQUEST, ...request },
        {
          ...generateOptions,
          onProgress: (event) => {
            progress.push(event);
            if (event.phase === "retrying") void clock.advance(event.delayMs);
          },
        },
      ),
    [Symbol.asyncDispose]: async () => {
      await runtime.close();
      await client.close();
    },
  };
}

/** The `KServeError` that the work rejects with. */
export async function failureOf(work: Promise<unknown>): Promise<KServeError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof KServeError, `not a KServeError: ${String(error)}`);
    return error;
  }
  assert.fail("it did not fail");
}

/** Moves the clock second by second until the work is done. */
export async function advanceUntil<Result>(bench: KServeBench, work: Promise<Result>): Promise<Result> {
  const state = { isDone: false };
  const done = work.finally(() => {
    state.isDone = true;
  });
  while (!state.isDone) await bench.clock.advance(1000);
  return done;
}

/** The pauses between attempts so far. */
export function delaysOf(bench: KServeBench): number[] {
  return bench.progress.flatMap((event) => (event.phase === "retrying" ? [event.delayMs] : []));
}
