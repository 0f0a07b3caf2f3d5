import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { FakeKServeRuntime } from "../src/testing/fake-kserve-runtime.ts";
import { FAKE_S3_ACCESS_KEY_ID, FAKE_S3_SECRET_ACCESS_KEY, startFakeS3Server } from "../src/testing/fake-s3-server.ts";
import { IS_PROOF, report, toOutcome } from "./support/loaded-server.ts";
import { connectMcpHttp, ERAS } from "./support/mcp-clients.ts";
import { listFileNames } from "./support/process-facts.ts";
import { ServerProcess, TemporaryFolder } from "./support/server-process.ts";

const ROUNDS = IS_PROOF ? 200 : 2;
const MORE_ROUNDS = IS_PROOF ? 50 : 1;
const CLIENTS = 6;
const DRAW_MS = 30;
const REFUSALS: ReadonlySet<string> = new Set(["shutting_down"]);
/** A container's first process: the kernel spares it every signal that it does not listen to. */
const AS_PID_1 = ["unshare", "--pid", "--fork", "--kill-child"] as const;
const canBePid1 = spawnSync("unshare", ["--pid", "--fork", "true"]).status === 0;

interface RoundOptions {
  readonly round: number;
  readonly settings?: Readonly<Record<string, string>>;
  readonly runner?: readonly [string, ...string[]];
}

interface RoundOutcome {
  readonly pictures: readonly string[];
  readonly refused: number;
  /** The names of all files in the folder of the pictures. */
  readonly files: readonly string[];
}

test("SIGTERM under load drops no accepted job: each that the model server got has its picture and its answer", async () => {
  let accepted = 0;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const outcome = await endUnderLoad({ round });
    assertStored(outcome.pictures, outcome.files);
    accepted += outcome.pictures.length;
    refused += outcome.refused;
  }
  report(
    `${ROUNDS} SIGTERMs under load: ${accepted} accepted jobs, 0 dropped, ${refused} refused, exit code 0 each time`,
  );
});

test("SIGTERM under load drops no accepted job whose picture is on its way to a bucket", async () => {
  let accepted = 0;
  for (let round = 0; round < MORE_ROUNDS; round++) {
    await using bucket = await startFakeS3Server({ buckets: ["pictures"] });
    const settings = {
      STORAGE_BACKEND: "s3",
      S3_BUCKET: "pictures",
      S3_ENDPOINT_URL: bucket.url,
      AWS_ACCESS_KEY_ID: FAKE_S3_ACCESS_KEY_ID,
      AWS_SECRET_ACCESS_KEY: FAKE_S3_SECRET_ACCESS_KEY,
    };
    const { pictures } = await endUnderLoad({ round, settings });
    assertStored(pictures, [...(bucket.buckets.get("pictures")?.keys() ?? [])]);
    accepted += pictures.length;
  }
  report(`${MORE_ROUNDS} SIGTERMs while pictures go to S3: ${accepted} accepted jobs, 0 dropped`);
});

const SKIP = canBePid1 ? false : "NOT RUN: no right to make a PID namespace here (run as root to be the first process)";

test("SIGTERM under load drops no accepted job of a container's first process", { skip: SKIP }, async () => {
  let accepted = 0;
  for (let round = 0; round < MORE_ROUNDS; round++) {
    const { pictures, files } = await endUnderLoad({ round, runner: AS_PID_1 });
    assertStored(pictures, files);
    accepted += pictures.length;
  }
  report(`${MORE_ROUNDS} SIGTERMs to PID 1: ${accepted} accepted jobs, 0 dropped`);
});

test("a second signal ends a container's first process at once", { skip: SKIP }, async () => {
  await using runtime = await FakeKServeRuntime.start();
  using home = new TemporaryFolder();
  const settings = { KSERVE_ENDPOINT: runtime.url, SHUTDOWN_TIMEOUT: "600" };
  await using server = await ServerProcess.start({ home: home.path, settings, runner: AS_PID_1 });
  runtime.script({ kind: "hang" });
  const client = await connectMcpHttp(new URL(`${server.url}/mcp`), "modern");
  const given = new AbortController();
  const call = client.callTool({ name: "generate_image", arguments: { prompt: "x" } }, { signal: given.signal });
  const failed = assert.rejects(call);
  await runtime.waitForRequests("POST");
  const ended = once(server.child, "exit");
  const pid = toServerPid(server, true);
  process.kill(pid, "SIGTERM");
  while (!server.logLines.some(({ event }) => event === "server_stopping")) await delay(20);
  process.kill(pid, "SIGTERM");
  assert.deepEqual(await ended, [143, null]);
  given.abort();
  await failed;
  await client.close();
});

async function endUnderLoad({ round, settings = {}, runner }: RoundOptions): Promise<RoundOutcome> {
  await using runtime = await FakeKServeRuntime.start();
  runtime.drawMs = DRAW_MS;
  using home = new TemporaryFolder();
  await using server = await ServerProcess.start({
    home: home.path,
    settings: { KSERVE_ENDPOINT: runtime.url, STORAGE_PATH: join(home.path, "pictures"), ...settings },
    ...(runner && { runner }),
  });
  const url = new URL(`${server.url}/mcp`);
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, async (_, i) => connectMcpHttp(url, ERAS[i % 2] ?? "modern")),
  );
  const over = new AbortController();
  const pictures: string[] = [];
  let refused = 0;
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
  await runtime.waitForRequests("POST");
  await delay((round * 37) % 200);
  const ended = once(server.child, "exit");
  process.kill(toServerPid(server, runner !== undefined), "SIGTERM");
  assert.deepEqual(await ended, [0, null]);
  over.abort();
  await Promise.all(work);
  assert.equal(pictures.length, runtime.posts.length, `round ${round}: a job was drawn and its answer lost`);
  assert.equal(new Set(pictures).size, pictures.length);
  await Promise.all(clients.map(async (client) => client.close().catch(() => undefined)));
  return { pictures, refused, files: listFileNames(join(home.path, "pictures")) };
}

/** The server itself, or the child of what runs it. */
function toServerPid({ child: { pid = 0 } }: ServerProcess, isRun: boolean): number {
  if (!isRun) return pid;
  const [first = ""] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  return Number(first);
}

function assertStored(pictures: readonly string[], names: readonly string[]): void {
  const lost = pictures.filter((id) => !names.some((name) => name.endsWith(`${id}.png`) || name.endsWith(`-${id}`)));
  assert.deepEqual(lost, [], "every picture that was answered is stored");
  assert.ok(pictures.length > 0);
}
