import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { FakeKServeRuntime } from "../src/testing/fake-kserve-runtime.ts";
import { startLoadedServer, toOutcome, type LogEntry } from "./support/loaded-server.ts";
import { connectMcpHttp } from "./support/mcp-clients.ts";
import { ServerProcess, TemporaryFolder } from "./support/server-process.ts";

const ARGUMENTS = { prompt: "a very secret cat", width: 64, height: 64 };

describe("METRICS_PORT", () => {
  test("moves /metrics to a port of its own, which gives nothing else", async () => {
    await using server = await startLoadedServer({ METRICS_PORT: "0" });
    const port = server.log.find(({ event }) => event === "metrics_served")?.["port"];
    const metrics = await fetch(`http://127.0.0.1:${String(port)}/metrics`);
    assert.equal(metrics.status, 200);
    assert.match(await metrics.text(), /^image_queue_depth 0$/m);
    assert.equal((await fetch(`http://127.0.0.1:${String(port)}/images/`)).status, 404);
    assert.equal((await fetch(`${server.url}/metrics`)).status, 404);
  });
});

describe("AUDIT_LOG", () => {
  for (const [mode, prompts] of [
    ["on", [undefined, undefined, undefined]],
    ["prompts", [ARGUMENTS.prompt, undefined, undefined]],
  ] as const) {
    test(`${mode} tells who made, viewed and deleted which picture`, async () => {
      await using server = await startLoadedServer({
        AUDIT_LOG: mode,
        AUTH_MODE: "token",
        API_KEYS: "alice:alice-0123456789abcdefghij",
      });
      const token = "alice-0123456789abcdefghij";
      const client = await server.connect("modern", token);
      const outcome = toOutcome(await client.callTool({ name: "generate_image", arguments: ARGUMENTS }));
      await client.close();
      assert.ok("imageId" in outcome);
      const headers = { authorization: `Bearer ${token}` };
      await (await fetch(`${server.url}/images/${outcome.imageId}`, { headers })).arrayBuffer();
      await fetch(`${server.url}/images/${outcome.imageId}`, { method: "DELETE", headers });
      const lines = server.log.filter(({ component }) => component === "audit");
      assert.deepEqual(
        lines.map((line) => [line["action"], line["principal"], line["image_id"]]),
        ["generate", "view", "delete"].map((action) => [action, "key:alice", outcome.imageId]),
      );
      assert.deepEqual(
        lines.map((line) => line["prompt"]),
        prompts,
      );
    });
  }

  test("is silent by default, and so is the access log", async () => {
    await using server = await startLoadedServer();
    await (await fetch(`${server.url}/images/`)).text();
    assert.deepEqual(
      server.log.filter(({ event }) => event === "image_audited" || event === "request_answered"),
      [],
    );
  });
});

test("ACCESS_LOG writes a line for each request, without its query", async () => {
  await using server = await startLoadedServer({ ACCESS_LOG: "true" });
  await (await fetch(`${server.url}/images/?prefix=img_secret`)).text();
  const lines = server.log.filter(({ event }) => event === "request_answered");
  assert.deepEqual(
    lines.map(({ method, path, status, client }) => [method, path, status, client]),
    [["GET", "/images/", 200, "address:127.0.0.1"]],
  );
  assert.doesNotMatch(JSON.stringify(server.log), /img_secret/);
});

test("DRAIN_DELAY keeps a server at work after SIGTERM while /readyz says no", async () => {
  await using runtime = await FakeKServeRuntime.start();
  using home = new TemporaryFolder();
  await using server = await ServerProcess.start({
    home: home.path,
    settings: { KSERVE_ENDPOINT: runtime.url, DRAIN_DELAY: "2" },
  });
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  const ended = once(server.child, "exit");
  server.child.kill("SIGTERM");
  while (!server.logLines.some(({ event }) => event === "server_retiring")) await once(server.child.stderr, "data");
  const ready = await fetch(`${server.url}/readyz`);
  assert.equal(ready.status, 503);
  assert.equal(((await ready.json()) as { status: string }).status, "draining");
  const client = await connectMcpHttp(new URL(`${server.url}/mcp`), "modern");
  const outcome = toOutcome(await client.callTool({ name: "generate_image", arguments: ARGUMENTS }));
  assert.ok("imageId" in outcome, "work is still taken");
  await client.close();
  assert.deepEqual(await ended, [0, null]);
});

test("serve says loudly that everybody may use it, unless somebody meant it", async () => {
  await using runtime = await FakeKServeRuntime.start();
  using home = new TemporaryFolder();
  const warningsOf = async (settings: Record<string, string>): Promise<readonly LogEntry[]> => {
    const all = { KSERVE_ENDPOINT: runtime.url, STORAGE_PATH: `${home.path}/images`, ...settings };
    await using server = await ServerProcess.start({ home: home.path, settings: all }, ["serve"]);
    await server.stop();
    return server.logLines.filter(({ event }) => event === "server_open_to_everybody");
  };
  const [warning, ...more] = await warningsOf({ HOST: "0.0.0.0" });
  assert.equal(warning?.["level"], "warning");
  assert.match(String(warning?.["message"]), /AUTH_MODE=token/);
  assert.deepEqual(more, []);
  assert.deepEqual(await warningsOf({ HOST: "0.0.0.0", AUTH_MODE: "none" }), []);
  assert.deepEqual(await warningsOf({ HOST: "127.0.0.1" }), []);
});
