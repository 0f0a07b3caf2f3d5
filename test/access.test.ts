import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findFreePort } from "./support/free-port.ts";
import { startLoadedServer, toOutcome } from "./support/loaded-server.ts";
import { ERAS, type Era } from "./support/mcp-clients.ts";
import { startOAuthIssuer } from "./support/oauth-issuer.ts";

const KEYS = {
  alice: "alice-0123456789abcdefghij",
  bob: "bob-0123456789abcdefghij",
  reader: "reader-0123456789abcdefghij",
  root: "root-0123456789abcdefghij",
} as const;
const API_KEYS = [
  `alice:${KEYS.alice}`,
  `bob:${KEYS.bob}`,
  `reader:${KEYS.reader}:read`,
  `root:${KEYS.root}:admin`,
].join("\n");
type Name = keyof typeof KEYS;

const TOKEN_SETTINGS = { AUTH_MODE: "token", API_KEYS };

async function startServer(settings: Record<string, string> = {}) {
  const server = await startLoadedServer({ ...TOKEN_SETTINGS, ...settings });
  return {
    server,
    call: async (path: string, who?: Name, init: RequestInit = {}) => {
      const headers = {
        ...(init.headers as Record<string, string>),
        ...(who && { authorization: `Bearer ${KEYS[who]}` }),
      };
      const response = await fetch(server.url + path, { ...init, headers });
      return { status: response.status, headers: response.headers, text: await response.text() };
    },
    draw: async (who: Name, era: Era = "modern") => {
      const client = await server.connect(era, KEYS[who]);
      const outcome = toOutcome(
        await client.callTool({ name: "generate_image", arguments: { prompt: "a cat", width: 64, height: 64 } }),
      );
      await client.close();
      assert.ok("imageId" in outcome, JSON.stringify(outcome));
      return outcome.imageId;
    },
    [Symbol.asyncDispose]: async () => server[Symbol.asyncDispose](),
  };
}

