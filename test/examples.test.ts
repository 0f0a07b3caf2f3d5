import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { verifyImage } from "../src/core/verify-image.ts";
import { findFreePort } from "./support/free-port.ts";
import { freshEnvironment, ServerProcess, TemporaryFolder } from "./support/server-process.ts";

const root = resolve(import.meta.dirname, "..");
const JSON_TYPE = { "Content-Type": "application/json" };

function runExample(name: string, home: string, settings: Record<string, string>): ChildProcess {
  const args = ["--import", join(root, "test/support/own-package.ts"), join(root, "examples", name)];
  const env = freshEnvironment(home, { STORAGE_PATH: join(home, "pictures"), LOG_LEVEL: "ERROR", ...settings });
  return spawn(process.execPath, args, { cwd: home, env, stdio: ["ignore", "pipe", "inherit"] });
}

for (const name of ["express.js", "fastify.js"]) {
  test(`examples/${name} serves its own page, and below /pictures the gallery, drawing and MCP`, async () => {
    using home = new TemporaryFolder();
    const port = await findFreePort();
    const example = runExample(name, home.path, { PORT: String(port) });
    try {
      assert.ok(example.stdout);
      const [line] = await once(createInterface({ input: example.stdout }), "line");
      const base = `http://localhost:${port}`;
      assert.equal(line, `${base}/pictures/mcp`);
      assert.equal((await fetch(base)).status, 200);
      const drawn = await fetch(`${base}/pictures/images/`, {
        method: "POST",
        headers: { ...JSON_TYPE, Prefer: "wait=120" },
        body: JSON.stringify({ prompt: "a red circle", width: 64, height: 64, num_inference_steps: 1 }),
      });
      assert.equal(drawn.status, 201);
      const { url } = (await drawn.json()) as { url: string };
      assert.ok(url.startsWith(`${base}/pictures/images/img_`));
      const picture = Buffer.from(await (await fetch(url)).arrayBuffer());
      assert.deepEqual(verifyImage(picture), { format: "png", width: 64, height: 64 });
      const page = await (await fetch(`${base}/pictures/`, { headers: { Accept: "text/html" } })).text();
      assert.match(page, /href="\/pictures\/assets\/gallery\.css"/);
      const mcp = await fetch(`${base}/pictures/mcp`, { method: "POST", headers: JSON_TYPE, body: "{" });
      assert.equal(mcp.status, 400);
    } finally {
      const exited = once(example, "exit");
      example.kill("SIGTERM");
      await exited;
    }
  });
}

test("examples/hono.js draws, shows and speaks MCP through fetch alone", async () => {
  using home = new TemporaryFolder();
  const script = `
    const { hono, images } = await import(${JSON.stringify(join(root, "examples/hono.js"))});
    const post = (path, body, headers) => hono.request(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
    const drawn = await post("/draw", { prompt: "a red circle" });
    const { image_id } = await drawn.json();
    const shown = await hono.request("/images/" + image_id);
    const missing = await hono.request("/images/none");
    const list = await post("/mcp", { jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta: {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} } } },
      { Accept: "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list" });
    console.log([drawn.status, shown.status, shown.headers.get("content-type"), missing.status, (await list.text()).includes("generate_image")].join(" "));
    await images.close();
  `;
  const args = ["--import", join(root, "test/support/own-package.ts"), "--input-type=module", "--eval", script];
  const env = freshEnvironment(home.path, { STORAGE_PATH: join(home.path, "pictures"), LOG_LEVEL: "ERROR" });
  const child = spawn(process.execPath, args, { cwd: home.path, env, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  assert.equal(line, "201 200 image/png 404 true");
  await once(child, "exit");
});

test("examples/client.js asks a server for a picture and saves it", async () => {
  using home = new TemporaryFolder();
  await using server = await ServerProcess.start({ home: home.path });
  const example = runExample("client.js", home.path, { MCP_URL: `${server.url}/mcp` });
  assert.ok(example.stdout);
  const [line] = await once(createInterface({ input: example.stdout }), "line");
  const [, file = "", seed] = /^(img_\w+\.png), seed (\d+)$/.exec(line) ?? [];
  assert.equal(seed, "7");
  assert.deepEqual(verifyImage(readFileSync(join(home.path, file))), { format: "png", width: 256, height: 256 });
});
