import assert from "node:assert/strict";
import { test } from "node:test";
import { toBasePath, toBaseUrl } from "./base-url.ts";

// Proves: HTTP-13
test("toBaseUrl() takes the public base, else the listen address with a loopback name for every address", () => {
  for (const [host, port, publicBaseUrl, expected] of [
    ["127.0.0.1", 8000, undefined, "http://127.0.0.1:8000"],
    ["localhost", 8000, undefined, "http://localhost:8000"],
    ["0.0.0.0", 8000, undefined, "http://localhost:8000"],
    ["::", 8000, undefined, "http://localhost:8000"],
    ["", 8000, undefined, "http://localhost:8000"],
    ["::1", 8000, undefined, "http://[::1]:8000"],
    ["2001:db8::5", 80, undefined, "http://[2001:db8::5]"],
    ["fe80::1%eth0", 8000, undefined, "http://[fe80::1%25eth0]:8000"],
    ["10.0.0.7", 80, undefined, "http://10.0.0.7"],
    ["10.0.0.7", 443, undefined, "http://10.0.0.7:443"],
    ["0.0.0.0", 8000, "https://pictures.example.com", "https://pictures.example.com"],
    ["0.0.0.0", 8000, "https://pictures.example.com/", "https://pictures.example.com"],
    ["0.0.0.0", 8000, "https://pictures.example.com:8443/a/b//", "https://pictures.example.com:8443/a/b"],
  ] as const) {
    assert.equal(toBaseUrl({ host, port }, publicBaseUrl), expected);
  }
});

test("toBasePath() gives the path of the public base without a slash at its end", () => {
  assert.equal(toBasePath(undefined), "");
  assert.equal(toBasePath("https://pictures.example.com"), "");
  assert.equal(toBasePath("https://pictures.example.com/"), "");
  assert.equal(toBasePath("https://pictures.example.com/a/b/"), "/a/b");
});
