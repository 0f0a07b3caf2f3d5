import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { FakeKServeRuntime } from "../src/testing/fake-kserve-runtime.ts";
import { IS_PROOF, report, toOutcome } from "./support/loaded-server.ts";
import { connectMcpHttp, ERAS } from "./support/mcp-clients.ts";
import { ServerProcess, TemporaryFolder } from "./support/server-process.ts";

const ROUNDS = IS_PROOF ? 200 : 2;
const CLIENTS = 6;
const DRAW_MS = 30;
const REFUSALS: ReadonlySet<string> = new Set(["shutting_down"]);

test("SIGTERM under load drops no accepted job: each that the model server got has its picture and its answer", async () => {
  let accepted = 0;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await using runtime = await FakeKServeRuntime.start();
    runtime.drawMs = DRAW_MS;
    using home = new TemporaryFolder();
    await using server = await ServerProcess.start({
      home: home.path,
      settings: { KSERVE_ENDPOINT: runtime.url },
    });
    const url = new URL(`${server.url}/mcp`);
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async (_, i) => connectMcpHttp(url, ERAS[i % 2] ?? "modern")),
    );
    const over = new AbortController();
    const pictures: string[] = [];
    const work = clients.map(async (client, i) => {
      for (let seed = i * 1_000; !over.signal.aborted; seed++) {
        const call = client.callTool({
          name: "generate_image",
          arguments: { prompt: "x", width: 64, height: 64, seed },
        });
        // After the server has gone nobody answers: that job was never accepted, as the count below proves.
        const result = await call.catch(() => undefined);
        if (result === undefined) return;
        const outcome = toOutcome(result);
        if ("imageId" in outcome) pictures.push(outcome.imageId);
        else {
          assert.ok(REFUSALS.has(outcome.error), outcome.error);
          refused++;
          return;
        }
      }
    });
    await delay(40 + ((round * 37) % 200));
    const ended = once(server.child, "exit");
    server.child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
    over.abort();
    await Promise.all(work);
    assert.equal(pictures.length, runtime.posts.length, `round ${round}: a job was drawn and its answer lost`);
    assert.equal(new Set(pictures).size, pictures.length);
    accepted += pictures.length;
    await Promise.all(clients.map(async (client) => client.close().catch(() => undefined)));
  }
  assert.ok(accepted > ROUNDS, `${accepted} jobs`);
  report(
    `${ROUNDS} SIGTERMs under load: ${accepted} accepted jobs, 0 dropped, ${refused} refused, exit code 0 each time`,
  );
});
