import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parseImageId } from "../src/core/image-id.ts";
import { parsePicturePath } from "../src/http/picture-route.ts";
import { FileStorage } from "../src/storage/file-storage.ts";
import { HOSTILE_IDS } from "../src/testing/hostile-ids.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import { startServer } from "./http-support.ts";

const RUNS = 10_000;
const BATCH = 50;
/** Lies beside the folder of the store; no answer may hold it. */
const SECRET = "what-lies-outside-the-root";

const PIECES = [
  "..",
  "../",
  "..%2f",
  "%2e%2e/",
  "%252e%252e%252f",
  "..%5c",
  "%00",
  "%0d%0a",
  "%c0%ae%c0%ae/",
  "%",
  "%zz",
  "%ff",
  "*",
  "**/",
  "[a-z]",
  "{a,b}",
  "?",
  "~",
  "$HOME",
  "img_",
  "img_01kdvdna00",
  ".png",
  ".json",
  "/metadata",
  "//",
  ";",
  ":",
  "@",
  "&limit=1&limit=2",
  "cleanup",
  "../canary",
  "canary.png",
  "a".repeat(5_000),
];

/** What may follow on the first line of a request: no spaces, line ends or bytes that HTTP itself refuses. */
const toTarget = (text: string): string =>
  text.replace(/[^\x21-\x7e]/g, (one) => encodeURIComponent(one.toWellFormed()));

const hostileText = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 5 }).map((all) => all.join("")),
  },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
  { weight: 2, arbitrary: fc.stringMatching(/^img_[0-9a-z]{20,28}$/) },
  { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_IDS) },
);

const hostilePath = fc.oneof(
  { weight: 4, arbitrary: hostileText.map((text) => `/images/${toTarget(text)}`) },
  { weight: 1, arbitrary: hostileText.map((text) => `/images/${toTarget(text)}.png`) },
  { weight: 1, arbitrary: hostileText.map((text) => `/images/${toTarget(text)}/metadata`) },
  { weight: 2, arbitrary: hostileText.map((text) => `/images/?prefix=${encodeURIComponent(text.toWellFormed())}`) },
  { weight: 1, arbitrary: hostileText.map((text) => `/images/?prefix=${toTarget(text)}`) },
  { weight: 1, arbitrary: hostileText.map((text) => `/images/?cursor=${toTarget(text)}&limit=${toTarget(text)}`) },
  { weight: 1, arbitrary: hostileText.map((text) => `/${toTarget(text)}`) },
);

const hostileRequest = fc.tuple(fc.constantFrom("GET", "GET", "GET", "DELETE"), hostilePath);

test(`of ${RUNS} hostile ids, prefixes and paths none gets anything, leaves the folder or breaks the server`, async () => {
  const parent = await mkdtemp(join(tmpdir(), "http-hostile-"));
  const basePath = join(parent, "store");
  const storage = new FileStorage({ basePath, baseUrl: "http://127.0.0.1" });
  await using server = await startServer({ storage, ttlSeconds: undefined });
  const kept = await server.save();
  await writeFile(join(parent, "canary.json"), JSON.stringify({ image_id: SECRET }));
  await writeFile(join(parent, "canary.png"), Buffer.concat([createSampleImage(100), Buffer.from(SECRET)]));
  const client = new PipeliningClient(server.port);
  try {
    const requests = fc.sample(hostileRequest, { numRuns: RUNS, seed: 42 });
    const statuses = new Map<number, number>();
    for (let from = 0; from < requests.length; from += BATCH) {
      const batch = requests.slice(from, from + BATCH).filter(([, path]) => !path.includes(kept));
      const answers = await client.send(batch.map(([method, path]) => `${method} ${path}`));
      assert.equal(answers.length, batch.length);
      for (const [index, { status, body }] of answers.entries()) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        const what = JSON.stringify(batch[index]).slice(0, 200);
        const isFine = status === 200 ? isHarmless(body, kept) : [400, 404, 405].includes(status);
        assert.equal(isFine, true, `${status} for ${what}: ${body}`);
        assert.equal(body.includes(SECRET), false, what);
      }
    }
    assert.deepEqual(
      [...statuses.keys()].filter((status) => status >= 500),
      [],
    );
    assert.equal((statuses.get(404) ?? 0) > RUNS / 4, true);
    assert.equal((await server.get(`/images/${kept}`)).status, 200);
  } finally {
    client.close();
    await storage.close();
    await rm(parent, { recursive: true });
  }
});

test("parsePicturePath() gives an id only for texts that are one, encoded at most once", () => {
  fc.assert(
    fc.property(hostilePath, (path) => {
      const name = parsePicturePath(path);
      if (name !== undefined) assert.equal(parseImageId(name.imageId)?.id, name.imageId);
    }),
    { numRuns: RUNS, seed: 42 },
  );
  const id = "img_01kdvdna00jvwb92f6nmfnzsva";
  assert.deepEqual(parsePicturePath(`/images/${id.replace("_", "%5f")}`), { imageId: id, extension: undefined });
  assert.equal(parsePicturePath(`/images/${id.replace("_", "%255f")}`), undefined);
});

interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

/** Sends requests that no well-behaved client can, many at a time over one connection. */
class PipeliningClient {
  readonly #port: number;
  #socket: Socket | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  async send(firstLines: readonly string[]): Promise<readonly RawAnswer[]> {
    const socket = (this.#socket ??= connect(this.#port, "127.0.0.1"));
    socket.write(firstLines.map((line) => `${line} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(""), "latin1");
    const answers: RawAnswer[] = [];
    let received = Buffer.alloc(0);
    while (answers.length < firstLines.length) {
      const chunk = await new Promise<Buffer>((resolve, reject) => {
        socket.once("data", resolve);
        socket.once("close", () => reject(new Error(`The server hung up; it sent: ${received.toString("latin1")}`)));
      });
      socket.removeAllListeners("close");
      received = Buffer.concat([received, chunk]);
      for (let answer = takeAnswer(received); answer !== undefined; answer = takeAnswer(received)) {
        answers.push(answer);
        received = received.subarray(answer.end);
      }
    }
    return answers;
  }

  close(): void {
    this.#socket?.destroy();
  }
}

function takeAnswer(bytes: Buffer): (RawAnswer & { readonly end: number }) | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const head = bytes.toString("latin1", 0, headEnd);
  const bodyStart = headEnd + 4;
  const end = bodyStart + Number(/\r\nContent-Length: (\d+)/i.exec(head)?.[1] ?? 0);
  if (bytes.length < end) return undefined;
  return { status: Number(head.slice(9, 12)), body: bytes.toString("latin1", bodyStart, end), end };
}

/** True for a listing of nothing but the one picture, and for the links at the bare address. */
function isHarmless(body: string, imageId: string): boolean {
  const value: unknown = JSON.parse(body);
  if (!Array.isArray(value)) return body.startsWith('{"name":"mcp-image-server"');
  return value.every((one: { image_id: string }) => one.image_id === imageId);
}
