import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { ErrorCode } from "../core/errors.ts";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { HOP_ANSWERS } from "../testing/hop-answers.ts";
import { failureOf } from "../testing/kserve-bench.ts";
import { drawTestPicture } from "../testing/test-picture.ts";
import { KServeClient } from "./kserve-client.ts";

const IS_PROOF = process.env["PROVE"] === "1";
const ROUNDS = IS_PROOF ? 50 : 3;
const DEADLINE_SECONDS = 120;
const MAX_IMAGE_BYTES = 1024 * 1024;
const READY = answer(200, `{"name":"model","ready":true}`);
const PICTURE = JSON.stringify({
  predictions: [{ image: { b64: drawTestPicture({ prompt: "x", width: 64, height: 64 }).toString("base64") } }],
});

/** What a server does to the socket of a job, once the whole job has arrived. */
type Fault = (socket: Socket) => void | Promise<void>;

function answer(status: number, body: string | Buffer, headers: readonly string[] = [], version = "1.1"): Buffer {
  const head = [`HTTP/${version} ${status} X`, "content-type: application/json", ...headers];
  if (!headers.some((header) => /^(?:content-length|transfer-encoding)/.test(header)) && version === "1.1") {
    head.push(`content-length: ${Buffer.byteLength(body)}`);
  }
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), Buffer.from(body)]);
}

const give =
  (bytes: Buffer): Fault =>
  (socket) =>
    void socket.write(bytes);
const giveAndClose =
  (bytes: Buffer): Fault =>
  (socket) =>
    void socket.end(bytes);
const hop = (name: keyof typeof HOP_ANSWERS): Fault => {
  const { status, body } = HOP_ANSWERS[name];
  return give(answer(status, body));
};

/** The whole answer cut after this part of it, and then reset, or closed as if it had ended. */
function cut(part: number, how: "reset" | "close"): Fault {
  const bytes = answer(200, PICTURE);
  return (socket) => {
    const end = (): void => void (how === "reset" ? socket.resetAndDestroy() : socket.end());
    if (part === 0) end();
    else socket.write(bytes.subarray(0, Math.floor(bytes.length * part)), end);
  };
}

/** Like `once()`, for sockets whose errors are what is tested. */
async function eventOf(socket: Socket, ...names: readonly string[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const name of names) socket.once(name, () => resolve());
  await promise;
}

/** Sends a gigabyte for as long as somebody reads it. */
async function flood(socket: Socket): Promise<void> {
  const piece = Buffer.alloc(256 * 1024, "A");
  socket.write(answer(200, `{"predictions":["`, [`content-length: ${1024 ** 3}`]));
  for (let sent = 0; sent < 1024 ** 3 && !socket.destroyed; sent += piece.length) {
    if (!socket.write(piece)) await eventOf(socket, "drain", "close");
  }
}

interface FaultCase {
  readonly title: string;
  readonly fault: Fault | "refuse";
  /** `undefined`: the picture comes all the same. */
  readonly code: ErrorCode | undefined;
  /** Jobs that the server sees. */
  readonly posts: number;
  /** The server does nothing, so the clock must move. */
  readonly isSilent?: true;
}

const RETRIES = 2;
const ALL = RETRIES + 1;

