import assert from "node:assert/strict";
import { test } from "node:test";
import { loadSettings, parseSettings } from "./load-settings.ts";
import { parseEnvFile } from "./parse-env-file.ts";
import { printEnvExample, printSettings, printSettingsMarkdown } from "./print-settings.ts";
import { SETTING_NAMES } from "./settings-table.ts";

test("printEnvExample() lists every setting, and is a .env file without faults once uncommented", () => {
  const text = printEnvExample();
  assert.deepEqual(parseEnvFile(text), { values: {}, faultyLines: [] });
  const { values, faultyLines } = parseEnvFile(text.replaceAll(/^#(?=[A-Z])/gm, ""));
  assert.deepEqual(faultyLines, []);
  // What is too long for a line is shown as a file.
  assert.deepEqual(
    Object.keys(values).map((name) => name.replace(/^(C2PA_.*)_FILE$/, "$1")),
    [...SETTING_NAMES],
  );
  const texts = Object.fromEntries(Object.entries(values).filter(([name]) => !name.startsWith("C2PA_")));
  assert.equal(parseSettings(texts).http.publicBaseUrl, "https://images.example.com");
  for (const line of text.split("\n")) assert.ok(line.length <= 102, line);
});

test("printSettingsMarkdown() has one row of four cells per setting", () => {
  const rows = printSettingsMarkdown()
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  assert.deepEqual(
    rows.map((row) => /^\| `([A-Z0-9_]+)`/.exec(row)?.[1]),
    [...SETTING_NAMES],
  );
  for (const row of rows) assert.equal(row.split(/(?<!\\)\|/).length, 6, row);
});

test("printSettings() shows every value with its source and masks secrets", () => {
  const lines = printSettings(
    loadSettings({
      env: { PORT: "9000", KSERVE_AUTH_TOKEN: "c4nary" },
      defaults: { KSERVE_ENDPOINT: "embedded" },
    }),
  ).split("\n");
  assert.deepEqual(
    lines
      .filter((line) => /^#? ?(?:PORT|KSERVE_AUTH|KSERVE_END|HOST|S3_BUCKET)/.test(line))
      .map((line) => line.split(/ {2,}/)),
    [
      ["HOST=0.0.0.0", "# default"],
      ["PORT=9000", "# environment"],
      ["# S3_BUCKET", "# unset"],
      ["KSERVE_ENDPOINT=embedded", "# person-default"],
      ["KSERVE_AUTH_TOKEN=[redacted]", "# environment"],
    ],
  );
  assert.equal(lines.length, SETTING_NAMES.length + 1);
  assert.equal(lines.join("").includes("c4nary"), false);
});
