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
import { EngineThread, type GenerateOptions } from "./engine-thread.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { shippedModelPath } from "./package-files.ts";
import type { DrawnPicture } from "./worker-messages.ts";

const CIRCLE: GenerationRequest = { prompt: "a red circle on a blue background", seed: 1, numInferenceSteps: 4 };

// Proves: ENGINE-3
describe("EngineThread with the shipped model", () => {
  const thread = new EngineThread({ modelPath: shippedModelPath(), clock: systemClock, cancelGraceMs: 60_000 });
  after(() => thread.close());

  test("EngineThread.generate() draws what the prompt says", async () => {
    const { png, settings, native, scheduler, warnings } = await draw(thread, { ...CIRCLE, guidanceScale: 7.5 });
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

  test("EngineThread.generate() gives the same bytes for the same seed, and another picture for another", async () => {
    const first = await draw(thread, CIRCLE);
    const again = await draw(thread, CIRCLE);
    const other = await draw(thread, { ...CIRCLE, seed: 2 });
    assert.equal(hash(again), hash(first));
    assert.notEqual(hash(other), hash(first));
  });

  test("EngineThread.generate() uses the negative prompt, and only with a guidance above 1", async () => {
    const guided = { ...CIRCLE, guidanceScale: 4 };
    const plain = { ...CIRCLE, guidanceScale: 1 };
    const negativePrompt = "a green square";
    assert.notEqual(hash(await draw(thread, { ...guided, negativePrompt })), hash(await draw(thread, guided)));
    const ignored = await draw(thread, { ...plain, negativePrompt });
    assert.equal(hash(ignored), hash(await draw(thread, plain)));
    assert.deepEqual(ignored.warnings, ["negative_prompt has no effect while guidance_scale is 1 or less"]);
  });

  test("EngineThread.generate() gives exactly the size that was asked for, and says how", async () => {
    const picture = await draw(thread, { ...CIRCLE, numInferenceSteps: 1, width: 640, height: 65 });
    const header = Buffer.from(picture.png);
    assert.deepEqual([header.readUInt32BE(16), header.readUInt32BE(20)], [640, 65]);
    assert.deepEqual(picture.native, { width: 448, height: 256 });
    assert.deepEqual(picture.warnings, ["drawn as 448x256, then stretched and cropped to 640x65"]);
  });

  test("EngineThread.generate() names the words that the model does not know", async () => {
    const picture = await draw(thread, {
      ...CIRCLE,
      numInferenceSteps: 1,
      prompt: "A Red bicycle, on a naïve background",
    });
    assert.deepEqual(picture.warnings, ["not understood: bicycle, naïve"]);
  });

  test("EngineThread.generate() reports every step, as many as were asked for", async () => {
    const steps: string[] = [];
    await thread.generate(
      { ...CIRCLE, numInferenceSteps: 3 },
      options({ onStep: (step, total) => steps.push(`${step}/${total}`) }),
    );
    assert.deepEqual(steps, ["0/3", "1/3", "2/3", "3/3"]);
  });

  test("EngineThread.generate() ends a cancelled job at its next step and keeps its thread", async () => {
    const caller = new AbortController();
    const job = thread.generate(
      { ...CIRCLE, numInferenceSteps: 200 },
      options({ signal: caller.signal, onStep: () => caller.abort() }),
    );
    await assert.rejects(job, hasCode("cancelled"));
    assert.equal(thread.isReady, true);
    assert.equal(hash(await draw(thread, CIRCLE)), hash(await draw(thread, CIRCLE)));
  });
});

describe("EngineThread with a thread that misbehaves", () => {
  const workerFile = new URL("fixtures/misbehaving-worker.ts", import.meta.url);
  const thread = new EngineThread({ modelPath: "unused", clock: systemClock, cancelGraceMs: 0, workerFile });
  after(() => thread.close());

  test("EngineThread.generate() fails when the thread dies, and the next job gets a new thread", async () => {
    await assert.rejects(draw(thread, { prompt: "die", seed: 0 }), (error) => {
      return hasCode("upstream_error")(error) && /thread ended with code 3/.test(String(error));
    });
    assert.equal((await draw(thread, { prompt: "answer", seed: 0 })).png.length, 0);
  });

  test("EngineThread.generate() ends the thread of a job that does not stop in time, and starts another", async () => {
    const caller = new AbortController();
    const hanging = options({ signal: caller.signal, onStep: () => caller.abort() });
    await assert.rejects(thread.generate({ prompt: "hang", seed: 0 }, hanging), hasCode("cancelled"));
    assert.equal((await draw(thread, { prompt: "answer", seed: 0 })).png.length, 0);
  });

  test("EngineThread.close() ends the job in flight, and nothing can be drawn after it", async () => {
    const started = Promise.withResolvers<void>();
    const job = thread.generate({ prompt: "hang", seed: 0 }, options({ onStep: () => started.resolve() }));
    await started.promise;
    await Promise.all([assert.rejects(job, hasCode("shutting_down")), thread.close()]);
    await assert.rejects(draw(thread, { prompt: "answer", seed: 0 }), hasCode("shutting_down"));
  });
});

test("EngineThread.start() says which file of the model is missing", async () => {
  const modelPath = await mkdtemp(join(tmpdir(), "engine-test-"));
  await using thread = new EngineThread({ modelPath, clock: systemClock });
  await assert.rejects(thread.start(), (error) => {
    return error instanceof ConfigurationError && /model_index\.json": it does not exist/.test(error.message);
  });
  await rm(modelPath, { recursive: true });
});

function options(some: Partial<GenerateOptions> = {}): GenerateOptions {
  return { signal: new AbortController().signal, onStep: () => undefined, ...some };
}

async function draw(thread: EngineThread, request: GenerationRequest): Promise<DrawnPicture> {
  return thread.generate(request, options());
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
