import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import type { Client } from "@modelcontextprotocol/client";
import { verifyImage } from "../src/core/verify-image.ts";
import { connectMcpHttp, createMcpClient, ERAS } from "./support/mcp-clients.ts";
import { COMMAND, freshEnvironment, ServerProcess, TemporaryFolder } from "./support/server-process.ts";

interface Picture {
  readonly imageId: string;
  readonly url: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Few steps: these tests are about the way of a picture, not its beauty. */
const ARGUMENTS = { prompt: "a red circle on a blue background", num_inference_steps: 3, seed: 42 };

async function generate(client: Client, args: Record<string, unknown> = {}): Promise<Picture> {
  const result = await client.callTool({ name: "generate_image", arguments: { ...ARGUMENTS, ...args } });
  assert.equal(result.isError, undefined, JSON.stringify(result.content));
  const answer = result.structuredContent as { image_id: string; url: string; metadata: Record<string, unknown> };
  return { imageId: answer.image_id, url: answer.url, metadata: answer.metadata };
}

async function download(url: string): Promise<{ response: Response; bytes: Buffer }> {
  const response = await fetch(url);
  return { response, bytes: Buffer.from(await response.arrayBuffer()) };
}

describe("serve --local, in a process of its own with the built-in engine", () => {
  const home = new TemporaryFolder();
  let server: ServerProcess;

  before(async () => {
    server = await ServerProcess.start({ home: home.path });
  });
  after(async () => {
    await server.stop("SIGKILL");
    home[Symbol.dispose]();
  });

  // Proves: ENGINE-1, HTTP-1, HTTP-13
  for (const era of ERAS) {
    test(`draws a picture of the asked size for the official client, ${era} era`, async () => {
      await using client = await connected(era);
      const { url, imageId, metadata } = await generate(client.client, { width: 320, height: 192 });
      assert.equal(url, `${server.url}/images/${imageId}`);
      const { response, bytes } = await download(url);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-type"), "image/png");
      assert.deepEqual(verifyImage(bytes), { format: "png", width: 320, height: 192 });
      assert.equal(metadata["model_name"], "scenes-v1");
      assert.equal(metadata["seed"], 42);
      assert.deepEqual(metadata["seed_report"], { requested: 42, sent: 42, echoed: 42, honoured: true });
    });
  }

  test("draws with the steps and the guidance that suit the model, in the advertised size, when nobody says otherwise", async () => {
    await using client = await connected("modern");
    const { metadata } = await generate(client.client, { num_inference_steps: undefined });
    const { width, height, num_inference_steps: steps, guidance_scale: guidance } = metadata;
    assert.deepEqual({ width, height, steps, guidance }, { width: 512, height: 512, steps: 20, guidance: 4 });
  });

  // Proves: ENGINE-2
  test("draws the same bytes for the same seed and another picture for another", async () => {
    await using client = await connected("modern");
    const [first, second, other] = [
      await generate(client.client),
      await generate(client.client),
      await generate(client.client, { seed: 43 }),
    ];
    const [a, b, c] = await Promise.all([first, second, other].map(async ({ url }) => (await download(url)).bytes));
    assert.ok(a && b && c);
    assert.ok(a.equals(b));
    assert.ok(!a.equals(c));
  });

  test("refuses a bad argument, names it, and goes on", async () => {
    await using client = await connected("legacy");
    const result = await client.client.callTool({ name: "generate_image", arguments: { prompt: "x", width: 5000 } });
    assert.equal(result.isError, true);
    assert.match(JSON.stringify(result.content), /width must be an integer from 64 to 2048/);
    await generate(client.client);
  });

  test("answers /health quickly and says that everything is healthy", async () => {
    const health = (await (await fetch(`${server.url}/health`)).json()) as Record<string, string>;
    assert.deepEqual(
      { service: health["service"], kserve: health["kserve"], storage: health["storage"] },
      { service: "healthy", kserve: "healthy", storage: "healthy" },
    );
  });

  // Proves: CLI-3, STORAGE-10
  test("ends within 5 seconds of SIGTERM, and has its pictures again after a restart", async () => {
    const client = await connected("modern");
    const { imageId } = await generate(client.client);
    await client[Symbol.asyncDispose]();
    const { bytes } = await download(`${server.url}/images/${imageId}`);
    const startedAt = performance.now();
    assert.equal(await server.stop("SIGTERM"), 0);
    assert.ok(performance.now() - startedAt < 5000);
    server = await ServerProcess.start({ home: home.path });
    const again = await download(`${server.url}/images/${imageId}.png`);
    assert.equal(again.response.status, 200);
    assert.ok(again.bytes.equals(bytes));
  });

  async function connected(era: (typeof ERAS)[number]): Promise<AsyncDisposable & { readonly client: Client }> {
    const client = await connectMcpHttp(new URL(`${server.url}/mcp`), era);
    return { client, [Symbol.asyncDispose]: async () => client.close() };
  }
});

// Proves: TOOL-6
describe("stdio, in a process of its own with the built-in engine", () => {
  for (const era of ERAS) {
    test(`draws a picture whose URL works until the client leaves, ${era} era`, async () => {
      using home = new TemporaryFolder();
      const client = createMcpClient(era);
      await client.connect(
        new StdioClientTransport({
          command: process.execPath,
          args: [COMMAND, "stdio"],
          env: freshEnvironment(home.path, { PORT: "0" }),
          cwd: home.path,
          stderr: "ignore",
        }),
      );
      assert.deepEqual(readdirSync(home.path), [], "a process that was only probed leaves nothing behind");
      const { url } = await generate(client, { width: 128, height: 128 });
      const { bytes } = await download(url);
      assert.deepEqual(verifyImage(bytes), { format: "png", width: 128, height: 128 });
      assert.ok(readdirSync(join(home.path, ".local/share/mcp-image-server")).length > 0);
      await client.close();
      await assert.rejects(fetch(url));
    });
  }
});
