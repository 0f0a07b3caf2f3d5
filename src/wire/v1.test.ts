import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  parseHasProgress,
  parseModelNames,
  parseModelReady,
  parseProgress,
  toProgressPath,
  toV1PredictPath,
} from "./v1.ts";

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
test("parseProgress() counts steps over all pictures of a request", () => {
  const progress = (fields: object) => parseProgress(JSON.stringify(fields));
  assert.deepEqual(progress({ step: 3, total_steps: 20 }), { step: 3, totalSteps: 20 });
  assert.deepEqual(progress({ step: 3, total_steps: 20, picture: 2, pictures: 4 }), { step: 23, totalSteps: 80 });
});

test("parseProgress() gives undefined for a request that waits and for anything else", () => {
  for (const text of [
    "",
    "[]",
    "{}",
    '{"step":0,"total_steps":null}',
    '{"step":3,"total_steps":2}',
    '{"step":"1","total_steps":2}',
  ]) {
    assert.equal(parseProgress(text), undefined, text);
  }
});

test("parseHasProgress() believes only the word true", () => {
  assert.equal(parseHasProgress('{"name":"m","ready":true,"progress":true}'), true);
  for (const text of ['{"ready":true}', '{"progress":"/x"}', "true", ""]) assert.equal(parseHasProgress(text), false);
});

test("toProgressPath() escapes what it is given", () => {
  assert.equal(toProgressPath("a/b", "x&y"), "/v1/models/a%2Fb/progress?request_id=x%26y");
});