describe("AUTH_MODE=token", () => {
  test("opens probes and documents alone to those who do not say who they are", async () => {
    await using one = await startServer();
    for (const path of ["/livez", "/readyz", "/health", "/openapi.json", "/docs", "/"]) {
      assert.equal((await one.call(path)).status, 200, path);
    }
    const id = await one.draw("alice");
    for (const [method, path] of [
      ["GET", "/images/"],
      ["GET", `/images/${id}`],
      ["HEAD", `/images/${id}`],
      ["GET", `/images/${id}.png`],
      ["GET", `/images/${id}/metadata`],
      ["DELETE", `/images/${id}`],
      ["POST", "/images/cleanup"],
      ["GET", "/metrics"],
      ["GET", "/mcp"],
      ["POST", "/mcp"],
      ["DELETE", "/mcp"],
      ["GET", `/images/${id}?access_token=${KEYS.alice}`],
      ["GET", `/images/${id}?token=${KEYS.alice}`],
    ] as const) {
      const answer = await one.call(path, undefined, { method });
      assert.equal(answer.status, 401, `${method} ${path}`);
      assert.equal(answer.headers.get("www-authenticate"), 'Bearer realm="mcp-image-server"');
      if (method !== "HEAD") assert.equal(JSON.parse(answer.text).error, "unauthorized");
      assert.match(answer.headers.get("cache-control") ?? "", /no-store/);
    }
    assert.equal((await one.call("/.well-known/oauth-protected-resource")).status, 404);
    assert.equal((await one.call("/nowhere")).status, 404);
  });

  test("keeps a picture to its owner and an admin, in memory and from the store", async () => {
    await using one = await startServer();
    const id = await one.draw("alice");
    for (let round = 0; round < 2; round++) {
      assert.equal((await one.call(`/images/${id}`, "bob")).status, 404);
      const own = await one.call(`/images/${id}`, "alice");
      assert.equal(own.status, 200);
      assert.match(own.headers.get("cache-control") ?? "", /^private, max-age=\d+, immutable$/);
      assert.equal((await one.call(`/images/${id}`, "bob")).status, 404, "after it is in memory");
      const etag = own.headers.get("etag") ?? "";
      const conditional = { headers: { "if-none-match": etag } };
      assert.equal((await one.call(`/images/${id}`, "alice", conditional)).status, 304);
      assert.equal((await one.call(`/images/${id}`, "bob", conditional)).status, 404);
      assert.equal((await one.call(`/images/${id}`, "root", { method: "HEAD" })).status, 200);
      assert.equal((await one.call(`/images/${id}`, "bob", { method: "HEAD" })).status, 404);
    }
    assert.equal((await one.call(`/images/${id}/metadata`, "bob")).status, 404);
    assert.equal(JSON.parse((await one.call(`/images/${id}/metadata`, "alice")).text).owner, "key:alice");
    assert.deepEqual(JSON.parse((await one.call("/images/", "bob")).text), []);
    assert.equal(JSON.parse((await one.call("/images/", "alice")).text).length, 1);
    assert.equal(JSON.parse((await one.call("/images/", "root")).text).length, 1);
    assert.equal((await one.call(`/images/${id}`, "bob", { method: "DELETE" })).status, 404);
    assert.equal((await one.call(`/images/${id}`, "alice", { method: "DELETE" })).status, 200);
    assert.equal((await one.call(`/images/${id}`, "alice")).status, 404);
  });

  test("asks for the scope of each operation", async () => {
    await using one = await startServer();
    const id = await one.draw("alice");
    const lack = async (who: Name, method: string, path: string, scope: string) => {
      const answer = await one.call(path, who, { method });
      assert.equal(answer.status, 403, `${method} ${path}`);
      assert.equal(answer.headers.get("www-authenticate"), `Bearer error="insufficient_scope", scope="${scope}"`);
      assert.deepEqual(JSON.parse(answer.text).details, { required_scope: scope });
    };
    await lack("reader", "DELETE", `/images/${id}`, "images:delete");
    await lack("alice", "POST", "/images/cleanup", "images:admin");
    await lack("alice", "GET", "/metrics", "images:admin");
    assert.equal((await one.call("/images/cleanup", "root", { method: "POST" })).status, 200);
    assert.equal((await one.call("/metrics", "root")).status, 200);
  });

  test("gives a picture to whoever has its URL with IMAGE_SHARING=link, and nothing else", async () => {
    await using one = await startServer({ IMAGE_SHARING: "link" });
    const id = await one.draw("alice");
    for (const who of [undefined, "bob"] as const) {
      const answer = await one.call(`/images/${id}`, who);
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get("cache-control") ?? "", /^private/);
    }
    assert.equal((await one.call(`/images/${id}/metadata`)).status, 401);
    assert.equal((await one.call(`/images/${id}/metadata`, "bob")).status, 404);
    assert.deepEqual(JSON.parse((await one.call("/images/", "bob")).text), []);
  });

  test("shows pictures to everybody who may read with IMAGE_SHARING=shared, without their owner", async () => {
    await using one = await startServer({ IMAGE_SHARING: "shared" });
    const id = await one.draw("alice");
    assert.equal((await one.call(`/images/${id}`)).status, 401);
    assert.equal((await one.call(`/images/${id}`, "reader")).status, 200);
    const [listed] = JSON.parse((await one.call("/images/", "reader")).text);
    assert.equal(listed.image_id, id);
    assert.equal("owner" in listed, false);
    assert.equal((await one.call(`/images/${id}`, "bob", { method: "DELETE" })).status, 404);
  });

  for (const era of ERAS) {
    test(`refuses a ${era} client without a token, and challenges one with a token that may not generate`, async () => {
      await using one = await startServer();
      await assert.rejects(one.server.connect(era));
      await assert.rejects(one.server.connect(era, "wrong-0123456789abcdefghij"));
      const reader = await one.server.connect(era, KEYS.reader);
      assert.ok((await reader.listTools()).tools.length > 0);
      await assert.rejects(reader.callTool({ name: "generate_image", arguments: { prompt: "a cat" } }));
      await reader.close();
      assert.equal(one.server.runtime.requests.length, 0);
    });
  }

  test("lets no batch past the scope, and answers each of its calls", async () => {
    await using one = await startServer();
    const initialize = {
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: { protocolVersion: "2025-03-26", capabilities: {}, clientInfo: { name: "t", version: "1" } },
    };
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const begun = await one.call("/mcp", "reader", { method: "POST", headers, body: JSON.stringify(initialize) });
    const sessionId = begun.headers.get("mcp-session-id") ?? "";
    assert.notEqual(sessionId, "");
    const batch = Array.from({ length: 20 }, (_, id) => ({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name: "generate_image", arguments: { prompt: "a cat" } },
    }));
    const inSession = { ...headers, "mcp-session-id": sessionId };
    const answer = await one.call("/mcp", "reader", {
      method: "POST",
      headers: inSession,
      body: JSON.stringify(batch),
    });
    assert.equal(answer.text.split("insufficient_scope").length - 1, 20);
    assert.equal(one.server.runtime.requests.length, 0);
    const single = JSON.stringify(batch[0]);
    const challenged = await one.call("/mcp", "reader", { method: "POST", headers: inSession, body: single });
    assert.equal(challenged.status, 403);
    assert.equal(
      challenged.headers.get("www-authenticate"),
      'Bearer error="insufficient_scope", scope="images:generate"',
    );
    const stolen = await one.call("/mcp", "alice", { method: "POST", headers: inSession, body: single });
    assert.equal(stolen.status, 404, "a session is of its principal alone");
  });

  test("never writes a token to the log, and never sends one to the model server", async () => {
    await using one = await startServer({ LOG_LEVEL: "DEBUG" });
    await one.draw("alice");
    await one.call("/images/", "bob");
    await one.call("/images/?access_token=canary-0123456789abcdef");
    await one.call("/images/", undefined, { headers: { authorization: "Bearer canary-0123456789abcdef" } });
    const output = JSON.stringify([one.server.log, one.server.runtime.requests]);
    for (const secret of [...Object.values(KEYS), "canary-0123456789abcdef"])
      assert.ok(!output.includes(secret), secret);
  });
});

