import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ValidationError } from "../../core/errors.ts";
import { toClientEntry, type EntryOptions } from "./to-client-entry.ts";

const PLAIN: EntryOptions = { name: "images", env: [] };

describe("toClientEntry()", () => {
  test("starts the published package with npx, which on Windows needs its interpreter", () => {
    assert.deepEqual(toClientEntry(PLAIN, "linux"), {
      name: "images",
      transport: "stdio",
      command: "npx",
      args: ["-y", "mcp-image-server"],
      env: {},
    });
    const windows = toClientEntry(PLAIN, "win32");
    assert.ok(windows.transport === "stdio");
    assert.deepEqual([windows.command, windows.args], ["cmd", ["/c", "npx", "-y", "mcp-image-server"]]);
  });

  test("completes the URL of a running server", () => {
    for (const [url, expected] of [
      ["https://images.example.com", "https://images.example.com/mcp"],
      ["https://images.example.com/", "https://images.example.com/mcp"],
      ["https://images.example.com/mcp/", "https://images.example.com/mcp"],
      ["http://127.0.0.1:8000/pictures", "http://127.0.0.1:8000/pictures/mcp"],
    ] as const) {
      const entry = { name: "images", transport: "http", url: expected, withKey: true };
      assert.deepEqual(toClientEntry({ ...PLAIN, url, key: true }), entry);
    }
  });

  test("takes settings, with = in their values, and the files of secrets", () => {
    const env = ["KSERVE_ENDPOINT=https://sd.example.com", "KSERVE_AUTH_TOKEN_FILE=/run/token", "S3_PREFIX=a=b"];
    const entry = toClientEntry({ ...PLAIN, env });
    assert.ok(entry.transport === "stdio");
    assert.deepEqual(entry.env, {
      KSERVE_ENDPOINT: "https://sd.example.com",
      KSERVE_AUTH_TOKEN_FILE: "/run/token",
      S3_PREFIX: "a=b",
    });
  });

  test("refuses what would not work, and never repeats a secret", () => {
    for (const [options, message] of [
      [{ url: "ftp://x" }, /^--url must be an http or https URL .*got "ftp:\/\/x"$/],
      [{ url: "https://user:canary@x" }, /^--url must be .* without user information/],
      [{ name: "two words" }, /^--name must be 1 to 64 letters.*got "two words"$/],
      [{ env: ["KSERVE_ENDPONT=x"] }, /^--env must be NAME=value .*such as KSERVE_ENDPOINT, got "KSERVE_ENDPONT=x"$/],
      [{ env: ["PORT"] }, /^--env must be NAME=value .*got "PORT"$/],
      [{ env: ["PORT_FILE=x"] }, /^--env must be NAME=value/],
      [{ env: ["KSERVE_AUTH_TOKEN=canary"] }, /no secret: put it into a file and give KSERVE_AUTH_TOKEN_FILE/],
      [{ key: true }, /^--key must be given with --url/],
      [{ url: "http://x", env: ["PORT=1"] }, /^--env must be given without --url/],
    ] as const) {
      assert.throws(
        () => toClientEntry({ ...PLAIN, ...options }),
        (error: unknown) => {
          assert.ok(error instanceof ValidationError);
          assert.match(error.publicMessage, message);
          assert.doesNotMatch(error.publicMessage, /canary/);
          return true;
        },
      );
    }
  });
});
