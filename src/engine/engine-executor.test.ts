import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, describe } from "node:test";
import { inflateSync } from "node:zlib";
import { systemClock } from "../core/clock.ts";
import { ConfigurationError, MCPImageError } from "../core/errors.ts";
import { readPngChunks } from "../core/png.ts";
import { createExecutor } from "./create-executor.ts";
import type { ExecutorEnd, StartExecutor } from "./executor-life.ts";
import { EngineExecutor, type GenerateOptions } from "./engine-executor.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { writeTinyModel } from "../testing/tiny-models.ts";
import { shippedModelPath } from "./package-files.ts";
import { createThreadStarter } from "./thread-life.ts";
import type { DrawnPicture } from "./worker-messages.ts";

const CIRCLE: GenerationRequest = { prompt: "a red circle on a blue background", seed: 1, numInferenceSteps: 4 };

// Proves: ENGINE-3
describe("EngineExecutor with the shipped model", () => {
  const executor = createExecutor(shippedModelPath(), { cancelGraceMs: 60_000 }, systemClock);
  after(() => executor.close());

  test("EngineExecutor.generate() draws what the prompt says", async () => {
    const { png, settings, native, scheduler, warnings } = await draw(executor, { ...CIRCLE, guidanceScale: 7.5 });
    const pixel = readPixels(png, 256);
    assertColour(pixel(128, 128), { red: [180, 255], green: [0, 90], blue: [0, 90] });
    for (const [x, y] of [
      [16, 16],
      [240, 16],
      [16, 240],
      [240, 240],
    ] as const) {
      assertColour(pixel(x, y), { red: [0, 100], green: [40, 140], blue: [170, 255] });
    }
    assert.deepEqual(settings, { width: 256, height: 256, numInferenceSteps: 4, guidanceScale: 7.5, seed: 1 });
    assert.deepEqual(
      { native, scheduler, warnings },
      { native: { width: 256, height: 256 }, scheduler: "DDIMScheduler", warnings: [] },
    );
  });

  test("EngineExecutor.generate() gives the same bytes for the same seed, and another picture for another", async () => {
    const first = await draw(executor, CIRCLE);
    const again = await draw(executor, CIRCLE);
    const other = await draw(executor, { ...CIRCLE, seed: 2 });
    assert.equal(hash(again), hash(first));
    assert.notEqual(hash(other), hash(first));
  });

  test("EngineExecutor.generate() uses the negative prompt, and only with a guidance above 1", async () => {
    const guided = { ...CIRCLE, guidanceScale: 4 };
    const plain = { ...CIRCLE, guidanceScale: 1 };
    const negativePrompt = "a green square";
    assert.notEqual(hash(await draw(executor, { ...guided, negativePrompt })), hash(await draw(executor, guided)));
    const ignored = await draw(executor, { ...plain, negativePrompt });
    assert.equal(hash(ignored), hash(await draw(executor, plain)));
    assert.deepEqual(ignored.warnings, ["negative_prompt has no effect while guidance_scale is 1 or less"]);
  });

  test("EngineExecutor.generate() gives exactly the size that was asked for, and says how", async () => {
    const picture = await draw(executor, { ...CIRCLE, numInferenceSteps: 1, width: 640, height: 65 });
    const header = Buffer.from(picture.png);
    assert.deepEqual([header.readUInt32BE(16), header.readUInt32BE(20)], [640, 65]);
    assert.deepEqual(picture.native, { width: 448, height: 256 });
    assert.deepEqual(picture.warnings, ["drawn as 448x256, then stretched and cropped to 640x65"]);
  });

  test("EngineExecutor.generate() names the words that the model does not know", async () => {
    const picture = await draw(executor, {
      ...CIRCLE,
      numInferenceSteps: 1,
      prompt: "A Red bicycle, on a naïve background",
    });
    assert.deepEqual(picture.warnings, ["not understood: bicycle, naïve"]);
  });

  test("EngineExecutor.generate() reports every step, as many as were asked for", async () => {
    const steps: string[] = [];
    await executor.generate(
      { ...CIRCLE, numInferenceSteps: 3 },
      options({ onStep: (step, total) => steps.push(`${step}/${total}`) }),
    );
    assert.deepEqual(steps, ["0/3", "1/3", "2/3", "3/3"]);
  });

  test("EngineExecutor.generate() ends a cancelled job at its next step and keeps its thread", async () => {
    const caller = new AbortController();
    const job = executor.generate(
      { ...CIRCLE, numInferenceSteps: 200 },
      options({ signal: caller.signal, onStep: () => caller.abort() }),
    );
    await assert.rejects(job, hasCode("cancelled"));
    assert.equal(executor.isReady, true);
    assert.equal(hash(await draw(executor, CIRCLE)), hash(await draw(executor, CIRCLE)));
  });
});

