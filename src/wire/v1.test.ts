import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { JsonValue } from "../core/json.ts";
import { PictureScanner } from "./picture-scanner.ts";
import {
  parseErrorText,
  parseModelNames,
  parseModelReady,
  readV1Answer,
  toV1PredictPath,
  type V1Answer,
} from "./v1.ts";

/** As much of a JPEG as tells what it is. */
const PICTURE = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(80, 7)]);
const BASE64 = PICTURE.toString("base64");

function read(body: JsonValue | Buffer): V1Answer {
  const scanner = new PictureScanner({ maxImageBytes: 10_000 });
  scanner.write(Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body)));
  return readV1Answer(scanner.finish());
}

suite("readV1Answer()", () => {
  const shapes: [string, JsonValue | Buffer][] = [
    ["predictions[0].image.b64", { predictions: [{ image: { format: "PNG", b64: BASE64 } }] }],
    ["predictions[0].image_data", { predictions: [{ image_data: BASE64 }] }],
    ["predictions[0].image_b64", { predictions: [{ image_b64: BASE64 }] }],
    ["predictions[0] as text", { predictions: [BASE64] }],
    ["predictions as text", { predictions: BASE64 }],
    ["predictions[0][0]", { predictions: [[BASE64]] }],
    ["predictions as an object", { predictions: { image: { b64: BASE64 } } }],
    ["instances as text", { instances: BASE64 }],
    ["images", { images: [BASE64], parameters: {} }],
    ["images as data URLs", { images: [`data:image/jpeg;base64,${BASE64}`] }],
    ["data as text beside the prompt", { prompt: "a long prompt that is no base64 at all", data: BASE64 }],
    ["data[0].b64_json", { created: 1, data: [{ b64_json: BASE64, url: null }] }],
    ["Python's str(bytes)", { predictions: [`b'${BASE64}'`] }],
    ["base64 in lines", { predictions: [{ image: { b64: BASE64.replace(/.{20}/g, "$&\n") } }] }],
    ["a key that only an ensemble has", { step: { predictions: [{ image: { b64: BASE64 } }] } }],
    ["a picture behind a decoy of the same key", { a: { b64: "x" }, predictions: [{ image: { b64: BASE64 } }] }],
    ["the raw picture", PICTURE],
  ];
  for (const [title, body] of shapes) {
    test(`finds the picture in ${title}`, () => {
      const answer = read(body);
      assert.equal(answer.kind, "picture");
      assert.deepEqual(answer.kind === "picture" && answer.imageData, PICTURE);
    });
  }

  test("gives what the runtime reports beside the picture", () => {
    const answer = read({ predictions: [{ seed: 5, image: { b64: BASE64 } }] });
    assert.deepEqual(answer.kind === "picture" && answer.prediction["seed"], 5);
  });

  test("tells a damaged picture from none", () => {
    assert.deepEqual(read({ predictions: [{ image: { b64: `${BASE64.slice(0, -4)}!!!!` } }] }), { kind: "damaged" });
    assert.deepEqual(read({ predictions: [{ label: "cat" }] }), { kind: "no_picture", keys: ["predictions"] });
    assert.deepEqual(read({ predictions: [] }), { kind: "no_picture", keys: ["predictions"] });
  });

  test("gives the words of an error that came with status 200", () => {
    assert.deepEqual(read({ error: "it broke" }), { kind: "error", text: "it broke" });
    assert.deepEqual(read({ predictions: [{ error: "it broke" }] }), { kind: "error", text: "it broke" });
    assert.deepEqual(read({ detail: [{ msg: "x" }] }), { kind: "error", text: `[{"msg":"x"}]` });
  });

  test("tells JSON that is cut off from what is no JSON", () => {
    assert.deepEqual(read(Buffer.from(`{"predictions":[{"prompt":"a`)), { kind: "cut_off" });
    assert.deepEqual(read(Buffer.from("<html></html>")), { kind: "not_json", text: "<html></html>" });
    assert.deepEqual(read(Buffer.alloc(0)), { kind: "not_json", text: "" });
  });

  test("does not look deeper than 12 levels or at more than 10,000 values", () => {
    let deep: JsonValue = BASE64;
    for (let level = 0; level < 13; level++) deep = [deep];
    assert.equal(read({ deep }).kind, "no_picture");
    assert.equal(read({ wide: [...Array.from({ length: 10_000 }, () => 0), BASE64] }).kind, "no_picture");
  });
});

suite("parseModelNames()", () => {
  test("reads KServe's list and OpenAI's, and nothing else", () => {
    assert.deepEqual(parseModelNames(`{"models":["a","b"]}`), ["a", "b"]);
    assert.deepEqual(parseModelNames(`{"object":"list","data":[{"id":"a"},{"id":1}]}`), ["a"]);
    assert.equal(parseModelNames(`{"status":"alive"}`), undefined);
    assert.equal(parseModelNames("<html>"), undefined);
  });
});

suite("parseModelReady()", () => {
  test("is false only when the server says so", () => {
    assert.equal(parseModelReady(`{"name":"model","ready":true}`), true);
    assert.equal(parseModelReady(`{"name":"model","ready":false}`), false);
    assert.equal(parseModelReady(""), true);
  });
});

suite("parseErrorText()", () => {
  test("reads KServe's and FastAPI's error bodies", () => {
    assert.equal(parseErrorText(`{"error":"a"}`), "a");
    assert.equal(parseErrorText(`{"detail":"Not Found"}`), "Not Found");
    assert.equal(parseErrorText("upstream request timeout"), undefined);
  });
});

suite("toV1PredictPath()", () => {
  test("encodes the model's name", () => {
    assert.equal(toV1PredictPath("a b/c"), "/v1/models/a%20b%2Fc:predict");
  });
});
