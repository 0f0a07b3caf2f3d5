import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { systemClock } from "../core/clock.ts";
import { parseEndpoint } from "./endpoint.ts";
import { exchange } from "./exchange.ts";
import { HttpTransport } from "./http-transport.ts";
import { noObserver } from "./upstream-observer.ts";

const BODY = Buffer.alloc(16 * 1024 * 1024, "a");
/** What is taken in one turn, and the pieces that were read before the pause took hold. */
const MOST_BYTES_PER_TURN = 512 * 1024;

suite("exchange", () => {
  test("takes a long answer in pieces between which the event loop turns", async () => {
    await using server = createServer((request, response) => {
      request.resume();
      response.end(BODY);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const transport = new HttpTransport({
      endpoint: parseEndpoint(`http://127.0.0.1:${port}`),
      socketPath: undefined,
      access: {},
      observer: noObserver,
    });
    let total = 0;
    let inTurn = 0;
    let most = 0;
    const write = (chunk: Buffer): void => {
      if (inTurn === 0) setImmediate(() => (inTurn = 0));
      total += chunk.length;
      inTurn += chunk.length;
      most = Math.max(most, inTurn);
    };
    await exchange({
      transport,
      clock: systemClock,
      call: { method: "GET", path: "/", requestId: "test", signal: new AbortController().signal },
      answerLimitMs: 10_000,
      openSink: () => ({ write }),
    });
    transport.close();
    assert.equal(total, BODY.length);
    assert.ok(most <= MOST_BYTES_PER_TURN, `${most} bytes in one turn`);
  });
});
