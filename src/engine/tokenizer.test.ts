import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { toClipTokenizerJson } from "./clip-tokenizer.ts";
import { loadJsonObject } from "./config-file.ts";
import { shippedModelPath } from "./package-files.ts";
import { loadTokenizer, Tokenizer } from "./tokenizer.ts";

/** A small CLIP tokenizer, trained and asked with Hugging Face's Rust tokenizers 0.23.2. */
const FIXTURES = join(import.meta.dirname, "fixtures");
const CLIP_CONFIG = { unk_token: "<|endoftext|>", pad_token: "<|endoftext|>" };
const LENGTH = 77;

test("Tokenizer.encode() gives the ids of the Rust tokenizers for nasty texts", async () => {
  const tokenizer = new Tokenizer(await clipTokenizerJson(), CLIP_CONFIG, { length: LENGTH });
  for (const [text, ids] of await expectedIds()) assert.deepEqual(tokenizer.encode(text).ids, pad(ids), text);
});

test("toClipTokenizerJson() builds the same tokenizer from vocab.json and merges.txt", async () => {
  const { model } = await clipTokenizerJson();
  assert.ok(isJsonObject(model) && isJsonObject(model["vocab"]) && Array.isArray(model["merges"]));
  const merges = [
    "#version: 0.2",
    ...model["merges"].map((pair) => (Array.isArray(pair) ? pair.join(" ") : pair)),
  ].join("\n");
  const tokenizer = new Tokenizer(toClipTokenizerJson(model["vocab"], merges), CLIP_CONFIG, { length: LENGTH });
  for (const [text, ids] of await expectedIds()) assert.deepEqual(tokenizer.encode(text).ids, pad(ids), text);
});

test("Tokenizer.encode() cuts the words and keeps the end token", async () => {
  const tokenizer = new Tokenizer(await clipTokenizerJson(), CLIP_CONFIG, { length: 5 });
  const [[text, whole] = ["", []]] = await expectedIds();
  assert.deepEqual(tokenizer.encode(text), { ids: [...whole.slice(0, 4), 1], unknownWords: [], truncated: true });
});

test("Tokenizer.encode() pads with the pad token, also when that is an object", async () => {
  const config = { pad_token: { content: "!" }, unk_token: "<|endoftext|>" };
  const tokenizer = new Tokenizer(await clipTokenizerJson(), config, { length: 4 });
  assert.deepEqual(tokenizer.encode("").ids, [0, 1, 2, 2]);
});

test("Tokenizer.encode() names pictograms and flags that are no words of the model", async () => {
  const tokenizer = await loadTokenizer(join(shippedModelPath(), "tokenizer"), { length: 12 });
  const { unknownWords } = tokenizer.encode("the sea 🌊, 🚤🚤 👩‍👩‍👧 🇨🇭 👍🏽 ❤️!");
  assert.deepEqual(unknownWords, ["🌊", "🚤", "👩‍👩‍👧", "🇨🇭", "👍🏽", "❤️"]);
});

test("Tokenizer.encode() knows words, and names each unknown one once as it was written", async () => {
  const folder = join(shippedModelPath(), "tokenizer");
  const prompt = "A RED  circle, naïve Bicycle ~ bicycle ~ Bicycle 42~";
  const kept = await loadTokenizer(folder, { length: 12 });
  assert.deepEqual(kept.encode(prompt), {
    ids: [3, 47, 18, 2, 1, 1, 1, 1, 1, 1, 1, 1],
    unknownWords: ["naïve", "Bicycle", "bicycle", "42"],
    truncated: true,
  });
  const skipped = await loadTokenizer(folder, { length: 12, skipUnknownWords: true });
  assert.deepEqual(skipped.encode(prompt).ids, [3, 47, 18, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(skipped.encode(prompt).truncated, false);
});

async function clipTokenizerJson(): Promise<JsonObject> {
  return loadJsonObject(join(FIXTURES, "clip-tokenizer.json"));
}

async function expectedIds(): Promise<readonly (readonly [text: string, ids: readonly number[]])[]> {
  return JSON.parse(await readFile(join(FIXTURES, "clip-tokenizer-expected.json"), "utf8"));
}

/** diffusers pads to the length with the end token. */
function pad(ids: readonly number[]): number[] {
  return [...ids, ...Array.from({ length: LENGTH - ids.length }, () => 1)];
}
