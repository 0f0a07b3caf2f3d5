import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { ID_ALPHABET, createImageId, encodeTime, parseImageId } from "./image-id.ts";
import type { Random } from "./random.ts";

const MAX_TIME_MS = 2 ** 48 - 1;
const time = fc.integer({ min: 0, max: MAX_TIME_MS });
const randomBytes = fc.uint8Array({ minLength: 10, maxLength: 10 });

function fixedRandom(bytes: Uint8Array): Random {
  return {
    bytes: (count) => {
      assert.equal(count, bytes.length);
      return bytes;
    },
    uint32: () => 0,
    fraction: () => 0,
  };
}

describe("createImageId()", () => {
  test("puts 48 bits of time and 80 random bits into 26 characters", () => {
    assert.equal(createImageId(0, fixedRandom(new Uint8Array(10))), "img_00000000000000000000000000");
    assert.equal(
      createImageId(MAX_TIME_MS, fixedRandom(new Uint8Array(10).fill(255))),
      "img_7zzzzzzzzzzzzzzzzzzzzzzzzz",
    );
    assert.equal(
      createImageId(1_469_918_176_385, fixedRandom(Uint8Array.of(1, 35, 69, 103, 137, 171, 205, 239, 1, 35))),
      "img_01aryz6s4104hmasw9nf6yy093",
    );
  });

  test("makes ids that parse, with the time they were made at", () => {
    fc.assert(
      fc.property(time, randomBytes, (createdAtMs, bytes) => {
        const id = createImageId(createdAtMs, fixedRandom(bytes));
        assert.match(id, /^img_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
        assert.deepEqual(parseImageId(id), { kind: "current", id, createdAtMs });
      }),
    );
  });

  test("makes different ids of different random bits", () => {
    fc.assert(
      fc.property(time, randomBytes, randomBytes, (createdAtMs, a, b) => {
        const equal = createImageId(createdAtMs, fixedRandom(a)) === createImageId(createdAtMs, fixedRandom(b));
        assert.equal(equal, Buffer.compare(a, b) === 0);
      }),
    );
  });

  test("makes ids whose order as text is the order of their times", () => {
    fc.assert(
      fc.property(time, time, randomBytes, randomBytes, (timeA, timeB, bytesA, bytesB) => {
        fc.pre(timeA < timeB);
        assert.ok(createImageId(timeA, fixedRandom(bytesA)) < createImageId(timeB, fixedRandom(bytesB)));
      }),
    );
  });

  test("draws fresh bits from the machine for every id", () => {
    const ids = new Set(Array.from({ length: 1_000 }, () => createImageId(1)));
    assert.equal(ids.size, 1_000);
  });
});

test("encodeTime() keeps the order of times", () => {
  fc.assert(
    fc.property(time, time, (a, b) => {
      assert.equal(
        Math.sign(encodeTime(a) < encodeTime(b) ? -1 : Number(encodeTime(a) > encodeTime(b))),
        Math.sign(a - b),
      );
    }),
  );
});

test("ID_ALPHABET is Crockford's, in lower case and in order", () => {
  assert.equal(ID_ALPHABET, "0123456789abcdefghjkmnpqrstvwxyz");
  assert.equal(ID_ALPHABET.split("").sort().join(""), ID_ALPHABET);
});

describe("parseImageId()", () => {
  const id = "img_01aryz6s4104hmasw9nf6yy093";
  const uuid = "0b8f9c1e-5d6a-4f3b-9a2c-1d2e3f405162";

  test("knows ids of the earlier flat layout, with and without img_", () => {
    for (const legacy of [uuid, `img_${uuid}`]) assert.deepEqual(parseImageId(legacy), { kind: "legacy", id: legacy });
  });

  test("gives undefined for hostile and near texts", () => {
    const hostile = [
      "",
      "img_",
      id.toUpperCase(),
      id.slice(0, -1),
      `${id}0`,
      `${id}\n`,
      `\n${id}`,
      ` ${id}`,
      `${id}\0`,
      `${id}.png`,
      `${id}/..`,
      `../${id}`,
      `..\\${id}`,
      `%2e%2e%2f${id}`,
      id.replace("img_0", "img_8"),
      id.replace("4104h", "4104i"),
      id.replace("4104h", "4104l"),
      id.replace("4104h", "4104o"),
      id.replace("4104h", "4104u"),
      id.replace("4104h", "4104-"),
      id.replace("img_", "img-"),
      id.replace("img_", "IMG_"),
      id.replace("1", "１"),
      uuid.toUpperCase(),
      uuid.replaceAll("-", ""),
      `{${uuid}}`,
      `urn:uuid:${uuid}`,
      `img_img_${uuid}`,
      `${uuid}\n`,
      "__proto__",
      "constructor",
      "x".repeat(1_000_000),
    ];
    for (const text of hostile) assert.equal(parseImageId(text), undefined, JSON.stringify(text.slice(0, 60)));
  });

  test("is total, and what it accepts is safe in a path, a key and a URL", () => {
    const pieces = fc.constantFrom(
      "img_",
      "0",
      "7",
      "8",
      "z",
      "i",
      "-",
      "/",
      "..",
      "\\",
      "%2f",
      "\0",
      "\n",
      "é",
      uuid,
      id.slice(4),
      id,
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: pieces, maxLength: 4 })), (text) => {
        const parsed = parseImageId(text);
        if (parsed === undefined) return;
        assert.equal(parsed.id, text);
        assert.match(text, /^[0-9a-z_-]{30,40}$/);
        assert.equal(encodeURIComponent(text), text);
      }),
      { numRuns: 2_000 },
    );
  });
});
