import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { createSampleImage } from "../src/testing/sample-images.ts";
import { parseJson, startServer, type TestServer } from "./http-support.ts";

const SIZE = 2_000;
const PICTURE = createSampleImage(SIZE);
const ETAG = `"${createHash("sha256").update(PICTURE).digest("hex")}"`;
const OTHER = `"${"0".repeat(64)}"`;
const SAVED = "Thu, 01 Jan 2026 00:00:00 GMT";
const EARLIER = "Wed, 31 Dec 2025 23:59:59 GMT";
const LATER = "Thu, 01 Jan 2026 00:00:01 GMT";

type Headers = Record<string, string>;
type Expected = 200 | 304 | 412 | 416 | readonly [start: number, end: number];

/** What RFC 9110 says for a picture of 2,000 bytes: a status, or the range of a 206. */
const CASES: readonly (readonly [Headers, Expected])[] = [
  [{}, 200],
  // If-None-Match, section 13.1.2: weak comparison, lists, the star.
  [{ "if-none-match": ETAG }, 304],
  [{ "if-none-match": `W/${ETAG}` }, 304],
  [{ "if-none-match": "*" }, 304],
  [{ "if-none-match": ` ${ETAG} ` }, 304],
  [{ "if-none-match": OTHER }, 200],
  [{ "if-none-match": `W/${OTHER}` }, 200],
  [{ "if-none-match": `${OTHER}, ${ETAG}` }, 304],
  [{ "if-none-match": `${OTHER},W/${ETAG},"x"` }, 304],
  [{ "if-none-match": `"a,b", ${ETAG}` }, 304],
  [{ "if-none-match": `${OTHER}, "x"` }, 200],
  [{ "if-none-match": ETAG.slice(1, -1) }, 200],
  [{ "if-none-match": ETAG.toUpperCase() }, 200],
  [{ "if-none-match": '""' }, 200],
  [{ "if-none-match": "" }, 200],
  [{ "if-none-match": "garbage" }, 200],
  // If-Modified-Since, section 13.1.3: only without If-None-Match, only as a valid date.
  [{ "if-modified-since": SAVED }, 304],
  [{ "if-modified-since": LATER }, 304],
  [{ "if-modified-since": EARLIER }, 200],
  [{ "if-modified-since": "Thursday, 01-Jan-26 00:00:00 GMT" }, 304],
  [{ "if-modified-since": "Thu Jan  1 00:00:00 2026" }, 304],
  [{ "if-modified-since": "Wed Dec 31 23:59:59 2025" }, 200],
  [{ "if-modified-since": "2026-01-01T00:00:00Z" }, 200],
  [{ "if-modified-since": "yesterday" }, 200],
  [{ "if-modified-since": "0" }, 200],
  [{ "if-none-match": OTHER, "if-modified-since": LATER }, 200],
  [{ "if-none-match": ETAG, "if-modified-since": EARLIER }, 304],
  // If-Match, section 13.1.1: strong comparison; before all others.
  [{ "if-match": ETAG }, 200],
  [{ "if-match": "*" }, 200],
  [{ "if-match": `${OTHER}, ${ETAG}` }, 200],
  [{ "if-match": OTHER }, 412],
  [{ "if-match": `W/${ETAG}` }, 412],
  [{ "if-match": OTHER, "if-none-match": ETAG }, 412],
  [{ "if-match": ETAG, "if-none-match": ETAG }, 304],
  // If-Unmodified-Since, section 13.1.4: only without If-Match.
  [{ "if-unmodified-since": SAVED }, 200],
  [{ "if-unmodified-since": LATER }, 200],
  [{ "if-unmodified-since": EARLIER }, 412],
  [{ "if-unmodified-since": "nonsense" }, 200],
  [{ "if-match": ETAG, "if-unmodified-since": EARLIER }, 200],
  // Range, section 14.
  [{ range: "bytes=0-0" }, [0, 0]],
  [{ range: "bytes=0-99" }, [0, 99]],
  [{ range: "bytes=100-199" }, [100, 199]],
  [{ range: "bytes=0-" }, [0, 1_999]],
  [{ range: "bytes=1999-" }, [1_999, 1_999]],
  [{ range: "bytes=1999-1999" }, [1_999, 1_999]],
  [{ range: "bytes=1500-5000" }, [1_500, 1_999]],
  [{ range: "bytes=0-99999999999999999999" }, [0, 1_999]],
  [{ range: "bytes=-1" }, [1_999, 1_999]],
  [{ range: "bytes=-500" }, [1_500, 1_999]],
  [{ range: "bytes=-2000" }, [0, 1_999]],
  [{ range: "bytes=-9999" }, [0, 1_999]],
  [{ range: "BYTES=0-9" }, [0, 9]],
  [{ range: "bytes= 0-9" }, [0, 9]],
  [{ range: "bytes=2000-" }, 416],
  [{ range: "bytes=2000-2100" }, 416],
  [{ range: "bytes=99999999999999999999-" }, 416],
  [{ range: "bytes=-0" }, 416],
  // Not a valid range, several of them, or another unit: as if there were none.
  [{ range: "bytes=5-2" }, 200],
  [{ range: "bytes=" }, 200],
  [{ range: "bytes=-" }, 200],
  [{ range: "bytes=a-b" }, 200],
  [{ range: "bytes=1.5-2" }, 200],
  [{ range: "bytes=0x0-9" }, 200],
  [{ range: "bytes=--1" }, 200],
  [{ range: "bytes 0-9" }, 200],
  [{ range: "items=0-9" }, 200],
  [{ range: "bytes=0-9,20-29" }, 200],
  [{ range: "bytes=0-9, -5" }, 200],
  [{ range: "bytes=0-9,9000-" }, 200],
  [{ range: `bytes=${"0-0,".repeat(500)}0-0` }, 200],
  // If-Range, section 13.1.5: strong comparison, or the exact date.
  [{ range: "bytes=0-9", "if-range": ETAG }, [0, 9]],
  [{ range: "bytes=0-9", "if-range": SAVED }, [0, 9]],
  [{ range: "bytes=0-9", "if-range": OTHER }, 200],
  [{ range: "bytes=0-9", "if-range": `W/${ETAG}` }, 200],
  [{ range: "bytes=0-9", "if-range": LATER }, 200],
  [{ range: "bytes=0-9", "if-range": EARLIER }, 200],
  [{ range: "bytes=9000-", "if-range": OTHER }, 200],
  [{ "if-range": ETAG }, 200],
  // Together, in the order of section 13.2.2.
  [{ range: "bytes=0-9", "if-none-match": ETAG }, 304],
  [{ range: "bytes=0-9", "if-none-match": OTHER }, [0, 9]],
  [{ range: "bytes=9000-", "if-none-match": ETAG }, 304],
  [{ range: "bytes=0-9", "if-match": OTHER }, 412],
  [{ range: "bytes=0-9", "if-modified-since": SAVED }, 304],
  [{ range: "bytes=0-9", "if-unmodified-since": EARLIER }, 412],
];

