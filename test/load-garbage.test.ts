import assert from "node:assert/strict";
import { connect } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { test } from "node:test";
import { IS_PROOF, report, startLoadedServer } from "./support/loaded-server.ts";
import { createNumbers } from "./support/numbers.ts";

const REQUESTS = IS_PROOF ? 100_000 : 3_000;
const AT_ONCE = 50;
const SEED = 42;

/** Requests that are right; what is sent is made of their pieces. */
const CORPUS = [
  "GET /images/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "GET /images/img_01jz0000000000000000000000 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1\r\n\r\n",
  'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 46\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
  "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
  "DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: x\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

test("garbage on the socket is answered or closed, and the server lives", async () => {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  process.on("unhandledRejection", onRejection);
  await using server = await startLoadedServer();
  const port = Number(new URL(server.url).port);
  const number = createNumbers(SEED);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  let sent = 0;
  let answered = 0;
  const send = async (): Promise<void> => {
    while (sent < REQUESTS) {
      sent++;
      const bytes = mutate(number);
      const { promise, resolve } = Promise.withResolvers<void>();
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      // A request that is right so far waits for its rest: nobody waits for that here.
      socket.setTimeout(200, () => socket.destroy());
      socket.on("error", () => undefined);
      socket.once("data", () => answered++);
      socket.once("close", () => resolve());
      socket.end(bytes);
      await promise;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, send));
  delay.disable();
  assert.equal((await fetch(`${server.url}/livez`)).status, 200);
  assert.deepEqual(rejections, []);
  assert.deepEqual(
    server.log.filter(({ level }) => level === "error"),
    [],
  );
  assert.ok(answered > REQUESTS / 4, `${answered} answers`);
  process.off("unhandledRejection", onRejection);
  report(
    `${sent} garbage requests: ${answered} answers, 0 crashes, 0 unhandled rejections, loop delay p99 ${Math.round(delay.percentile(99) / 1e6)} ms`,
  );
});

/** One request of the corpus with a few of its bytes changed, cut, doubled or mixed with another. */
function mutate(number: (below: number) => number): Buffer {
  const pick = (): string => CORPUS[number(CORPUS.length)] ?? "";
  let text = pick();
  for (let i = number(4); i >= 0; i--) {
    const at = number(text.length + 1);
    const kind = number(6);
    if (kind === 0) text = text.slice(0, at) + String.fromCharCode(number(256)) + text.slice(at + 1);
    else if (kind === 1) text = text.slice(0, at);
    else if (kind === 2) text = text.slice(0, at) + pick().slice(number(20));
    else if (kind === 3) text = text.slice(0, at) + text.slice(at).repeat(2);
    else if (kind === 4) text = text.slice(0, at) + "\0".repeat(number(5)) + text.slice(at);
    else text = text.slice(0, at) + "A".repeat(number(30_000)) + text.slice(at);
  }
  return Buffer.from(text || "x", "latin1");
}
