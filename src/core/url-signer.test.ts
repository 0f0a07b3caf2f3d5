import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createImageId } from "./image-id.ts";
import { Secret } from "./secret.ts";
import { UrlSigner } from "./url-signer.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const [OLD, NEW] = [new Secret("o".repeat(32)), new Secret("n".repeat(32))];
const ID = createImageId(NOW_MS);

describe("UrlSigner.verify()", () => {
  const signer = new UrlSigner([NEW, OLD]);
  const query = signer.sign(ID, NOW_MS + 60_500);
  const kindOf = (text: string, nowMs = NOW_MS): string => signer.verify(ID, text, nowMs).kind;

  it("accepts what sign() made, until its time is over, whatever else the query says", () => {
    assert.match(query, /^expires=\d+&signature=[\w-]{43}$/);
    assert.deepEqual(signer.verify(ID, query, NOW_MS + 59_999), { kind: "valid", expiresAtMs: NOW_MS + 60_000 });
    assert.equal(kindOf(`size=64&${query}&format=webp`), "valid");
    assert.equal(kindOf(query, NOW_MS + 60_000), "expired");
  });

  it("accepts each of its keys, and no other", () => {
    assert.equal(kindOf(new UrlSigner([OLD]).sign(ID, NOW_MS + 60_000)), "valid");
    assert.equal(kindOf(new UrlSigner([new Secret("x".repeat(32))]).sign(ID, NOW_MS + 60_000)), "wrong");
    assert.equal(new UrlSigner([OLD]).verify(ID, query, NOW_MS).kind, "wrong");
  });

  it("accepts a signature for its own picture and time alone", () => {
    const other = createImageId(NOW_MS);
    assert.equal(signer.verify(other, query, NOW_MS).kind, "wrong");
    const expires = /expires=(\d+)/.exec(query)?.[1] ?? "";
    assert.equal(kindOf(query.replace(expires, String(Number(expires) + 1))), "wrong");
    assert.equal(kindOf(query.replace(expires, `0${expires}`)), "wrong");
  });

  it("tells an address without a signature from one with a wrong one", () => {
    for (const text of ["", "size=64", "v=1"]) assert.equal(kindOf(text), "unsigned");
    const signature = /signature=(.+)/.exec(query)?.[1] ?? "";
    for (const text of [
      "signature=",
      "expires=1",
      `signature=${signature}`,
      query.slice(0, -1),
      `${query}A`,
      `${query}=`,
      `${query}&${query}`,
      `${query}&expires=1`,
      query.replace("expires=", "expires=-"),
      query.replace(/expires=\d+/, "expires=99999999999999999999"),
      query.replace(/signature=.*/, `signature=${"A".repeat(10_000)}`),
    ]) {
      assert.equal(kindOf(text), "wrong", text);
    }
  });
});
