import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import { parseSettings } from "../src/config/load-settings.ts";
import { parseEnvFile } from "../src/config/parse-env-file.ts";

for (const file of ["docs/security.md", "docs/operations.md"]) {
  describe(file, () => {
    const text = readFileSync(resolve(import.meta.dirname, "..", file), "utf8");
    const blocks = Array.from(text.matchAll(/^```env\n([\s\S]*?)^```$/gm), ([, block = ""]) => block);
    assert.ok(blocks.length > 2);
    for (const block of blocks) {
      test(`has settings that are valid: ${block.split("\n")[0]}`, () => {
        const { values, faultyLines } = parseEnvFile(block);
        assert.deepEqual(faultyLines, []);
        parseSettings(values);
      });
    }

    test("names only tests that are there", () => {
      for (const [, path = ""] of text.matchAll(/`((?:test|src)\/[\w./-]+\.ts)`/g)) {
        assert.ok(readFileSync(resolve(import.meta.dirname, "..", path)).length > 0, path);
      }
    });
  });
}
