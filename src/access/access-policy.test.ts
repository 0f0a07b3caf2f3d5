import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { describe, test } from "node:test";
import { MCPImageError } from "../core/errors.ts";
import { SCOPES, type Scope } from "../core/scope.ts";
import { AccessPolicy } from "./access-policy.ts";
import { ApiKeys } from "./api-keys.ts";
import { toChallenge } from "./challenge.ts";
import { UNNAMED, type Principal } from "./principal.ts";

const key = (name: string, text: string, scopes: readonly Scope[] = SCOPES) => ({
  name,
  digest: hash("sha256", text, "buffer"),
  scopes,
});
const verifier = new ApiKeys([
  key("alice", "alice-key-0123456789", ["images:read"]),
  key("bob", "bob-key-0123456789", ["images:admin"]),
]);
const alice: Principal = { id: "key:alice", scopes: new Set(["images:read"]) };
const admin: Principal = { id: "key:bob", scopes: new Set(["images:admin"]) };

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "ok",
    (error: unknown) => (error instanceof MCPImageError ? error.code : String(error)),
  );
}

describe("AccessPolicy.authenticate()", () => {
  test("asks nobody without a verifier", async () => {
    const policy = new AccessPolicy();
    assert.equal(await policy.authenticate(undefined), UNNAMED);
    assert.equal(await policy.authenticate("Bearer whatever"), UNNAMED);
    assert.equal(policy.isOpen, true);
  });

  test("knows a key by its digest", async () => {
    const policy = new AccessPolicy({ verifier });
    assert.deepEqual(await policy.authenticate("Bearer alice-key-0123456789"), alice);
    assert.deepEqual(await policy.authenticate("bearer  bob-key-0123456789 "), admin);
    const basic = Buffer.from("anybody:alice-key-0123456789").toString("base64");
    assert.deepEqual(await policy.authenticate(`Basic ${basic}`), alice, "as the password that a browser asks for");
    assert.equal(policy.isOpen, false);
  });

  for (const header of [
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Basic YWxpY2U6a2V5",
    "Basic ",
    "Basic !!!!",
    "alice-key-0123456789",
    "Bearer alice-key-012345678",
    "Bearer alice-key-0123456789x",
    "Bearer ALICE-KEY-0123456789",
    "Bearer alice-key-0123456789, Bearer bob-key-0123456789",
    "Bearer alice-key-0123456789 bob-key-0123456789",
    `Bearer ${"x".repeat(9_000)}`,
  ]) {
    test(`refuses ${header?.slice(0, 60) ?? "no header"}`, async () => {
      assert.equal(await codeOf(new AccessPolicy({ verifier }).authenticate(header)), "unauthorized");
    });
  }
});

describe("AccessPolicy", () => {
  test("requires a scope or admin", () => {
    const policy = new AccessPolicy({ verifier });
    policy.require(alice, "images:read");
    policy.require(admin, "images:delete");
    assert.throws(() => policy.require(alice, "images:delete"), {
      code: "insufficient_scope",
      details: { required_scope: "images:delete" },
    });
  });

  for (const [sharing, own, others, nobodys] of [
    ["private", true, false, false],
    ["link", true, false, false],
    ["shared", true, true, true],
  ] as const) {
    test(`shows pictures that are ${sharing} to whom that word says`, () => {
      const policy = new AccessPolicy({ verifier, sharing });
      assert.deepEqual(
        ["key:alice", "key:carol", undefined].map((owner) => policy.maySee(alice, owner)),
        [own, others, nobodys],
      );
      assert.deepEqual(
        ["key:alice", "key:carol", undefined].map((owner) => policy.isOwn(alice, owner)),
        [true, false, false],
      );
      assert.equal(policy.isOwn(admin, "key:carol"), true);
      assert.equal(policy.opensPictures, sharing === "link");
    });
  }
});

test("toChallenge() says how to get a token, or a better one", () => {
  const metadata = "https://a.example/.well-known/oauth-protected-resource/mcp";
  const unauthorized = new MCPImageError("unauthorized", "No");
  assert.equal(toChallenge(unauthorized, undefined), 'Bearer realm="mcp-image-server"');
  assert.equal(toChallenge(unauthorized, metadata), `Bearer realm="mcp-image-server", resource_metadata="${metadata}"`);
  const lack = new MCPImageError("insufficient_scope", "No", { details: { required_scope: "images:delete" } });
  assert.equal(
    toChallenge(lack, metadata),
    `Bearer error="insufficient_scope", scope="images:delete", resource_metadata="${metadata}"`,
  );
  assert.equal(toChallenge(new MCPImageError("not_found", "No"), metadata), undefined);
});
