import assert from "node:assert/strict";
import { inflateSync } from "node:zlib";
import { test } from "node:test";
import fc from "fast-check";
import { MCPImageError } from "./errors.ts";
import { createPngChunk, encodePng, readPngChunks } from "./png.ts";
import { verifyImage } from "./verify-image.ts";

const small = encodePng({ width: 3, height: 2, rgb: Uint8Array.from({ length: 18 }, (_, i) => i * 14) });

function reasonOf(bytes: Uint8Array): string {
  try {
    verifyImage(bytes);
  } catch (error) {
    assert.ok(error instanceof MCPImageError);
    assert.equal(error.code, "image_invalid");
    return String(error.details["reason"]);
  }
  return "accepted";
}

/** A JPEG's markers in order: SOI, SOF0, SOS with entropy-coded data, EOI. */
function createJpeg(): Buffer {
  const frame = [0xff, 0xc0, 0, 11, 8, 0, 5, 0, 9, 1, 1, 0x11, 0];
  const scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 1, 2, 0xff, 0, 3, 0xff, 0xd0, 4];
  return Buffer.from([0xff, 0xd8, ...frame, ...scan, 0xff, 0xd9]);
}

/** A WebP with one lossless chunk of 4 x 3 pixels. */
function createWebp(): Buffer {
  const data = Buffer.alloc(6);
  data[0] = 0x2f;
  data.writeUInt32LE(3 | (2 << 14), 1);
  const chunk = Buffer.concat([Buffer.from("VP8L"), Buffer.from([6, 0, 0, 0]), data]);
  const header = Buffer.from("RIFF....WEBP");
  header.writeUInt32LE(chunk.length + 4, 4);
  return Buffer.concat([header, chunk]);
}

/** The pixels of an RGB PNG that `encodePng` wrote. */
function decodePng(bytes: Buffer, width: number, height: number): Uint8Array {
  const chunk = readPngChunks(bytes).find(({ type }) => type === "IDAT");
  assert.ok(chunk);
  const rows = inflateSync(bytes.subarray(chunk.dataStart, chunk.dataStart + chunk.dataLength));
  const stride = width * 3;
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)];
    for (let i = 0; i < stride; i++) {
      const left = filter === 1 && i >= 3 ? (out[y * stride + i - 3] ?? 0) : 0;
      const above = filter === 2 && y > 0 ? (out[(y - 1) * stride + i] ?? 0) : 0;
      out[y * stride + i] = (rows[y * (stride + 1) + 1 + i] ?? 0) + left + above;
    }
  }
  return out;
}

test("encodePng() writes pixels that a decoder gives back", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.infiniteStream(fc.nat(255)),
      (width, height, values) => {
        const rgb = Uint8Array.from({ length: width * height * 3 }, () => Number(values.next().value));
        const bytes = encodePng({ width, height, rgb });
        assert.deepEqual(verifyImage(bytes), { format: "png", width, height });
        assert.deepEqual(decodePng(bytes, width, height), rgb);
      },
    ),
    { numRuns: 200 },
  );
});

test("encodePng() refuses a buffer of the wrong length", () => {
  assert.throws(() => encodePng({ width: 2, height: 2, rgb: new Uint8Array(11) }), RangeError);
});

test("verifyImage() refuses every truncation of a PNG", () => {
  for (let length = 0; length < small.length; length++) {
    assert.notEqual(reasonOf(small.subarray(0, length)), "accepted", `${length} bytes`);
  }
});

test("verifyImage() refuses every flipped bit of a PNG", () => {
  for (let bit = 0; bit < small.length * 8; bit++) {
    const damaged = Buffer.from(small);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.notEqual(reasonOf(damaged), "accepted", `bit ${bit}`);
  }
});

test("verifyImage() refuses a PNG with a page behind its end", () => {
  const polyglot = Buffer.concat([small, Buffer.from("<script>alert(1)</script>")]);
  assert.equal(reasonOf(polyglot), "there is data behind the end of the picture");
});

test("verifyImage() refuses a PNG without pixels and one without a header", () => {
  const end = createPngChunk("IEND", new Uint8Array(0));
  assert.equal(reasonOf(Buffer.concat([small.subarray(0, 33), end])), "the picture has no pixels");
  assert.equal(reasonOf(Buffer.concat([small.subarray(0, 8), small.subarray(33)])), "the header chunk is missing");
});

test("verifyImage() refuses what is no picture", () => {
  for (const text of ["", "<svg xmlns='http://www.w3.org/2000/svg'/>", "<html></html>", "GIF89a", "\0"]) {
    assert.equal(reasonOf(Buffer.from(text)), "it is not a PNG, JPEG or WebP file");
  }
});

test("verifyImage() reads a JPEG to its end marker, over stuffed zeros and restart markers", () => {
  const jpeg = createJpeg();
  assert.deepEqual(verifyImage(jpeg), { format: "jpeg", width: 9, height: 5 });
  for (let length = 3; length < jpeg.length; length++) {
    assert.notEqual(reasonOf(jpeg.subarray(0, length)), "accepted", `${length} bytes`);
  }
  assert.equal(reasonOf(Buffer.concat([jpeg, Buffer.from("x")])), "there is data behind the end of the picture");
});

test("verifyImage() reads a WebP to the end of its container", () => {
  const webp = createWebp();
  assert.deepEqual(verifyImage(webp), { format: "webp", width: 4, height: 3 });
  for (let length = 12; length < webp.length; length++) {
    assert.notEqual(reasonOf(webp.subarray(0, length)), "accepted", `${length} bytes`);
  }
  assert.equal(reasonOf(Buffer.concat([webp, Buffer.from("x")])), "there is data behind the end of the picture");
});

test("verifyImage() throws nothing but image_invalid for any bytes behind a known magic", () => {
  const magic = fc.constantFrom(small.subarray(0, 8), Buffer.from([0xff, 0xd8, 0xff]), Buffer.from("RIFF\0\0\0\0WEBP"));
  fc.assert(
    fc.property(magic, fc.uint8Array({ maxLength: 200 }), (head, tail) => {
      assert.notEqual(reasonOf(Buffer.concat([head, tail])), "");
    }),
    { numRuns: 2000 },
  );
});