// Proves: HTTP-11
for (const from of ["memory", "the store"] as const) {
  describe(`GET and HEAD of a picture from ${from}`, () => {
    let server: TestServer;
    let path: string;

    before(async () => {
      server = await startServer({ limits: { cacheRevalidateMs: from === "memory" ? 1_000 : 0 } });
      path = `/images/${await server.save(PICTURE)}`;
      if (from === "memory") await server.get(path);
    });
    after(async () => server[Symbol.asyncDispose]());

    for (const [headers, expected] of CASES) {
      const title = JSON.stringify(headers).slice(0, 120);
      test(`answers GET with ${title} by ${JSON.stringify(expected)}`, async () => {
        const answer = await server.get(path, headers);
        checkAnswer(answer, expected);
      });

      test(`answers HEAD with ${title} as GET without range, and no body`, async () => {
        const answer = await server.call("HEAD", path, headers);
        const { range: _range, "if-range": _ifRange, ...others } = headers;
        const whole = await server.get(path, others);
        assert.equal(answer.status, whole.status);
        assert.equal(answer.body.length, 0);
        assert.equal(answer.headers["content-length"], whole.headers["content-length"]);
        assert.equal(answer.headers.etag, whole.headers.etag);
      });
    }
  });
}

function checkAnswer(answer: Awaited<ReturnType<TestServer["get"]>>, expected: Expected): void {
  const { status, headers, body } = answer;
  if (expected === 412 || expected === 416) {
    assert.equal(status, expected);
    const code = expected === 412 ? "precondition_failed" : "range_not_satisfiable";
    assert.equal(JSON.stringify(parseJson(answer)).startsWith(`{"error":"${code}"`), true);
    assert.equal(headers["content-range"], expected === 416 ? `bytes */${SIZE}` : undefined);
    assert.equal(headers["cache-control"], "no-store");
    return;
  }
  assert.equal(headers.etag, ETAG);
  assert.equal(headers["last-modified"], SAVED);
  assert.equal(headers["cache-control"], "public, max-age=3600, immutable");
  assert.equal(headers["accept-ranges"], "bytes");
  assert.equal(headers["x-content-type-options"], "nosniff");
  if (expected === 304) {
    assert.equal(status, 304);
    assert.equal(body.length, 0);
    assert.equal(headers["content-length"], undefined);
    return;
  }
  assert.equal(headers["content-type"], "image/png");
  const [start, end] = expected === 200 ? [0, SIZE - 1] : expected;
  assert.equal(status, expected === 200 ? 200 : 206);
  assert.equal(headers["content-range"], expected === 200 ? undefined : `bytes ${start}-${end}/${SIZE}`);
  assert.equal(headers["content-length"], String(end - start + 1));
  assert.deepEqual(body, PICTURE.subarray(start, end + 1));
}

// Proves: HTTP-11
test("a picture is cached no longer than it lives, to the second", async () => {
  await using server = await startServer({ ttlSeconds: 100 });
  const path = `/images/${await server.save()}`;
  for (const [afterMs, seconds] of [
    [0, 100],
    [1, 99],
    [58_999, 41],
    [40_999, 0],
  ] as const) {
    await server.clock.advance(afterMs);
    assert.equal((await server.get(path)).headers["cache-control"], `public, max-age=${seconds}, immutable`);
  }
  await server.clock.advance(1);
  assert.equal((await server.get(path)).status, 404);
});

test("a picture that never expires is cached for a year", async () => {
  await using server = await startServer({ ttlSeconds: undefined });
  const path = `/images/${await server.save()}`;
  assert.equal((await server.get(path)).headers["cache-control"], "public, max-age=31536000, immutable");
});

test("a conditional request and HEAD read the record alone", async () => {
  await using server = await startServer();
  const path = `/images/${await server.save(PICTURE)}`;
  server.storage.readImage = async () => {
    throw new Error("The picture was read");
  };
  assert.equal((await server.get(path, { "if-none-match": ETAG })).status, 304);
  assert.equal((await server.get(path, { "if-modified-since": SAVED })).status, 304);
  assert.equal((await server.get(path, { range: "bytes=9000-" })).status, 416);
  assert.equal((await server.call("HEAD", path)).headers["content-length"], String(SIZE));
  assert.equal((await server.get(path)).status, 500);
});
