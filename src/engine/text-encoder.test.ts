import assert from "node:assert/strict";
import test from "node:test";
import { ConfigurationError } from "../core/errors.ts";
import { embedGuidance } from "./guidance-embedding.ts";
import type { Network, OutputTensors } from "./network.ts";
import { TextEncoder, toZeroStates } from "./text-encoder.ts";
import { Tokenizer } from "./tokenizer.ts";
import { toClipTokenizerJson } from "./clip-tokenizer.ts";

const TOKENIZER = new Tokenizer(
  toClipTokenizerJson({ "<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2, "b</w>": 3 }, ""),
  { pad_token: "<|endoftext|>" },
  { length: 3 },
);

test("TextEncoder.encode() puts the last layers but one of two encoders behind one another, token by token, and pools the second", async () => {
  const first = network(["last_hidden_state", "hidden_states.0", "hidden_states.1", "hidden_states.2"], 2, 10);
  const second = network(["text_embeds", "hidden_states.9", "hidden_states.10"], 1, 100);
  const encoder = new TextEncoder(
    [
      { tokenizer: TOKENIZER, network: first },
      { tokenizer: TOKENIZER, network: second },
    ],
    "last_but_one",
  );
  const { states } = await encoder.encode(["a"]);
  assert.deepEqual(first.asked, [["hidden_states.1"]]);
  assert.deepEqual(second.asked, [["hidden_states.9", "text_embeds"]]);
  assert.deepEqual(states, [
    {
      tokens: { shape: [1, 3, 3], values: Float32Array.of(10, 11, 100, 12, 13, 101, 14, 15, 102) },
      pooled: { shape: [1, 3, 1], values: Float32Array.of(100, 101, 102) },
    },
  ]);
});

test("TextEncoder refuses an encoder of SDXL that was exported without its layers", () => {
  const plain = network(["last_hidden_state", "pooler_output"], 2, 0);
  assert.throws(
    () => new TextEncoder([{ tokenizer: TOKENIZER, network: plain }], "last_but_one"),
    (error) => error instanceof ConfigurationError && /no outputs "hidden_states\.N"/.test(error.message),
  );
});

test("toZeroStates() keeps the shapes", () => {
  const tokens = { shape: [1, 1, 2], values: Float32Array.of(1, 2) };
  assert.deepEqual(toZeroStates({ tokens }), { tokens: { shape: [1, 1, 2], values: new Float32Array(2) } });
});

test("embedGuidance() gives what diffusers' get_guidance_scale_embedding() does", () => {
  // (1.5 - 1) * 1000 = 500, at waves of 1, 1/100 and 1/10000 of it.
  const angles = [500, 5, 0.05];
  const expected = [...angles.map(Math.sin), ...angles.map(Math.cos)];
  for (const [i, value] of embedGuidance(1.5, 6).entries()) assert.ok(Math.abs(value - (expected[i] ?? 9)) < 1e-6);
  assert.deepEqual(embedGuidance(1, 4), Float32Array.of(0, 0, 1, 1));
});

/** Answers with counted numbers, so many per token. */
function network(outputs: readonly string[], width: number, from: number): Network & { readonly asked: string[][] } {
  const asked: string[][] = [];
  return {
    path: "fake.onnx",
    asked,
    inputs: [{ name: "input_ids", type: "int64", shape: ["batch", "length"] }],
    outputs: outputs.map((name) => ({
      name,
      type: "float32",
      shape: name === "text_embeds" ? ["batch", 1] : ["batch", "length", width],
    })),
    run: async (inputs, ...names) => {
      asked.push([...names]);
      const length = inputs["input_ids"]?.values.length ?? 0;
      const values = Float32Array.from({ length: length * width }, (_, i) => from + i);
      return names.map(() => ({ shape: [1, length, width], values })) as OutputTensors<typeof names>;
    },
  };
}
