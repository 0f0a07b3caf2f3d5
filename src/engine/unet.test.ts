import assert from "node:assert/strict";
import test from "node:test";
import { ConfigurationError } from "../core/errors.ts";
import { ConfigFile } from "./config-file.ts";
import { denoise } from "./denoise.ts";
import { applyGuidance, isGuided } from "./guidance.ts";
import { fromHalfFloatBits, toHalfFloatBits } from "./half-float.ts";
import type { InputTensor, Network, OutputTensors, TensorSpec } from "./network.ts";
import { standardDeviation } from "./sample.ts";
import { createScheduler } from "./schedulers/create-scheduler.ts";
import { Unet, type UnetQuestion } from "./unet.ts";

const SAMPLE: TensorSpec = { name: "sample", type: "float32", shape: ["batch", 1, "height", "width"] };
const TIMESTEP: TensorSpec = { name: "timestep", type: "int64", shape: [] };
const STATES: TensorSpec = { name: "encoder_hidden_states", type: "float32", shape: ["batch", 2, 1] };
const PROMPTS = [1, 2].map((value) => ({ tokens: { shape: [1, 2, 1], values: Float32Array.of(value, value) } }));

test("Unet.predict() asks once for all prompts while the grid is small", async () => {
  const network = fakeNetwork([SAMPLE, TIMESTEP, STATES]);
  const outputs = await new Unet(network).predict(question(Float32Array.of(1, 2, 3, 4)));
  assert.deepEqual(outputs, [Float32Array.of(10, 20, 30, 40), Float32Array.of(10, 20, 30, 40)]);
  assert.deepEqual(network.calls.map(shapes), [
    { sample: [2, 1, 2, 2], timestep: [], encoder_hidden_states: [2, 2, 1] },
  ]);
  assert.deepEqual([...(network.calls[0]?.["encoder_hidden_states"]?.values ?? [])], [1, 1, 2, 2]);
  assert.deepEqual(network.calls[0]?.["timestep"]?.values, [7]);
});

test("Unet.predict() asks prompt by prompt when the grid is large or the network takes one at a time", async () => {
  const large = fakeNetwork([SAMPLE, TIMESTEP, STATES]);
  await new Unet(large).predict(question(new Float32Array(64 * 64)));
  const single = fakeNetwork([{ ...SAMPLE, shape: [1, 1, 2, 2] }, TIMESTEP, STATES]);
  await new Unet(single).predict(question(new Float32Array(4)));
  for (const network of [large, single]) {
    assert.deepEqual(
      network.calls.map((call) => [...(call["encoder_hidden_states"]?.values ?? [])]),
      [
        [1, 1],
        [2, 2],
      ],
    );
  }
});

test("Unet.predict() gives the timestep in the shape that the network declares", async () => {
  const shapeOf = async (shape: TensorSpec["shape"]): Promise<readonly number[] | undefined> => {
    const network = fakeNetwork([SAMPLE, { ...TIMESTEP, shape }, STATES]);
    await new Unet(network).predict(question(new Float32Array(4)));
    return network.calls[0]?.["timestep"]?.shape;
  };
  assert.deepEqual(await shapeOf([]), []);
  assert.deepEqual(await shapeOf([1]), [1]);
  assert.deepEqual(await shapeOf(["steps"]), [1]);
  assert.deepEqual(await shapeOf(["batch"]), [2]);
});

test("Unet.predict() tells an SDXL network the pooled prompt and the sizes, and an LCM network its guidance", async () => {
  const spec = (name: string): TensorSpec => ({ name, type: "float32", shape: ["batch", "size"] });
  const network = fakeNetwork([SAMPLE, TIMESTEP, STATES, spec("text_embeds"), spec("time_ids"), spec("timestep_cond")]);
  const pooled = { shape: [1, 2], values: Float32Array.of(5, 6) };
  await new Unet(network, { hasTextTime: true, hasGuidance: true }).predict({
    ...question(new Float32Array(4)),
    prompts: PROMPTS.map((prompt) => ({ ...prompt, pooled })),
    conditions: { timeIds: [64, 32, 0, 0, 64, 32], guidanceEmbedding: Float32Array.of(0.5) },
  });
  const [call = {}] = network.calls;
  assert.deepEqual(call["text_embeds"], { shape: [2, 2], values: Float32Array.of(5, 6, 5, 6) });
  assert.deepEqual(call["time_ids"]?.shape, [2, 6]);
  assert.deepEqual([...(call["time_ids"]?.values ?? [])], [64, 32, 0, 0, 64, 32, 64, 32, 0, 0, 64, 32]);
  assert.deepEqual(call["timestep_cond"], { shape: [2, 1], values: Float32Array.of(0.5, 0.5) });
});