const FAULTS: readonly FaultCase[] = [
  { title: "refuse", fault: "refuse", code: "upstream_unavailable", posts: 0 },
  { title: "reset at 0 %", fault: cut(0, "reset"), code: "upstream_unavailable", posts: ALL },
  { title: "closed at 0 %", fault: cut(0, "close"), code: "upstream_unavailable", posts: ALL },
  { title: "reset at 1 %", fault: cut(0.01, "reset"), code: "upstream_connection_lost", posts: 1 },
  { title: "reset at 50 %", fault: cut(0.5, "reset"), code: "upstream_connection_lost", posts: 1 },
  { title: "closed at 99 %", fault: cut(0.99, "close"), code: "upstream_connection_lost", posts: 1 },
  {
    title: "drip",
    fault: async (socket) => {
      for (const byte of answer(200, PICTURE)) {
        if (socket.destroyed) return;
        await new Promise((written) => socket.write(Buffer.from([byte]), written));
      }
    },
    code: undefined,
    posts: 1,
  },
  { title: "silent", fault: () => undefined, code: "upstream_timeout", posts: 1, isSilent: true },
  {
    title: "silent inside the answer",
    fault: give(answer(200, PICTURE.slice(0, 99), ["content-length: 9999"])),
    code: "upstream_timeout",
    posts: 1,
    isSilent: true,
  },
  { title: "200 HTML", fault: give(answer(200, "<html>Welcome</html>")), code: "not_a_kserve_endpoint", posts: 1 },
  { title: "200 empty", fault: give(answer(200, "")), code: "not_a_kserve_endpoint", posts: 1 },
  { title: "bad JSON", fault: give(answer(200, `{"predictions":[`)), code: "upstream_connection_lost", posts: 1 },
  { title: "no predictions", fault: give(answer(200, `{"predictions":[]}`)), code: "no_image_in_response", posts: 1 },
  {
    title: "truncated base64",
    fault: give(answer(200, PICTURE.replace(/.{21}"\}/, `"}`))),
    code: "image_invalid",
    posts: 1,
  },
  {
    title: "wrong image",
    fault: give(answer(200, JSON.stringify({ predictions: [Buffer.from("<svg>").toString("base64")] }))),
    code: "no_image_in_response",
    posts: 1,
  },
  { title: "1 GB", fault: flood, code: "image_too_large", posts: 1 },
  {
    title: "gzip bomb",
    fault: give(answer(200, gzipSync(Buffer.alloc(8 * 1024 * 1024)), ["content-encoding: gzip"])),
    code: "not_a_kserve_endpoint",
    posts: 1,
  },
  {
    title: "redirect",
    fault: give(answer(302, "", ["location: http://127.0.0.1:1/"])),
    code: "upstream_redirected",
    posts: 1,
  },
  { title: "400 out of memory", fault: hop("outOfMemory"), code: "out_of_memory", posts: 2 },
  { title: "404", fault: hop("wrongRoute"), code: "not_a_kserve_endpoint", posts: 1 },
  { title: "429", fault: give(answer(429, "")), code: "upstream_busy", posts: ALL },
  {
    title: "429 with Retry-After",
    fault: give(answer(429, "", ["retry-after: 7"])),
    code: "upstream_busy",
    posts: ALL,
  },
  {
    title: "429 with a Retry-After beyond the deadline",
    fault: give(answer(429, "", ["retry-after: 86400"])),
    code: "upstream_busy",
    posts: 1,
  },
  { title: "500", fault: give(answer(500, `{"error":"RuntimeError : x"}`)), code: "upstream_error", posts: 1 },
  { title: "502", fault: hop("proxyEof"), code: "upstream_connection_lost", posts: 1 },
  { title: "503", fault: give(answer(503, "")), code: "upstream_unavailable", posts: ALL },
  { title: "504", fault: hop("envoyTimeout"), code: "upstream_timeout", posts: 1 },
  { title: "HTTP/1.0 close", fault: giveAndClose(answer(200, PICTURE, [], "1.0")), code: undefined, posts: 1 },
  {
    title: "HTTP/1.0 close in the middle",
    fault: giveAndClose(answer(200, PICTURE.slice(0, -99), [], "1.0")),
    code: "upstream_connection_lost",
    posts: 1,
  },
];

class FaultServer implements AsyncDisposable {
  readonly sockets = new Set<Socket>();
  posts = 0;
  readonly #fault: Fault;
  readonly #server: Server;

  constructor(fault: Fault) {
    this.#fault = fault;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when every connection has ended on this side. */
  async waitForNoSockets(): Promise<void> {
    await Promise.all([...this.sockets].map(async (socket) => eventOf(socket, "close")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("error", () => undefined);
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      const end = received.indexOf("\r\n\r\n") + 4;
      if (end === 3) return;
      const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
      if (received.length < end + length) return;
      const isJob = received.startsWith("POST");
      received = "";
      if (!isJob) {
        socket.write(READY);
        return;
      }
      this.posts += 1;
      void this.#fault(socket);
    });
  }
}

/** Moves the clock until the work is done, slowly enough for the sockets. */
async function moveUntil(clock: FakeClock, work: Promise<unknown>): Promise<void> {
  const state = { isDone: false };
  void work.finally(() => {
    state.isDone = true;
  });
  while (!state.isDone) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    await clock.advance(500);
  }
}

async function suffer({ fault, code, posts, isSilent }: FaultCase, clock: FakeClock): Promise<void> {
  await using server = new FaultServer(fault === "refuse" ? () => undefined : fault);
  const endpoint = await server.listen();
  if (fault === "refuse") await server[Symbol.asyncDispose]();
  const client = new KServeClient({
    endpoint,
    modelName: "model",
    protocol: "v1",
    clock,
    timeoutSeconds: 20,
    deadlineSeconds: DEADLINE_SECONDS,
    maxRetries: RETRIES,
    maxImageBytes: MAX_IMAGE_BYTES,
  });
  const startedAtMs = clock.monotonicMs();
  const work = client.generateImage(
    { prompt: "x", width: 64, height: 64 },
    {
      onProgress: (event) => {
        if (event.phase === "retrying") void clock.advance(event.delayMs);
      },
    },
  );
  const outcome = code === undefined ? work.then(() => undefined) : failureOf(work).then((error) => error.code);
  if (isSilent) await moveUntil(clock, outcome);
  assert.equal(await outcome, code);
  assert.equal(server.posts, posts);
  const seconds = (clock.monotonicMs() - startedAtMs) / 1000;
  assert.equal(seconds <= DEADLINE_SECONDS + 1, true, `it took ${seconds} s`);
  await client.close();
  await server.waitForNoSockets();
  assert.equal(clock.sleepers, 0);
}

// Proves: KSERVE-3
suite("KServeClient, faults of a model server", () => {
  for (const faultCase of FAULTS) {
    test(`${faultCase.title}: ${faultCase.code ?? "a picture"} after ${faultCase.posts} jobs`, async () => {
      const clock = createFakeClock();
      for (let round = 0; round < ROUNDS; round++) await suffer(faultCase, clock);
    });
  }

  test("leave no memory behind", { skip: !IS_PROOF }, async () => {
    const clock = createFakeClock();
    const measure = async (): Promise<number> => {
      for (const faultCase of FAULTS) {
        for (let round = 0; round < 5; round++) await suffer(faultCase, clock);
      }
      globalThis.gc?.();
      await new Promise(setImmediate);
      globalThis.gc?.();
      return process.memoryUsage().heapUsed;
    };
    assert.equal(typeof globalThis.gc, "function", "run it with --expose-gc");
    await measure();
    const before = await measure();
    const after = await measure();
    assert.equal(Math.abs(after / before - 1) <= 0.1, true, `${before} bytes became ${after}`);
  });
});

test("KServeClient destroys the connection of a cancelled job at once", async () => {
  for (const fault of [() => undefined, give(answer(200, PICTURE.slice(0, 99), ["content-length: 9999"]))]) {
    const arrived = Promise.withResolvers<Socket>();
    await using server = new FaultServer(async (socket) => {
      await fault(socket);
      arrived.resolve(socket);
    });
    const clock = createFakeClock();
    await using client = new KServeClient({
      endpoint: await server.listen(),
      modelName: "model",
      protocol: "v1",
      clock,
    });
    const caller = new AbortController();
    const work = failureOf(client.generateImage({ prompt: "x" }, { signal: caller.signal }));
    const socket = await arrived.promise;
    const closed = eventOf(socket, "close");
    caller.abort();
    assert.equal((await work).code, "cancelled");
    await closed;
    assert.equal(clock.monotonicMs(), 0);
    assert.equal(server.posts, 1);
  }
});
