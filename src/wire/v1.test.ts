import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseModelNames, parseModelReady, toV1PredictPath } from "./v1.ts";

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

suite("toV1PredictPath()", () => {
  test("encodes the model's name", () => {
    assert.equal(toV1PredictPath("a b/c"), "/v1/models/a%20b%2Fc:predict");
  });
});
