import assert from "node:assert/strict";
import test from "node:test";
import { MCPImageError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { DrawnPicture } from "../worker-messages.ts";
import type { Drawing } from "./drawing.ts";
import { toV2Answer } from "./v2-answer.ts";
import { parseV2Request, type V2Request } from "./v2-request.ts";

const RANDOM: Random = { bytes: (count) => new Uint8Array(count), uint32: () => 4711, fraction: () => 0 };

test("parseV2Request() reads tensors of JSON, nested or flat, and parameters for keys without a tensor", () => {
  const request = parse({
    id: "42",
    inputs: [
      { name: "prompt", shape: [2, 1], datatype: "BYTES", data: [["a"], ["b"]] },
      { name: "width", shape: [1], datatype: "INT64", data: [64] },
      { name: "guidance_scale", shape: [2], datatype: "FP32", data: [1, 2.5] },
    ],
    parameters: { seed: 3, priority: 1, binary_data_output: false },
  });
  assert.deepEqual(request, {
    id: "42",
    requests: [
      { prompt: "a", width: 64, guidanceScale: 1, seed: 3 },
      { prompt: "b", width: 64, guidanceScale: 2.5, seed: 3 },
    ],
    outputs: ["image", "seed", "report"].map((name) => ({ name, isBinary: false })),
  });
});

test("parseV2Request() reads binary tensors of every width", () => {
  const texts = Buffer.concat([Buffer.from([2, 0, 0, 0]), Buffer.from("é")]);
  const seed = Buffer.alloc(8);
  seed.writeBigInt64LE(2n ** 32n - 1n);
  const guidance = Buffer.from([0x00, 0x41]); // 2.5 as a half float
  const inputs = [
    { name: "prompt", shape: [1], datatype: "BYTES", parameters: { binary_data_size: texts.length } },
    { name: "seed", shape: [1, 1], datatype: "INT64", parameters: { binary_data_size: 8 } },
    { name: "guidance_scale", shape: [1], datatype: "FP16", parameters: { binary_data_size: 2 } },
  ];
  const json = Buffer.from(JSON.stringify({ inputs, outputs: [{ name: "image", parameters: { binary_data: true } }] }));
  const body = Buffer.concat([json, texts, seed, guidance]);
  assert.deepEqual(parseV2Request(body, json.length, RANDOM), {
    id: undefined,
    requests: [{ prompt: "é", guidanceScale: 2.5, seed: 2 ** 32 - 1 }],
    outputs: [{ name: "image", isBinary: true }],
  });
});

test("parseV2Request() names the tensor, what was found and what is allowed", () => {
  const prompt = { name: "prompt", shape: [1], datatype: "BYTES", data: ["a"] };
  const refused = (document: unknown, message: string): void => {
    assert.throws(
      () => parse(document),
      (error) => {
        assert.ok(error instanceof MCPImageError);
        assert.deepEqual([error.code, error.publicMessage], ["invalid_argument", message]);
        return true;
      },
    );
  };
  refused([], "the request is not a JSON object; allowed: an inference request of the Open Inference Protocol");
  refused({}, "inputs is missing; allowed: a list of tensors");
  refused({ inputs: [] }, "prompt is missing; allowed: a text");
  refused({ inputs: [{ ...prompt, shape: [2] }] }, "data of prompt has 1 values; allowed: 2, as its shape says");
  refused({ inputs: [{ ...prompt, data: [1] }] }, "data of prompt holds 1; allowed: texts");
  refused({ inputs: [prompt, prompt] }, "input prompt is given twice; allowed: each input once");
  refused(
    { inputs: [prompt], parameters: { seed: null } },
    "parameters.seed is null; allowed: a text, a number, true or false",
  );
  refused({ inputs: [prompt], outputs: [{ name: "latents" }] }, 'outputs name "latents"; allowed: image, seed, report');
  refused(
    { inputs: [prompt, { name: "width", shape: [1], datatype: "INT64", data: [1] }] },
    "width is 1; allowed: an integer from 64 to 2048",
  );
  refused(
    { inputs: [prompt, { name: "width", shape: [2], datatype: "INT64", data: [64, 64] }] },
    "input width has 2 values; allowed: 1, or 1 as prompt has",
  );
  refused(
    { inputs: [{ ...prompt, name: "latents" }] },
    "input latents is not known; allowed: prompt, negative_prompt, width, height, num_inference_steps, guidance_scale, seed, num_images_per_prompt",
  );
  refused(
    { inputs: [{ ...prompt, datatype: "STRING" }] },
    'datatype of prompt is "STRING"; allowed: BYTES, UINT8, INT8, UINT16, INT16, UINT32, INT32, UINT64, INT64, FP16, FP32, FP64',
  );
});

test("parseV2Request() refuses lengths that are not those of the body", () => {
  const json = Buffer.from(
    JSON.stringify({
      inputs: [{ name: "prompt", shape: [1], datatype: "BYTES", parameters: { binary_data_size: 5 } }],
    }),
  );
  const refused = (tail: Buffer, jsonBytes: number, message: RegExp): void => {
    assert.throws(() => parseV2Request(Buffer.concat([json, tail]), jsonBytes, RANDOM), message);
  };
  refused(Buffer.from([1, 0, 0, 0]), json.length, /prompt ends after 4 bytes/);
  refused(Buffer.from([9, 0, 0, 0, 97]), json.length, /binary data of prompt does not hold whole texts/);
  refused(Buffer.from([1, 0, 0, 0, 97, 97]), json.length, /inputs leave 1 bytes over/);
  refused(Buffer.from([1, 0, 0, 0, 97]), json.length + 6, /Inference-Header-Content-Length is \d+; allowed: at most/);
});

test("toV2Answer() writes pictures as base64, or as bytes behind the JSON with their lengths", () => {
  const outputs = (isBinary: boolean): V2Request["outputs"] => [
    { name: "image", isBinary },
    { name: "seed", isBinary },
  ];
  const plain = toV2Answer("tiny", { id: "1", requests: [], outputs: outputs(false) }, [drawing(5), drawing(6)]);
  assert.equal(plain.jsonBytes, undefined);
  assert.deepEqual(JSON.parse(plain.body.toString()), {
    model_name: "tiny",
    id: "1",
    outputs: [
      { name: "image", shape: [2], datatype: "BYTES", data: ["AQI=", "AQI="] },
      { name: "seed", shape: [2], datatype: "INT64", data: [5, 6] },
    ],
  });
  const binary = toV2Answer("tiny", { id: undefined, requests: [], outputs: outputs(true) }, [drawing(5)]);
  const document = JSON.parse(binary.body.toString("utf8", 0, binary.jsonBytes));
  assert.deepEqual(document.outputs, [
    { name: "image", shape: [1], datatype: "BYTES", parameters: { binary_data_size: 6 } },
    { name: "seed", shape: [1], datatype: "INT64", parameters: { binary_data_size: 8 } },
  ]);
  assert.equal(document.parameters.seed, 5);
  assert.deepEqual([...binary.body.subarray(binary.jsonBytes)], [2, 0, 0, 0, 1, 2, 5, 0, 0, 0, 0, 0, 0, 0]);
});

function parse(document: unknown): V2Request {
  return parseV2Request(Buffer.from(JSON.stringify(document)), undefined, RANDOM);
}

function drawing(seed: number): Drawing {
  const picture: DrawnPicture = {
    png: Uint8Array.of(1, 2),
    settings: { width: 64, height: 64, numInferenceSteps: 1, guidanceScale: 1, seed },
    native: { width: 64, height: 64 },
    scheduler: "DDIMScheduler",
    warnings: [],
    timings: { encodeMs: 0, denoiseMs: 0, decodeMs: 0, resizeMs: 0 },
  };
  return { request: { prompt: "a", seed }, picture, queueMs: 0 };
}
