import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { toPercentile } from "./support/percentile.ts";
import { IS_PROOF, report } from "./support/loaded-server.ts";
import { ServerProcess, TemporaryFolder } from "./support/server-process.ts";
import { readResidentBytes } from "./support/process-facts.ts";

const LORISES = IS_PROOF ? 1_000 : 60;
const GONE_MS = 12_000;
const DRIP_MS = 1_000;
const MAX_GROWTH_BYTES = 64 * 1024 * 1024;
const LEAST_ANSWERS = IS_PROOF ? 1_000 : 50;

/** How they begin: in silence, with headers that never end, and with a body that never does. */
const STARTS = [
  "",
  "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
  "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n",
];

test(`${LORISES} connections that never say what they want are gone in ${GONE_MS / 1000} s, and others are served meanwhile`, async () => {
  using home = new TemporaryFolder();
  const settings = { KSERVE_ENDPOINT: "http://127.0.0.1:9", LOG_FORMAT: "json" };
  await using server = await ServerProcess.start({ home: home.path, settings });
  const calm = await measureGets(server.url, AbortSignal.abort());
  const before = readResidentBytes(server.child.pid);
  const port = Number(new URL(server.url).port);
  const startedAtMs = performance.now();
  const gone = new AbortController();
  const lives = Array.from({ length: LORISES }, async (_, index) => live(port, STARTS[index % STARTS.length] ?? ""));
  let goneMs = 0;
  const ended = Promise.all(lives).then(() => {
    goneMs = performance.now() - startedAtMs;
    gone.abort();
  });
  let mostBytes = 0;
  const watch = setInterval(() => (mostBytes = Math.max(mostBytes, readResidentBytes(server.child.pid))), 200);
  const busy = await measureGets(server.url, gone.signal);
  clearInterval(watch);
  await ended;
  const growth = mostBytes - before;
  report(
    `${LORISES} slow-loris connections gone after ${(goneMs / 1000).toFixed(1)} s; p99 of another client ${calm.toFixed(1)} -> ${busy.toFixed(1)} ms, RSS +${Math.round(growth / 1048576)} MiB`,
  );
  assert.ok(goneMs < GONE_MS + (IS_PROOF ? 0 : 8_000), `${goneMs} ms`);
  assert.ok(growth < MAX_GROWTH_BYTES, `${growth} bytes more`);
});

/** One slow client, until the server has had enough. */
async function live(port: number, start: string): Promise<void> {
  const socket: Socket = connect(port, "127.0.0.1");
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on("error", () => undefined);
  socket.on("close", () => resolve());
  socket.resume();
  socket.write(start);
  const drip = start === "" ? undefined : setInterval(() => socket.write("a"), DRIP_MS);
  await promise;
  clearInterval(drip);
}

/** The 99th percentile of GETs, in ms: of at least so many, and of all until the signal aborts. */
async function measureGets(url: string, enough: AbortSignal): Promise<number> {
  const times: number[] = [];
  while (times.length < LEAST_ANSWERS || !enough.aborted) {
    const startedAtMs = performance.now();
    const answer = await fetch(`${url}/livez`);
    await answer.arrayBuffer();
    times.push(performance.now() - startedAtMs);
    assert.equal(answer.status, 200);
  }
  return toPercentile(times, 0.99);
}
