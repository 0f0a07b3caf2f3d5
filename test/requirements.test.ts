import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { REQUIREMENTS } from "./requirements.ts";

const root = resolve(import.meta.dirname, "..");

/** The cited ids of every test and of the suites that tests run, with the files that cite them. */
function listCitations(): Map<string, string[]> {
  const citations = new Map<string, string[]>();
  for (const folder of ["src", "test"]) {
    for (const file of readdirSync(resolve(root, folder), { recursive: true, encoding: "utf8" })) {
      if (!/\.test\.ts$|testing\/test-.*\.ts$/.test(file)) continue;
      const source = readFileSync(resolve(root, folder, file), "utf8");
      for (const [, ids = ""] of source.matchAll(/\/\/ Proves: (.+)/g)) {
        for (const id of ids.split(",").map((text) => text.trim())) {
          citations.set(id, [...(citations.get(id) ?? []), `${folder}/${file}`]);
        }
      }
    }
  }
  return citations;
}

test("every clause of the specification is cited by a test", () => {
  const citations = listCitations();
  const uncited = REQUIREMENTS.filter(({ id }) => !citations.has(id)).map(({ id, text }) => `${id}: ${text}`);
  assert.deepEqual(uncited, []);
});

test("every cited clause exists, and ids are unique", () => {
  const ids = REQUIREMENTS.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const unknown = [...listCitations()].filter(([id]) => !ids.includes(id));
  assert.deepEqual(unknown, []);
});
