import assert from "node:assert/strict";
import { test } from "node:test";
import { format, inspect } from "node:util";
import { deserialize, serialize } from "node:v8";
import { Secret } from "./secret.ts";

const CANARY = "c4nary";
const secret = new Secret(CANARY);

test("Secret.reveal() gives the text", () => {
  assert.equal(secret.reveal(), CANARY);
});

test("Secret prints as [redacted] wherever a text is made of it", () => {
  const texts = [
    String(secret),
    secret.toString(),
    `a ${secret as unknown as string}`.slice(2),
    "".concat(secret as unknown as string),
    [secret].join(","),
    inspect(secret),
    inspect(secret, { showHidden: true, depth: Infinity, customInspect: true }),
    format("%s", secret),
    format("%o", secret),
    new Error(String(secret)).message,
  ];
  for (const text of texts) assert.match(text, /^\[redacted\]$/);
  assert.equal(JSON.stringify({ secret, list: [secret] }), '{"secret":"[redacted]","list":["[redacted]"]}');
  assert.equal(inspect({ deep: { secret } }), "{ deep: { secret: [redacted] } }");
});

test("Secret gives its text to no copy and no walk over its keys", () => {
  const copies: unknown[] = [
    Object.assign({}, secret),
    structuredClone(secret),
    deserialize(serialize(secret)),
    Object.entries(secret),
    Object.getOwnPropertyNames(secret),
    Object.getOwnPropertyDescriptors(secret),
  ];
  for (const copy of copies) {
    assert.equal(inspect(copy, { showHidden: true, customInspect: false }).includes(CANARY), false);
    assert.equal(JSON.stringify(copy).includes(CANARY), false);
  }
  assert.equal(inspect(secret, { showHidden: true, customInspect: false }).includes(CANARY), false);
});