test("Unet refuses a network that lacks an input or wants one more, by name", () => {
  const refused = (inputs: readonly TensorSpec[], message: RegExp): void => {
    assert.throws(
      () => new Unet(fakeNetwork(inputs)),
      (error) => error instanceof ConfigurationError && message.test(error.message),
    );
  };
  refused([SAMPLE, TIMESTEP], /fake\.onnx": it has no input "encoder_hidden_states"/);
  refused([SAMPLE, TIMESTEP, STATES, { ...STATES, name: "text_embeds" }], /wants the input text_embeds/);
});

test("denoise() asks the network once per step without guidance, and about both prompts with it", async () => {
  const config = new ConfigFile("scheduler_config.json", { _class_name: "DDIMScheduler", clip_sample: false });
  const ask = async (scale: number): Promise<(readonly number[] | undefined)[]> => {
    const network = fakeNetwork([{ ...SAMPLE, shape: [1, 1, 4, 4] }, TIMESTEP, STATES]);
    const seen: string[] = [];
    const sample = await denoise({
      unet: new Unet(network),
      scheduler: createScheduler(config).start(3),
      channels: 1,
      size: { width: 4, height: 4 },
      seed: 0,
      states: scale > 1 ? PROMPTS : PROMPTS.slice(1),
      guidance: { scale, rescale: 0 },
      onStep: (step, total) => seen.push(`${step} of ${total}`),
    });
    assert.equal(sample.length, 16);
    assert.deepEqual(seen, ["0 of 3", "1 of 3", "2 of 3", "3 of 3"]);
    return network.calls.map((call) => [...(call["timestep"]?.values ?? [])]);
  };
  assert.deepEqual(await ask(1), [[666], [333], [0]]);
  assert.deepEqual(await ask(2), [[666], [666], [333], [333], [0], [0]]);
});

test("applyGuidance() goes from the negative output through the positive one and beyond", () => {
  const [negative, positive] = [Float32Array.of(0, 1), Float32Array.of(1, 3)];
  assert.deepEqual(applyGuidance({ scale: 3, rescale: 0 }, negative, positive), Float32Array.of(3, 7));
  assert.equal(isGuided({ scale: 1, rescale: 0 }), false);
  assert.equal(isGuided({ scale: 1.01, rescale: 0 }), true);
});

test("applyGuidance() with a rescale of 1 keeps the spread of the positive output", () => {
  const [negative, positive] = [Float32Array.of(0, 1, -2, 4), Float32Array.of(1, 3, -1, 8)];
  const guided = applyGuidance({ scale: 7.5, rescale: 1 }, negative, positive);
  assert.ok(Math.abs(standardDeviation(guided) - standardDeviation(positive)) < 1e-5);
});

test("toHalfFloatBits() rounds to the nearest half float, ties to even (IEEE 754)", () => {
  const pairs = [
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65_504, 0x7bff],
    [65_520, 0x7c00],
    [Infinity, 0x7c00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -26, 0x0000],
    [1 / 3, 0x3555],
    [2049, 0x6800],
    [2051, 0x6802],
  ] as const;
  assert.deepEqual(
    [...toHalfFloatBits(pairs.map(([value]) => value))],
    pairs.map(([, bits]) => bits),
  );
  assert.ok(Number.isNaN(fromHalfFloatBits(toHalfFloatBits([NaN]))[0]));
});

test("fromHalfFloatBits() undoes toHalfFloatBits() for every finite half float", () => {
  const all = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).filter((bits) => (bits & 0x7c00) !== 0x7c00);
  assert.deepEqual(toHalfFloatBits(fromHalfFloatBits(all)), all);
});

type FakeNetwork = Network & { readonly calls: Readonly<Record<string, InputTensor>>[] };

/** Answers with ten times the sample, and remembers what it was asked. */
function fakeNetwork(inputs: readonly TensorSpec[]): FakeNetwork {
  const calls: Readonly<Record<string, InputTensor>>[] = [];
  return {
    path: "fake.onnx",
    calls,
    inputs,
    outputs: [{ name: "out_sample", type: "float32", shape: ["batch", 1, "height", "width"] }],
    run: async (feeds, ...names) => {
      calls.push(feeds);
      const { shape = [], values = [] } = feeds["sample"] ?? {};
      const output = { shape, values: Float32Array.from(values, (value) => value * 10) };
      return names.map(() => output) as OutputTensors<typeof names>;
    },
  };
}

/** A square grid of one channel. */
function question(sample: Float32Array<ArrayBuffer>): UnetQuestion {
  const side = Math.sqrt(sample.length);
  return { sample, size: { width: side, height: side }, timestep: 7, prompts: PROMPTS };
}

function shapes(call: Readonly<Record<string, InputTensor>>): Record<string, readonly number[]> {
  return Object.fromEntries(Object.entries(call).map(([name, { shape }]) => [name, shape]));
}