describe("EngineExecutor with a thread that misbehaves", () => {
  const workerFile = new URL("fixtures/misbehaving-worker.ts", import.meta.url);
  const setup = {
    modelPath: "unused",
    runtime: { kind: "wasm", url: "unused", threads: 1, memoryMegabytes: undefined },
  } as const;
  const start = createThreadStarter(setup, workerFile);
  const executor = new EngineExecutor({ start, clock: systemClock, cancelGraceMs: 0 });
  after(() => executor.close());

  test("EngineExecutor.generate() fails when the thread dies, and the next job gets a new thread", async () => {
    await assert.rejects(draw(executor, { prompt: "die", seed: 0 }), (error) => {
      return hasCode("upstream_error")(error) && /executor ended with code 3/.test(String(error));
    });
    assert.equal((await draw(executor, { prompt: "answer", seed: 0 })).png.length, 0);
  });

  test("EngineExecutor.generate() ends the thread of a job that does not stop in time, and starts another", async () => {
    const caller = new AbortController();
    const hanging = options({ signal: caller.signal, onStep: () => caller.abort() });
    await assert.rejects(executor.generate({ prompt: "hang", seed: 0 }, hanging), hasCode("cancelled"));
    assert.equal((await draw(executor, { prompt: "answer", seed: 0 })).png.length, 0);
  });

  test("EngineExecutor.close() ends the job in flight, and nothing can be drawn after it", async () => {
    const started = Promise.withResolvers<void>();
    const job = executor.generate({ prompt: "hang", seed: 0 }, options({ onStep: () => started.resolve() }));
    await started.promise;
    await Promise.all([assert.rejects(job, hasCode("shutting_down")), executor.close()]);
    await assert.rejects(draw(executor, { prompt: "answer", seed: 0 }), hasCode("shutting_down"));
  });
});

test("EngineExecutor.generate() ends with out_of_memory when the limit is reached, and the next picture is drawn", async () => {
  const folder = await mkdtemp(join(tmpdir(), "engine-test-"));
  await writeTinyModel(folder, "sdxl");
  await using executor = createExecutor(folder, { memoryMegabytes: 32 }, systemClock);
  const large = { prompt: "a fox", seed: 1, width: 1024, height: 1024, numInferenceSteps: 1 };
  await assert.rejects(executor.generate(large, options()), hasCode("out_of_memory"));
  const { settings } = await executor.generate({ ...large, width: 64, height: 64 }, options());
  assert.equal(settings.width, 64);
  await rm(folder, { recursive: true });
});

test("EngineExecutor.start() tries again after a load that failed, with nothing left of it", async () => {
  const ended: number[] = [];
  let lives = 0;
  const start: StartExecutor = (onMessage) => {
    const life = ++lives;
    const { promise, resolve } = Promise.withResolvers<ExecutorEnd>();
    const error = { code: "out_of_memory", message: "no memory", cause: undefined } as const;
    queueMicrotask(() => onMessage(life === 1 ? { kind: "load_failed", error } : { kind: "ready" }));
    const kill = (): void => {
      ended.push(life);
      resolve({ reason: "was ended", isOutOfMemory: false });
    };
    return { generate: () => undefined, cancel: () => undefined, kill, ended: promise };
  };
  await using executor = new EngineExecutor({ start, clock: systemClock });
  await assert.rejects(executor.start(), hasCode("out_of_memory"));
  assert.deepEqual(ended, [1]);
  await executor.start();
  assert.deepEqual([executor.isReady, lives], [true, 2]);
});

test("EngineExecutor.start() says which file of the model is missing", async () => {
  const modelPath = await mkdtemp(join(tmpdir(), "engine-test-"));
  await using executor = createExecutor(modelPath, {}, systemClock);
  await assert.rejects(executor.start(), (error) => {
    return error instanceof ConfigurationError && /model_index\.json": it does not exist/.test(error.message);
  });
  await rm(modelPath, { recursive: true });
});

function options(some: Partial<GenerateOptions> = {}): GenerateOptions {
  return { signal: new AbortController().signal, onStep: () => undefined, ...some };
}

async function draw(executor: EngineExecutor, request: GenerationRequest): Promise<DrawnPicture> {
  return executor.generate(request, options());
}

function hash({ png }: DrawnPicture): string {
  return createHash("sha256").update(png).digest("hex");
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MCPImageError && error.code === code;
}

type Colour = { red: number; green: number; blue: number };

/** Undoes the filters of PNG (W3C PNG, section 9) for a square picture of 8-bit RGB. */
function readPixels(png: Uint8Array, side: number): (x: number, y: number) => Colour {
  const data = readPngChunks(png).filter((chunk) => chunk.type === "IDAT");
  const packed = Buffer.concat(data.map((chunk) => png.subarray(chunk.dataStart, chunk.dataStart + chunk.dataLength)));
  const lines = inflateSync(packed);
  const stride = side * 3;
  const pixels = Buffer.alloc(stride * side);
  const at = (x: number, y: number): number => (x < 0 || y < 0 ? 0 : (pixels[y * stride + x] ?? 0));
  for (let y = 0; y < side; y++) {
    const filter = lines[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const [left, up, corner] = [at(x - 3, y), at(x, y - 1), x < 3 ? 0 : at(x - 3, y - 1)];
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter ?? 0] ?? 0;
      pixels[y * stride + x] = ((lines[y * (stride + 1) + 1 + x] ?? 0) + guess) & 255;
    }
  }
  return (x, y) => ({ red: at(x * 3, y), green: at(x * 3 + 1, y), blue: at(x * 3 + 2, y) });
}

function paeth(left: number, up: number, corner: number): number {
  const [dLeft, dUp, dCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (dLeft <= dUp && dLeft <= dCorner) return left;
  return dUp <= dCorner ? up : corner;
}

function assertColour(colour: Colour, ranges: Record<keyof Colour, readonly [number, number]>): void {
  for (const channel of ["red", "green", "blue"] as const) {
    const [low, high] = ranges[channel];
    const value = colour[channel];
    assert.ok(value >= low && value <= high, `${channel} is ${value}, not ${low}..${high}`);
  }
}
