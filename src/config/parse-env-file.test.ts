import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseEnvFile } from "./parse-env-file.ts";

function valuesOf(text: string): Record<string, string> {
  return { ...parseEnvFile(text).values };
}

test("parseEnvFile() reads names and values, spaces around them aside", () => {
  assert.deepEqual(valuesOf("A=1\n  b = two words \nexport C=3\nD=\nE=a=b\nF.g-h=1"), {
    A: "1",
    b: "two words",
    C: "3",
    D: "",
    E: "a=b",
    "F.g-h": "1",
  });
});

// Proves: SETTINGS-3
test("parseEnvFile() cuts a comment only at the start of a line, after a space and after quotes", () => {
  assert.deepEqual(valuesOf("# A=0\n  # A=0\nA=1 # one\nB=key#1\nC= # nothing\nD='x # y' # z\nE=\"x # y\"#z\nF=#1"), {
    A: "1",
    B: "key#1",
    C: "",
    D: "x # y",
    E: "x # y",
    F: "#1",
  });
});

test("parseEnvFile() takes single quotes literally and knows escapes in double quotes", () => {
  assert.deepEqual(valuesOf(String.raw`A='a\n"b'` + "\n" + String.raw`B="a\n\t\"\\ \$x 'b'"`), {
    A: String.raw`a\n"b`,
    B: "a\n\t\"\\ \\$x 'b'",
  });
});

test("parseEnvFile() copes with a byte order mark and Windows line ends", () => {
  assert.deepEqual(valuesOf("\uFEFFA=1\r\nB='2'\r\n\r\nC=3"), { A: "1", B: "2", C: "3" });
});

test("parseEnvFile() lets the last line of a name win", () => {
  assert.deepEqual(valuesOf("A=1\nA=2"), { A: "2" });
});

test("parseEnvFile() gives the numbers of lines it cannot read", () => {
  assert.deepEqual(parseEnvFile('A=1\nB\n1C=2\nD=\'x\nE="x" y\nF: x\n=x\nG=2'), {
    values: { A: "1", G: "2" },
    faultyLines: [2, 3, 4, 5, 6, 7],
  });
});

test("parseEnvFile() gives back any text that was quoted", () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom("a", "ß", "😀", "\n", "\r", "\t", "\0", "\u2028", "\\", "'", '"', "#", " ", "$"),
      }),
      (value) => {
        const escaped = value
          .replace(/[\\"]/g, String.raw`\$&`)
          .replaceAll("\n", String.raw`\n`)
          .replaceAll("\r", String.raw`\r`);
        assert.deepEqual(valuesOf(`A="${escaped}" # end`), { A: value });
      },
    ),
  );
});

test("parseEnvFile() is total", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("A", "=", "'", '"', "#", "\\", " ", "\n", "\r", "\u2028") }),
      (text) => {
        const { values, faultyLines } = parseEnvFile(text);
        assert.ok(Object.keys(values).length + faultyLines.length <= text.split("\n").length);
      },
    ),
  );
});
