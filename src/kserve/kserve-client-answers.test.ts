import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { toPublicError, type ErrorCode } from "../core/errors.ts";
import {
  FakeKServeRuntime,
  type FakeBehaviour,
  type FakeKServeRuntimeOptions,
} from "../testing/fake-kserve-runtime.ts";
import { failureOf } from "../testing/kserve-bench.ts";
import { drawTestPicture } from "../testing/test-picture.ts";
import type { GenerateImageRequest } from "./generated-image.ts";
import { KServeClient, type KServeClientOptions } from "./kserve-client.ts";

const REQUEST: GenerateImageRequest = { prompt: "a red fox", width: 64, height: 64, seed: 7 };
const PICTURE = drawTestPicture(REQUEST);

/** One picture from a runtime that behaves so. */
async function draw(
  behaviour: FakeBehaviour,
  options: Partial<KServeClientOptions> & { readonly request?: Partial<GenerateImageRequest> } = {},
  runtimeOptions: FakeKServeRuntimeOptions = {},
): ReturnType<KServeClient["generateImage"]> {
  await using runtime = await FakeKServeRuntime.start(runtimeOptions);
  await using client = new KServeClient({ endpoint: runtime.url, protocol: "v1", maxRetries: 0, ...options });
  runtime.script(behaviour);
  return await client.generateImage({ ...REQUEST, ...options.request });
}

/** An answer with status 200. */
function say(body: string | Buffer, headers: Record<string, string> = {}): FakeBehaviour {
  return { kind: "answer", answer: { status: 200, headers, body } };
}

function refuse(status: number, error: string): FakeBehaviour {
  return { kind: "answer", answer: { status, body: JSON.stringify({ error }) } };
}

// Proves: KSERVE-9
suite("KServeClient, the picture", () => {
  const behaviours: [string, FakeBehaviour][] = [
    ["at once", { kind: "draw" }],
    ["in pieces of 7 bytes", { kind: "drip", chunkBytes: 7 }],
    ["with escaped slashes", { kind: "shape", toBody: (base64) => toV1Body(base64).replaceAll("/", "\\/") }],
    ["as plain base64", { kind: "shape", toBody: (base64) => JSON.stringify({ predictions: [base64] }) }],
    ["as itself, without JSON", { kind: "shape", toBody: (base64) => Buffer.from(base64, "base64") }],
  ];
  for (const [title, behaviour] of behaviours) {
    test(`is the same when it comes ${title}`, async () => {
      const image = await draw(behaviour);
      assert.deepEqual(image.imageData, PICTURE);
    });
  }

  const damaged: [string, FakeBehaviour, ErrorCode][] = [
    ["its base64 is wrong", { kind: "shape", toBody: (base64) => toV1Body(`!${base64.slice(1)}`) }, "image_invalid"],
    ["its base64 is cut off", { kind: "shape", toBody: (base64) => toV1Body(base64.slice(0, -4)) }, "image_invalid"],
    ["a bit in it is flipped", { kind: "shape", toBody: (base64) => toV1Body(flipBit(base64)) }, "image_invalid"],
    ["it is no picture", { kind: "shape", toBody: () => toV1Body("A".repeat(400)) }, "image_invalid"],
    ["it is empty", { kind: "shape", toBody: () => toV1Body("") }, "image_invalid"],
    ["the answer ends early", { kind: "truncate", afterFraction: 0.5 }, "upstream_connection_lost"],
    ["the connection breaks inside it", { kind: "reset", afterFraction: 0.5 }, "upstream_connection_lost"],
    ["there is none", say(`{"predictions":[{"label":"fox"}]}`), "no_image_in_response"],
    ["there is an error in its place", say(`{"error":"the pipeline broke"}`), "upstream_error"],
    ["there is a lack of memory in its place", say(`{"error":"CUDA out of memory"}`), "out_of_memory"],
    ["there is a web page in its place", say("<html>Log in</html>"), "not_a_kserve_endpoint"],
    ["there is nothing in its place", say(""), "not_a_kserve_endpoint"],
    [
      "it is compressed",
      say(gzipSync(toV1Body(PICTURE.toString("base64"))), { "content-encoding": "gzip" }),
      "not_a_kserve_endpoint",
    ],
  ];
  for (const [title, behaviour, code] of damaged) {
    test(`is refused when ${title}`, async () => {
      assert.equal((await failureOf(draw(behaviour))).code, code);
    });
  }

  test("may have maxImageBytes and not one byte more", async () => {
    assert.equal((await draw({ kind: "draw" }, { maxImageBytes: PICTURE.length })).imageData.length, PICTURE.length);
    const ways: FakeBehaviour[] = [
      { kind: "draw" },
      { kind: "drip", chunkBytes: 50 },
      { kind: "shape", toBody: (base64) => JSON.stringify({ images: [base64] }) },
      { kind: "shape", toBody: (base64) => Buffer.from(base64, "base64") },
    ];
    for (const behaviour of ways) {
      const error = await failureOf(draw(behaviour, { maxImageBytes: PICTURE.length - 1 }));
      assert.equal(error.code, "image_too_large");
      assert.deepEqual(error.details, { max_bytes: PICTURE.length - 1 });
    }
  });

  test("is not waited for when the answer is too long as a whole", async () => {
    const body = JSON.stringify({ padding: "x".repeat(80_000) });
    const announced = await failureOf(draw(say(body), { maxImageBytes: 1000 }));
    assert.equal(announced.code, "image_too_large");
    const chunked = say(body, { "transfer-encoding": "chunked" });
    assert.equal((await failureOf(draw(chunked, { maxImageBytes: 1000 }))).code, "image_too_large");
  });
});

