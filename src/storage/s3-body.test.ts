import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { createSampleImage } from "../testing/sample-images.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";
import { S3Body } from "./s3-body.ts";

const BYTES = createSampleImage(10_000);
const { signal: NEVER } = new AbortController();

interface Opened {
  readonly body: S3Body;
  readonly streams: Readable[];
  /** Where each further request began. */
  readonly positions: number[];
}

function openBody({ breaksAfter = Infinity, idleMs = 60_000 } = {}): Opened {
  const streams: Readable[] = [];
  const positions: number[] = [];
  const open = (position: number): Readable => {
    const stream = Readable.from(readFrom(position, breaksAfter), { highWaterMark: 1 });
    streams.push(stream);
    return stream;
  };
  const reopen = async (position: number): Promise<Readable> => {
    positions.push(position);
    return open(position);
  };
  return { body: new S3Body({ first: open(0), reopen, idleMs }), streams, positions };
}

function* readFrom(position: number, breaksAfter: number): Generator<Uint8Array> {
  for (let at = position; at < BYTES.length; at += 700) {
    if (at - position >= breaksAfter) throw new Error("The connection broke");
    yield BYTES.subarray(at, at + 700);
  }
}

describe("S3Body.read()", () => {
  it("reads in order from one request, and asks anew for another place", async () => {
    const { body, streams, positions } = openBody();
    for (const [start, end] of [
      [0, 1_000],
      [1_000, 1_001],
      [1_001, 5_000],
      [200, 300],
      [300, 10_000],
    ] as const) {
      const part = Buffer.alloc(end - start);
      assert.equal(await body.read(part, start, NEVER), part.length);
      assertSameBytes(part, BYTES.subarray(start, end));
    }
    assert.deepEqual(positions, [200]);
    assert.equal(streams[0]?.destroyed, true);
    assert.equal(await body.read(Buffer.alloc(5), 10_000, NEVER), 0);
    body.close();
  });

  it("goes on behind a break, as often as something arrives between two", async () => {
    const { body, positions } = openBody({ breaksAfter: 1_400 });
    const whole = Buffer.alloc(BYTES.length);
    assert.equal(await body.read(whole, 0, NEVER), BYTES.length);
    assertSameBytes(whole, BYTES);
    assert.deepEqual(positions, [1_400, 2_800, 4_200, 5_600, 7_000, 8_400, 9_800]);
    body.close();
  });

  it("gives up when three requests in a row bring nothing", async () => {
    const { body, positions } = openBody({ breaksAfter: 0 });
    await assert.rejects(body.read(Buffer.alloc(10), 0, NEVER), /connection broke/);
    assert.deepEqual(positions, [0, 0]);
    body.close();
  });

  it("gives its connection back while nobody reads, and goes on with another", async () => {
    const { body, streams, positions } = openBody({ idleMs: 1 });
    const part = Buffer.alloc(1_000);
    await body.read(part, 0, NEVER);
    const [stream] = streams;
    assert.ok(stream);
    if (!stream.destroyed) await once(stream, "close");
    await body.read(part, 1_000, NEVER);
    assertSameBytes(part, BYTES.subarray(1_000, 2_000));
    assert.deepEqual(positions, [1_000]);
    body.close();
  });

  it("rejects with the reason of its signal, and frees the connection", async () => {
    const stream = new Readable({ read: () => undefined });
    const body = new S3Body({ first: stream, reopen: async () => stream });
    const controller = new AbortController();
    const reading = body.read(Buffer.alloc(10), 0, controller.signal);
    controller.abort(new Error("too late"));
    await assert.rejects(reading, /too late/);
    assert.equal(stream.destroyed, true);
    body.close();
    body.close();
  });
});
