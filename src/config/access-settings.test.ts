import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { describe, test } from "node:test";
import { loadSettings, parseSettings } from "./load-settings.ts";
import { InvalidSettingsError } from "./setting-fault.ts";

const KEY = "0123456789abcdefghij";
const DIGEST = hash("sha256", KEY);

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    loadSettings({ env });
    return [];
  } catch (error) {
    assert.ok(error instanceof InvalidSettingsError);
    return error.faults.map(({ name, rule }) => `${name} ${rule}`);
  }
}

describe("API_KEYS", () => {
  test("gives names, digests and scopes, and keeps no key", () => {
    const { auth } = parseSettings({
      AUTH_MODE: "token",
      API_KEYS: `alice:${KEY}\nbob@example.com:sha256-${DIGEST}:read , ops:x${KEY}:read+admin,`,
    }).access;
    assert.ok(auth.mode === "token");
    assert.deepEqual(
      auth.keys.map(({ name, digest, scopes }) => [name, Buffer.from(digest).toString("hex"), scopes.join(" ")]),
      [
        ["alice", DIGEST, "images:generate images:read images:delete"],
        ["bob@example.com", DIGEST, "images:read"],
        ["ops", hash("sha256", `x${KEY}`), "images:read images:admin"],
      ],
    );
    assert.doesNotMatch(JSON.stringify(auth), new RegExp(KEY));
  });

  for (const [what, text] of [
    ["a short key", "alice:short"],
    ["a key without a name", KEY],
    ["an unknown scope", `alice:${KEY}:write`],
    ["two keys of one name", `alice:${KEY},alice:${KEY}x`],
    ["a digest that is none", "alice:sha256-0123456789abcdefghij"],
    ["nothing", ","],
    ["a space in a key", `alice:0123456789 ${KEY}`],
  ] as const) {
    test(`refuses ${what}, and does not repeat the text`, () => {
      const [fault, ...more] = faultsOf({ AUTH_MODE: "token", API_KEYS: text });
      assert.match(fault ?? "", /^API_KEYS must be name:key/);
      assert.deepEqual(more, []);
      assert.throws(() => parseSettings({ AUTH_MODE: "token", API_KEYS: text }), /API_KEYS="\[redacted\]"/);
    });
  }
});

describe("AUTH_MODE", () => {
  test("is none by default, and tells whether the operator said so", () => {
    assert.deepEqual(parseSettings({}).access.auth, { mode: "none", isExplicit: false });
    assert.deepEqual(parseSettings({ AUTH_MODE: "none" }).access.auth, { mode: "none", isExplicit: true });
  });

  test("must be said where keys or an issuer are given, and keys without effect are a warning", () => {
    const issuer = "https://login.example.com";
    assert.deepEqual(faultsOf({ API_KEYS: `alice:${KEY}` }), [
      "AUTH_MODE must be set where API_KEYS is: to token, or to none if you mean it",
    ]);
    assert.deepEqual(faultsOf({ OAUTH_ISSUER: issuer }), [
      "AUTH_MODE must be set where OAUTH_ISSUER is: to oauth, or to none if you mean it",
    ]);
    const env = { AUTH_MODE: "none", API_KEYS: `alice:${KEY}`, OAUTH_ISSUER: issuer, IMAGE_SHARING: "link" };
    assert.deepEqual(
      loadSettings({ env }).warnings.map(({ message }) => message),
      ["API_KEYS", "OAUTH_ISSUER", "IMAGE_SHARING"].map(
        (name) => `${name} (environment) has no effect while AUTH_MODE is none`,
      ),
    );
  });

  test("demands what its mode needs", () => {
    assert.deepEqual(faultsOf({ AUTH_MODE: "token" }), ["API_KEYS must be set when AUTH_MODE is token"]);
    assert.deepEqual(faultsOf({ AUTH_MODE: "oauth" }), [
      "OAUTH_ISSUER must be set when AUTH_MODE is oauth",
      "OAUTH_AUDIENCE must be set when AUTH_MODE is oauth and PUBLIC_BASE_URL is not set",
    ]);
    const { auth } = parseSettings({
      AUTH_MODE: "oauth",
      OAUTH_ISSUER: "https://login.example.com/realms/a",
      PUBLIC_BASE_URL: "https://images.example.com/base/",
    }).access;
    assert.ok(auth.mode === "oauth");
    assert.deepEqual(auth.audience, [
      "https://images.example.com/base",
      "https://images.example.com/base/",
      "https://images.example.com/base/mcp",
    ]);
  });
});

test("TRUSTED_PROXIES and OAUTH_ALGORITHMS refuse what is none", () => {
  for (const text of ["proxy", "10.0.0.0/33", "10.0.0.0/8/8", "::/129", "10.0.0.1-10.0.0.9", "10.0.0.0/x"]) {
    assert.equal(faultsOf({ TRUSTED_PROXIES: text }).length, 1, text);
  }
  for (const text of ["none", "HS256", "RS256,none"])
    assert.equal(faultsOf({ OAUTH_ALGORITHMS: text }).length, 1, text);
});

test("OAuth and sharing are read as they are written", () => {
  const { access } = parseSettings({
    AUTH_MODE: "OAuth",
    OAUTH_ISSUER: "https://login.example.com/",
    OAUTH_JWKS_URL: "https://login.example.com/keys/",
    OAUTH_AUDIENCE: "https://a.example.com, pictures",
    OAUTH_ALGORITHMS: "ES256,EdDSA",
    OAUTH_CLOCK_SKEW: "0",
    IMAGE_SHARING: "link",
    TRUSTED_PROXIES: "10.0.0.0/8, FD00::/8,127.0.0.1",
  });
  assert.deepEqual(access, {
    auth: {
      mode: "oauth",
      issuer: "https://login.example.com/",
      jwksUrl: "https://login.example.com/keys",
      audience: ["https://a.example.com", "pictures"],
      algorithms: ["ES256", "EdDSA"],
      clockSkewSeconds: 0,
    },
    sharing: "link",
    trustedProxies: ["10.0.0.0/8", "fd00::/8", "127.0.0.1"],
  });
});
