import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { isErrno } from "../src/core/errors.ts";
import { PNG_SIGNATURE } from "../src/core/image-format.ts";
import { createHttpServer } from "../src/http/http-server.ts";
import { exchangeRaw, parseJson, startServer } from "./http-support.ts";

const HEAD = "HTTP/1.1\r\nHost: localhost\r\n";
/** So quick that a test need not wait, and the machine's clock, as Node's own timers run on it. */
const QUICK = { headersTimeoutMs: 100, requestTimeoutMs: 150, connectionsCheckingIntervalMs: 20 };

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("latin1");
  for await (const chunk of socket) text += chunk;
  return text;
}

/** Like `readAll()`, but a reset is an end as well. */
async function readUntilClosed(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => undefined);
  await once(socket, "close").catch(() => undefined);
  return text;
}

async function readHead(socket: Socket): Promise<string> {
  let text = "";
  while (!text.includes("\r\n\r\n")) text += String((await once(socket, "data"))[0]);
  return text;
}

test("a body over the limit is 413 and ends the connection, whatever is still to come", async () => {
  await using server = await startServer({ limits: { maxBodyBytes: 1_000 } });
  const declared = await exchangeRaw(server.port, `POST /images/cleanup ${HEAD}Content-Length: 1001\r\n\r\n`);
  assert.match(declared, /^HTTP\/1\.1 413 .*\r\nConnection: close\r\n.*"error":"payload_too_large"/s);
  const socket = connect(server.port, "127.0.0.1");
  socket.write(`POST /images/cleanup ${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
  const endless = setInterval(() => socket.write("5\r\nabcde\r\n"), 20);
  socket.on("error", () => undefined);
  try {
    const received = await readHead(socket);
    assert.match(received, /^HTTP\/1\.1 200 .*\r\nConnection: close\r\n/s);
    // Not events.once(), which an error on the way (EPIPE) would reject.
    if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  } finally {
    clearInterval(endless);
    socket.destroy();
  }
});

test("one connection more than the cap is closed at once, and those that are there go on", async () => {
  await using server = await startServer({ limits: { maxConnections: 2 } });
  const sockets = [connect(server.port, "127.0.0.1"), connect(server.port, "127.0.0.1")];
  await Promise.all(sockets.map(async (socket) => once(socket, "connect")));
  const refused = connect(server.port, "127.0.0.1");
  refused.write(`GET /livez ${HEAD}\r\n`);
  assert.equal(await readUntilClosed(refused), "");
  for (const socket of sockets) {
    socket.write(`GET /livez ${HEAD}\r\n`);
    assert.match(await readHead(socket), /^HTTP\/1\.1 200 /);
    socket.destroy();
  }
});

test("what is no request is refused as JSON and ends the connection, and the server lives on", async () => {
  await using server = await startServer();
  for (const [text, start, code] of [
    ["nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request", "malformed_request"],
    [`GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n`, "HTTP/1.1 400", "malformed_request"],
    [`GET /livez ${HEAD}Bad Header: 1\r\n\r\n`, "HTTP/1.1 400", "malformed_request"],
    [`GET /livez ${HEAD}A: b\x00c\r\n\r\n`, "HTTP/1.1 400", "malformed_request"],
    [`GET /li vez ${HEAD}\r\n`, "HTTP/1.1 400", "malformed_request"],
    [`GET /livez\n\n`, "HTTP/1.1 400", "malformed_request"],
    [
      `POST /images/cleanup ${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`,
      "HTTP/1.1 400",
      "malformed",
    ],
    [`GET /livez ${HEAD}A: ${"b".repeat(20_000)}\r\n\r\n`, "HTTP/1.1 431", "headers_too_large"],
    [`GET /${"a".repeat(20_000)} ${HEAD}\r\n`, "HTTP/1.1 431", "headers_too_large"],
    ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "HTTP/1.1 400", "malformed_request"],
  ] as const) {
    const received = await exchangeRaw(server.port, text);
    assert.equal(received.startsWith(start), true, received);
    assert.equal(received.includes(`"error":"${code}`), true, received);
    assert.equal(received.includes("\r\nConnection: close\r\n"), true);
  }
  assert.equal((await server.get("/livez")).status, 200);
});

test("3,000 garbled requests neither break the server nor get an answer of 5xx", async () => {
  await using server = await startServer();
  const id = await server.save();
  const whole = `GET /images/${id} ${HEAD}Range: bytes=0-9\r\nIf-None-Match: "a"\r\n\r\nPOST /mcp ${HEAD}Content-Length: 2\r\n\r\n{}`;
  const edit = fc.record({ at: fc.nat(whole.length), remove: fc.nat(9), insert: fc.string({ unit: "binary-ascii" }) });
  const garbled = fc
    .array(edit, { minLength: 1, maxLength: 4 })
    .map((edits) =>
      edits.reduce((text, { at, remove, insert }) => text.slice(0, at) + insert + text.slice(at + remove), whole),
    );
  const texts = fc.sample(garbled, { numRuns: 3_000, seed: 42 });
  for (let from = 0; from < texts.length; from += 100) {
    const answers = await Promise.all(
      texts.slice(from, from + 100).map(async (text) => exchangeRaw(server.port, text)),
    );
    assert.deepEqual(
      answers.filter((answer) => /^HTTP\/1\.1 5/m.test(answer)),
      [],
    );
  }
  assert.equal((await server.get(`/images/${id}`)).status, 200);
});

test("a client that is silent or drips headers or a body is sent away with 408", async () => {
  await using server = await startServer({
    limits: QUICK,
    mcp: async (request, response) => {
      for await (const chunk of request) void chunk;
      response.end();
    },
  });
  for (const start of ["", `GET /livez ${HEAD}`, `POST /mcp ${HEAD}Content-Length: 1000\r\n\r\n`]) {
    const socket = connect(server.port, "127.0.0.1");
    socket.write(start);
    const drip = setInterval(() => socket.write("a"), 10);
    if (start === "") clearInterval(drip);
    const received = await readUntilClosed(socket);
    clearInterval(drip);
    // A byte that arrives behind the answer resets the connection, which may take the answer with it.
    if (received === "" && start !== "") continue;
    assert.match(received, /^HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n.*"error":"request_timeout"/s);
  }
});

test("drain() ends every connection with its answer, one that is being made too, and close() waits for that", async () => {
  const started = Promise.withResolvers<ServerResponse>();
  await using server = await startServer({ mcp: (_request, response) => started.resolve(response) });
  const path = `/images/${await server.save()}`;
  const idle = connect(server.port, "127.0.0.1");
  idle.write(`GET ${path} ${HEAD}\r\n`);
  assert.match(await readHead(idle), /\r\nConnection: keep-alive\r\n/);
  const busy = connect(server.port, "127.0.0.1");
  busy.write(`POST /mcp ${HEAD}Content-Length: 0\r\n\r\n`);
  const response = await started.promise;

  server.http.drain();
  for (const other of [path, "/images/", "/livez", "/unknown"]) {
    assert.equal((await server.get(other)).headers.connection, "close");
  }
  const idleEnd = once(idle, "close");
  const closed = server.http.close();
  await idleEnd;
  await assert.rejects(server.get("/livez"), (error) => isErrno(error, "ECONNREFUSED"));
  response.end("done");
  const received = await readAll(busy);
  assert.match(received, /^HTTP\/1\.1 200 OK\r\n.*\r\nConnection: close\r\n.*done/s);
  await closed;
  await server.http.close();
  assert.equal(server.http.server.listening, false);
});

test("close() cuts what is still open when its time is over", async () => {
  const started = Promise.withResolvers<void>();
  await using server = await startServer({ mcp: () => started.resolve() });
  const busy = connect(server.port, "127.0.0.1");
  busy.write(`POST /mcp ${HEAD}Content-Length: 0\r\n\r\n`);
  await started.promise;
  const closed = server.http.close({ timeoutMs: 1_000 });
  await server.clock.waitForSleepers();
  await server.clock.advance(999);
  assert.equal(busy.destroyed, false);
  await server.clock.advance(250);
  await closed;
  assert.equal(await readAll(busy), "");
});

test("a picture that is slow to come is answered with the end of its connection when the server drains meanwhile", async () => {
  await using server = await startServer();
  const path = `/images/${await server.save()}`;
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const readImage = server.storage.readImage.bind(server.storage);
  server.storage.readImage = async (id) => {
    asked.resolve();
    await go.promise;
    return readImage(id);
  };
  const answer = server.get(path);
  await asked.promise;
  server.http.drain();
  go.resolve();
  assert.deepEqual([(await answer).status, (await answer).headers.connection], [200, "close"]);
});

test("an MCP handler that throws is 500 internal, or the end of the connection when it has begun to answer", async () => {
  let hasBegun = false;
  await using server = await startServer({
    mcp: async (_request, response) => {
      if (hasBegun) response.writeHead(200).write("half");
      throw new Error("secret");
    },
  });
  const answer = await server.call("POST", "/mcp");
  assert.deepEqual(
    [answer.status, parseJson(answer)],
    [500, { error: "internal", message: "An internal error occurred", retryable: false }],
  );
  assert.match(answer.headers["x-request-id"] as string, /^[\w-]+$/);
  hasBegun = true;
  await assert.rejects(server.call("POST", "/mcp"), (error) => isErrno(error, "ECONNRESET"));
});

test("broken bytes behind a stream that has begun break the stream off, and never look like part of it", async () => {
  await using server = await startServer({
    mcp: (_request, response) =>
      void response.writeHead(200, { "Content-Type": "text/event-stream" }).write("data: 1\n\n"),
  });
  const socket = connect(server.port, "127.0.0.1");
  socket.write(`POST /mcp ${HEAD}Content-Length: 0\r\n\r\n`);
  const head = await readHead(socket);
  socket.write("nonsense\r\n\r\n");
  assert.equal(/malformed/.test(head + (await readAll(socket))), false);
});

test("many slow readers of one large picture share its bytes", async () => {
  await using server = await startServer({ limits: { cachePictureBytes: 1_000, cacheRevalidateMs: 1_000 } });
  const picture = Buffer.alloc(20_000_000);
  picture.set(PNG_SIGNATURE);
  const path = `/images/${await server.save(picture)}`;
  let reads = 0;
  const readImage = server.storage.readImage.bind(server.storage);
  server.storage.readImage = async (id) => {
    reads += 1;
    return readImage(id);
  };
  const sockets = Array.from({ length: 20 }, () => connect(server.port, "127.0.0.1"));
  for (const socket of sockets) {
    socket.pause();
    socket.write(`GET ${path} ${HEAD}Connection: close\r\n\r\n`);
    await once(socket, "readable");
  }
  assert.equal(reads, 1);
  let length = 0;
  for await (const chunk of sockets[19] ?? []) length += (chunk as Buffer).length;
  assert.equal(length > picture.length, true);
  for (const socket of sockets) socket.destroy();
});

// Proves: HTTP-13
test("listen() gives the address that URLs are made of, fails on a taken port, and may then be called again", async () => {
  await using first = await startServer();
  await using second = await startServer({ host: "0.0.0.0" });
  assert.equal(first.http.baseUrl(), `http://127.0.0.1:${first.port}`);
  assert.equal(second.http.baseUrl(), `http://localhost:${second.port}`);
  await second.http.close();
  assert.equal(second.http.baseUrl(), `http://localhost:${second.port}`);
  const third = createHttpServer({ ...first.options, publicBaseUrl: undefined });
  assert.throws(() => third.baseUrl(), /known only after listening/);
  await assert.rejects(third.listen({ host: "127.0.0.1", port: first.port }), (error) => isErrno(error, "EADDRINUSE"));
  const { port } = await third.listen({ host: "127.0.0.1", port: 0 });
  assert.equal(third.baseUrl(), `http://127.0.0.1:${port}`);
  await third.close();
});
