import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { IS_PROOF, report, toOutcome } from "./support/loaded-server.ts";
import { connectMcpHttp, ERAS } from "./support/mcp-clients.ts";
import { NGINX, NO_NGINX, Replicas } from "./support/replicas.ts";

const ROLLOUTS = IS_PROOF ? 20 : 1;
const LEAST_GETS = IS_PROOF ? 20_000 : 300;
const READERS = 4;

describe("Three replicas behind nginx, round-robin", { skip: NGINX === undefined && NO_NGINX }, () => {
  let replicas: Replicas;
  before(async () => {
    replicas = await Replicas.start({ MCP_ADOPT_SESSIONS: "true" });
  });
  after(async () => replicas[Symbol.asyncDispose]());

  for (const era of ERAS) {
    test(`serve a ${era} client: every call, every picture`, async () => {
      const drawnBefore = replicas.runtime.posts.length;
      const client = await connectMcpHttp(new URL(`${replicas.url}/mcp`), era);
      for (let seed = 0; seed < 6; seed++) {
        assert.ok((await client.listTools()).tools.length > 0);
        const call = { name: "generate_image", arguments: { prompt: "x", width: 64, height: 64, seed } };
        const outcome = toOutcome(await client.callTool(call));
        assert.ok("imageId" in outcome, JSON.stringify(outcome));
        for (let replica = 0; replica < replicas.count; replica++) {
          const answer = await fetch(`${replicas.url}/images/${outcome.imageId}`);
          await answer.arrayBuffer();
          assert.equal(answer.status, 200);
        }
      }
      assert.equal(replicas.runtime.posts.length - drawnBefore, 6);
      await client.close();
    });
  }

  test("are restarted one after the other without one failed picture", async () => {
    const client = await connectMcpHttp(new URL(`${replicas.url}/mcp`), "modern");
    const call = { name: "generate_image", arguments: { prompt: "x", width: 64, height: 64, seed: 1 } };
    const outcome = toOutcome(await client.callTool(call));
    await client.close();
    assert.ok("imageId" in outcome);
    const failures: unknown[] = [];
    let gets = 0;
    const rolled = new AbortController();
    const read = async (): Promise<void> => {
      while (!rolled.signal.aborted || gets < LEAST_GETS) {
        gets++;
        try {
          const answer = await fetch(`${replicas.url}/images/${outcome.imageId}`);
          const { byteLength } = await answer.arrayBuffer();
          if (answer.status !== 200 || byteLength === 0) failures.push(answer.status);
        } catch (error) {
          failures.push(error);
        }
      }
    };
    const readers = Array.from({ length: READERS }, read);
    for (let rollout = 0; rollout < ROLLOUTS; rollout++) {
      for (let index = 0; index < replicas.count; index++) assert.equal(await replicas.restart(index), 0);
    }
    rolled.abort();
    await Promise.all(readers);
    assert.deepEqual(failures, []);
    report(`${ROLLOUTS} rolling restarts of ${replicas.count} replicas behind nginx: 0 of ${gets} picture GETs failed`);
  });
});
