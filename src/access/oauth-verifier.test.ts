import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from "jose";
import { MCPImageError } from "../core/errors.ts";
import { OAuthVerifier, type OAuthVerifierOptions } from "./oauth-verifier.ts";

const AUDIENCE = "https://images.example.com/mcp";
const SCOPE = "openid images:read images:generate";

interface KeyPair {
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
}

/** An issuer on this machine, which counts how often its keys are asked for. */
let server: Server;
let issuer: string;
let ours: KeyPair;
let foreign: KeyPair;
let edwards: KeyPair;
let served: JWK[];
let keyRequests = 0;
let isDown = false;

before(async () => {
  ours = await generateKeyPair("ES256", { extractable: true });
  foreign = await generateKeyPair("ES256", { extractable: true });
  edwards = await generateKeyPair("EdDSA", { extractable: true });
  served = [{ ...(await exportJWK(ours.publicKey)), kid: "one", alg: "ES256", use: "sig" }];
  server = createServer((request, response) => {
    if (isDown) return void response.destroy();
    if (request.url === "/realm/.well-known/openid-configuration") {
      return void response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
    }
    if (request.url === "/realm/keys") {
      keyRequests++;
      return void response.end(JSON.stringify({ keys: served }));
    }
    return void response.writeHead(404).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/realm`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

function createVerifier(options: Partial<OAuthVerifierOptions> = {}): OAuthVerifier {
  return new OAuthVerifier({
    issuer,
    audience: [AUDIENCE],
    algorithms: ["RS256", "ES256", "EdDSA"],
    clockSkewSeconds: 30,
    ...options,
  });
}

interface TokenOptions {
  readonly claims?: JWTPayload;
  readonly header?: { alg?: string; kid?: string; typ?: string; jku?: string; jwk?: JWK };
  readonly key?: CryptoKey;
  /** Claims that are left out. */
  readonly without?: readonly string[];
}

const nowSeconds = (): number => Math.floor(Date.now() / 1000);

async function sign({ claims = {}, header = {}, key = ours.privateKey, without = [] }: TokenOptions = {}) {
  const payload: JWTPayload = {
    iss: issuer,
    aud: AUDIENCE,
    sub: "alice",
    scope: SCOPE,
    exp: nowSeconds() + 60,
    ...claims,
  };
  const kept = Object.fromEntries(Object.entries(payload).filter(([name]) => !without.includes(name)));
  return new SignJWT(kept).setProtectedHeader({ alg: "ES256", kid: "one", typ: "at+jwt", ...header }).sign(key);
}

const toPart = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("OAuthVerifier.verify()", () => {
  test("gives whose a good token is and what it allows", async () => {
    const principal = await createVerifier().verify(await sign());
    assert.deepEqual(principal, { id: "oauth:alice", scopes: new Set(["images:generate", "images:read"]) });
  });

  for (const [name, claims, expected] of [
    ["scp as a list", { scope: undefined, scp: ["images:admin", 7] }, ["images:admin"]],
    ["scp as a text", { scope: undefined, scp: "images:delete other" }, ["images:delete"]],
    ["roles", { scope: undefined, roles: ["images:read"] }, ["images:read"]],
    ["no scope at all", { scope: undefined }, []],
    ["a scope of other letters", { scope: "IMAGES:READ images:*" }, []],
  ] as const) {
    test(`reads ${name}`, async () => {
      const token = await sign({ claims: { ...claims, ...("scp" in claims && { scp: claims.scp }) } });
      assert.deepEqual((await createVerifier().verify(token))?.scopes, new Set(expected));
    });
  }

  test("takes one of several audiences, a token without a type, and one that ended within the clock skew", async () => {
    const verifier = createVerifier({ audience: ["other", AUDIENCE] });
    assert.ok(await verifier.verify(await sign({ claims: { aud: ["x", AUDIENCE] } })));
    assert.ok(await verifier.verify(await sign({ header: { typ: undefined as unknown as string } })));
    assert.ok(await verifier.verify(await sign({ claims: { exp: nowSeconds() - 10 } })));
  });

  test("asks for the keys once for many tokens", async () => {
    const verifier = createVerifier();
    const token = await sign();
    keyRequests = 0;
    for (let i = 0; i < 20; i++) assert.ok(await verifier.verify(token));
    assert.equal(keyRequests, 1);
  });

  test("accepts none of 200 forged tokens, and never asks anybody that a token names", async () => {
    const verifier = createVerifier();
    const good = await sign();
    const [head = "", body = "", signature = ""] = good.split(".");
    const jwk = await exportJWK(foreign.publicKey);
    const spki = await exportSPKI(ours.publicKey);
    const claims = { iss: issuer, aud: AUDIENCE, sub: "alice", scope: "images:admin", exp: nowSeconds() + 600 };
    const hmac = (alg: string): string => {
      const start = `${toPart({ alg, kid: "one" })}.${toPart(claims)}`;
      return `${start}.${createHmac("sha256", spki).update(start).digest("base64url")}`;
    };
    const forged: string[] = [
      ...["none", "None", "NONE", "nOnE", ""].flatMap((alg) => [
        `${toPart({ alg })}.${toPart(claims)}.`,
        `${toPart({ alg, kid: "one" })}.${toPart(claims)}.${signature}`,
      ]),
      ...["HS256", "HS384", "ES256", "RS256"].map(hmac),
      `${head}.${toPart(claims)}.${signature}`,
      `${toPart({ alg: "ES256", kid: "one", typ: "x" })}.${body}.${signature}`,
      `${head}.${body}.`,
      `${head}.${body}`,
      good.slice(0, -4),
      `${good}.${good}`,
      "a.b.c",
      "..",
      ".",
      await sign({ key: foreign.privateKey }),
      await sign({ key: foreign.privateKey, header: { kid: "two" } }),
      await sign({ key: foreign.privateKey, header: { jwk } }),
      await sign({ key: foreign.privateKey, header: { jku: `${issuer}/evil` } }),
      await sign({ key: foreign.privateKey, header: { kid: "../../../dev/null" } }),
      await sign({ key: edwards.privateKey, header: { alg: "EdDSA" } }),
      ...(await Promise.all(["exp", "iss", "aud", "sub"].map(async (name) => sign({ without: [name] })))),
      ...(await Promise.all(
        ["logout+jwt", "dpop+jwt", "secevent+jwt", "id+jwt"].map(async (typ) => sign({ header: { typ } })),
      )),
      ...(await Promise.all(
        [
          { exp: nowSeconds() - 31 },
          { exp: 0 },
          { nbf: nowSeconds() + 60 },
          { iss: `${issuer}/` },
          { iss: issuer.toUpperCase() },
          { iss: "https://evil.example" },
          { aud: "https://images.example.com" },
          { aud: `${AUDIENCE}/` },
          { aud: [] },
          { aud: ["a", "b"] },
          { sub: "" },
          { sub: "x".repeat(300) },
        ].map(async (wrong) => sign({ claims: wrong })),
      )),
    ];
    // One letter of the signature or the body changed, at places all over.
    for (let i = 0; forged.length < 200; i++) {
      const at = head.length + 1 + ((i * 37) % (good.length - head.length - 3));
      if (good[at] === ".") continue;
      const other = good[at] === "A" ? "B" : "A";
      forged.push(good.slice(0, at) + other + good.slice(at + 1));
    }
    assert.ok(await verifier.verify(good), "the good one is accepted");
    const accepted: string[] = [];
    for (const token of forged) if ((await verifier.verify(token)) !== undefined) accepted.push(token);
    assert.equal(forged.length, 200);
    assert.deepEqual(accepted, []);
  });

  test("says that it cannot tell while the issuer is down, and recovers", async () => {
    const verifier = createVerifier();
    const token = await sign();
    isDown = true;
    await assert.rejects(verifier.verify(token), (error: unknown) => {
      assert.ok(error instanceof MCPImageError);
      return error.code === "authorization_unavailable";
    });
    isDown = false;
    assert.ok(await verifier.verify(token));
  });

  test("believes only metadata that names the very issuer", async () => {
    const wrong = createVerifier({ issuer: `${issuer}/` });
    await assert.rejects(wrong.verify(await sign()), { code: "authorization_unavailable" });
  });

  test("asks for new keys after a rotation when the last question is long enough ago, and knows OAUTH_JWKS_URL", async () => {
    const verifier = createVerifier({ jwksUrl: `${issuer}/keys` });
    served = [{ ...(await exportJWK(edwards.publicKey)), kid: "new", alg: "EdDSA", use: "sig" }];
    assert.ok(await verifier.verify(await sign({ key: edwards.privateKey, header: { alg: "EdDSA", kid: "new" } })));
    assert.equal(await verifier.verify(await sign()), undefined, "the old key is no longer served");
    served = [{ ...(await exportJWK(ours.publicKey)), kid: "one", alg: "ES256", use: "sig" }];
  });
});
