import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { verifyImage } from "../src/core/verify-image.ts";
import { HOP_ANSWERS } from "../src/testing/hop-answers.ts";
import { ERAS, type Era } from "./support/mcp-clients.ts";
import { startLoadedServer, type LoadedServer } from "./support/loaded-server.ts";

const ARGUMENTS = { prompt: "a red boat", width: 96, height: 64, seed: 42 };

/** The metadata of a picture that was drawn, stored and downloaded. */
async function drawAndDownload(server: LoadedServer, era: Era): Promise<Record<string, unknown>> {
  const client = await server.connect(era);
  const result = await client.callTool({ name: "generate_image", arguments: ARGUMENTS });
  await client.close();
  assert.equal(result.isError, undefined, JSON.stringify(result.content));
  const { url, metadata } = result.structuredContent as { url: string; metadata: Record<string, unknown> };
  const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
  assert.deepEqual(verifyImage(bytes), { format: "png", width: 96, height: 64 });
  return metadata;
}

// Proves: KSERVE-7, KSERVE-10, KSERVE-11
for (const era of ERAS) {
  describe(`A real MCP client of the ${era} era gets its picture from a server in front of`, () => {
    test("a model server that is overloaded twice, with three POSTs", async () => {
      await using server = await startLoadedServer();
      const answer = { ...HOP_ANSWERS.activatorOverload, headers: { "retry-after": "0" } };
      server.runtime.script({ kind: "answer", answer }, { kind: "answer", answer });
      const metadata = await drawAndDownload(server, era);
      assert.deepEqual(metadata["seed_report"], { requested: 42, sent: 42, echoed: null, honoured: "unknown" });
      assert.equal(server.runtime.posts.length, 3);
    });

    test("a model that refuses the seed, which is left out from then on and reported", async () => {
      await using server = await startLoadedServer({}, { pipeline: "stable-diffusion-3" });
      for (const posts of [2, 3]) {
        const metadata = await drawAndDownload(server, era);
        assert.deepEqual(metadata["seed_report"], { requested: 42, sent: null, echoed: null, honoured: false });
        assert.match(String(metadata["warnings"]), /does not take a seed/);
        assert.equal(server.runtime.posts.length, posts);
      }
      assert.deepEqual(
        server.runtime.instances.map((instance) => instance["seed"]),
        [42, undefined, undefined],
      );
    });

    test("a model that ignores the seed, and is not believed", async () => {
      await using server = await startLoadedServer({}, { pipeline: "stable-diffusion" });
      const metadata = await drawAndDownload(server, era);
      assert.deepEqual(metadata["seed_report"], { requested: 42, sent: 42, echoed: null, honoured: "unknown" });
      assert.equal(server.runtime.posts.length, 1);
    });

    test("a model that uses the seed and says so", async () => {
      await using server = await startLoadedServer({}, { pipeline: "echo" });
      const metadata = await drawAndDownload(server, era);
      assert.deepEqual(metadata["seed_report"], { requested: 42, sent: 42, echoed: 42, honoured: true });
      assert.deepEqual([metadata["seed"], metadata["queue_ahead"]], [42, 0]);
    });
  });
}