suite("KServeClient, refusals", () => {
  test("of a size name the field and what is allowed", async () => {
    const odd = await failureOf(draw({ kind: "draw" }, { request: { height: 100 } }));
    assert.equal(odd.code, "upstream_rejected");
    assert.equal(odd.details["field"], "height");
    assert.equal(odd.details["allowed"], "multiples of 8");
    const third = await failureOf(
      draw({ kind: "draw" }, { request: { width: 72 } }, { pipeline: "stable-diffusion-3" }),
    );
    assert.equal(third.code, "upstream_rejected");
  });

  test("of the payload's kind mean that the endpoint is another", async () => {
    assert.equal((await failureOf(draw(refuse(400, "invalid payload")))).code, "not_a_kserve_endpoint");
  });

  // Proves: KSERVE-12
  test("keep the runtime's words out of what leaves the process", async () => {
    const words = `Prediction failed: a red fox and ${"QUJD".repeat(40)} ${"secret ".repeat(80)}`;
    const error = await failureOf(draw(refuse(400, words)));
    assert.equal(error.code, "upstream_rejected");
    const shown = JSON.stringify(toPublicError(error)) + error.message;
    assert.doesNotMatch(shown, /fox|QUJD|secret/);
    assert.ok(error.cause instanceof Error);
    assert.match(error.cause.message, /^The model server said: Prediction failed: \[prompt\] and \[data\] secret/);
    assert.ok(error.cause.message.length <= 330);
  });
});

suite("KServeClient, the engine's report", () => {
  const prediction = {
    warnings: ["not understood: bicycle", 5],
    native_width: 256,
    scheduler: "euler",
    nested: { a: 1 },
  };

  test("is passed on when it is trusted", async () => {
    const { metadata } = await draw({ kind: "draw", prediction }, { trustWarnings: true });
    assert.deepEqual(metadata.warnings, ["not understood: bicycle"]);
    assert.deepEqual(metadata.engine, { native_width: 256, scheduler: "euler" });
  });

  test("tells the steps and the guidance where none were sent, when it is trusted", async () => {
    const own = { num_inference_steps: 20, guidance_scale: 4 };
    const tell = async (trustWarnings: boolean): Promise<unknown[]> => {
      const { metadata } = await draw({ kind: "draw", prediction: own }, { trustWarnings });
      return [metadata.num_inference_steps, metadata.guidance_scale];
    };
    assert.deepEqual(await tell(true), [20, 4]);
    assert.deepEqual(await tell(false), [undefined, undefined]);
  });

  test("is dropped when it is not", async () => {
    const { metadata } = await draw({ kind: "draw", prediction });
    assert.deepEqual(metadata.warnings, []);
    assert.equal("engine" in metadata, false);
  });
});

suite("KServeClient, connections", () => {
  test("are kept from call to call", async () => {
    await using runtime = await FakeKServeRuntime.start();
    await using client = new KServeClient({ endpoint: runtime.url, protocol: "v1" });
    await client.generateImage(REQUEST);
    await client.generateImage(REQUEST);
    assert.equal(runtime.requests.length, 4);
    assert.equal(runtime.connectionCount, 1);
  });

  test("to a server without TLS are named as such", async () => {
    await using runtime = await FakeKServeRuntime.start();
    await using client = new KServeClient({ endpoint: runtime.url.replace("http:", "https:") });
    const error = await failureOf(client.generateImage(REQUEST));
    assert.equal(error.code, "upstream_unavailable");
    assert.match(error.message, /TLS/);
  });

  test("to a server that does not speak HTTP are named as such", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end("SSH-2.0-OpenSSH_9.9\r\n");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    await using client = new KServeClient({ endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    const error = await failureOf(client.generateImage(REQUEST));
    assert.equal(error.code, "not_a_kserve_endpoint");
    server.close();
  });

  test("to a name that does not exist are tried as often as allowed, and no job is sent", async () => {
    await using client = new KServeClient({ endpoint: "http://kserve.invalid", maxRetries: 0 });
    assert.equal((await failureOf(client.generateImage(REQUEST))).code, "upstream_unavailable");
  });
});

function toV1Body(base64: string): string {
  return JSON.stringify({ predictions: [{ image: { format: "PNG", b64: base64 } }] });
}

function flipBit(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes.writeUInt8(bytes.readUInt8(50) ^ 1, 50);
  return bytes.toString("base64");
}