describe("AUTH_MODE=oauth", () => {
  const publicBaseUrl = "https://images.example.com/base";
  const metadataUrl = "https://images.example.com/.well-known/oauth-protected-resource/base/mcp";

  test("leads a client from no token to one that may do what it wants", async () => {
    await using issuer = await startOAuthIssuer();
    const port = await findFreePort();
    const origin = `http://127.0.0.1:${port}`;
    await using _server = await startLoadedServer({
      AUTH_MODE: "oauth",
      OAUTH_ISSUER: issuer.url,
      PUBLIC_BASE_URL: publicBaseUrl,
      PORT: String(port),
    });
    const list = async (token?: string) =>
      fetch(`${origin}/images/`, {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      });
    const stranger = await list();
    assert.equal(stranger.status, 401);
    assert.equal(
      stranger.headers.get("www-authenticate"),
      `Bearer realm="mcp-image-server", resource_metadata="${metadataUrl}"`,
    );
    for (const path of [new URL(metadataUrl).pathname, "/.well-known/oauth-protected-resource"]) {
      assert.deepEqual(await (await fetch(origin + path)).json(), {
        resource: `${publicBaseUrl}/mcp`,
        authorization_servers: [issuer.url],
        scopes_supported: ["images:generate", "images:read", "images:delete", "images:admin"],
        bearer_methods_supported: ["header"],
        resource_name: "mcp-image-server",
      });
    }
    const audience = `${publicBaseUrl}/mcp`;
    const weak = await list(await issuer.sign({ sub: "alice", aud: audience, scope: "openid" }));
    assert.equal(weak.status, 403);
    assert.equal(
      weak.headers.get("www-authenticate"),
      `Bearer error="insufficient_scope", scope="images:read", resource_metadata="${metadataUrl}"`,
    );
    assert.equal((await list(await issuer.sign({ sub: "alice", aud: audience, scope: "images:read" }))).status, 200);
    assert.equal((await list(await issuer.sign({ sub: "alice", aud: "other", scope: "images:read" }))).status, 401);
  });

  test("lets a session go on with a better token of the same person, and with no token of another", async () => {
    await using issuer = await startOAuthIssuer();
    await using server = await startLoadedServer({
      AUTH_MODE: "oauth",
      OAUTH_ISSUER: issuer.url,
      OAUTH_AUDIENCE: "images",
    });
    const post = async (token: string, body: unknown, sessionId?: string) => {
      const response = await fetch(server.mcpUrl, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          authorization: `Bearer ${token}`,
          ...(sessionId !== undefined && { "mcp-session-id": sessionId }),
        },
        body: JSON.stringify(body),
      });
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    const sign = async (sub: string, scope: string) => issuer.sign({ sub, aud: "images", scope });
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };
    const begun = await post(await sign("alice", "images:read"), {
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params,
    });
    const sessionId = begun.headers.get("mcp-session-id") ?? "";
    const call = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "generate_image", arguments: { prompt: "a cat", width: 64, height: 64 } },
    };
    assert.equal((await post(await sign("alice", "images:read"), call, sessionId)).status, 403);
    const better = await post(await sign("alice", "images:read images:generate"), call, sessionId);
    assert.match(better.text, /"image_id":"img_/);
    assert.match(better.text, /"owner":"oauth:alice"/);
    assert.equal((await post(await sign("bob", "images:admin"), call, sessionId)).status, 404);
  });
});
