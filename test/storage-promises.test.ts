import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "..");

test("docs/storage.md names a test for each of 35 promises, and each of them is there", () => {
  const rows = readFileSync(resolve(root, "docs/storage.md"), "utf8").match(/^\| \d+ \|.*$/gm) ?? [];
  assert.deepEqual(
    rows.map((row) => Number(/\d+/.exec(row)?.[0])),
    Array.from({ length: 35 }, (_, index) => index + 1),
  );
  const source = globSync(["src/testing/test-storage*.ts", "src/storage/*.test.ts", "test/*.test.ts"], { cwd: root })
    .filter((path) => !path.endsWith("storage-promises.test.ts"))
    .map((path) => readFileSync(resolve(root, path), "utf8"))
    .join("\n");
  for (const row of rows) {
    const titles = Array.from(row.matchAll(/“([^”]+)”/g), ([, title = ""]) => title);
    assert.notEqual(titles.length, 0, row);
    for (const title of titles) assert.equal(source.includes(title), true, title);
  }
});
