import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { MCPImageError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { encodePng } from "../core/png.ts";
import { verifyImage } from "../core/verify-image.ts";
import { readPictureAnswer, type AnswerForm, type PictureAnswer } from "./picture-answer.ts";
import { PictureScanner } from "./picture-scanner.ts";

/** The full figure with PROVE=1, a tenth of it in every run. */
const RUNS = process.env["PROVE"] === "1" ? 2000 : 200;
const MAX_IMAGE_BYTES = 64 * 1024;

interface Body {
  readonly bytes: Buffer;
  readonly form: AnswerForm;
}

function read({ bytes, form }: Body): PictureAnswer {
  if (form.jsonBytes !== undefined) return readPictureAnswer({ text: bytes, picture: undefined }, form);
  const scanner = new PictureScanner({ maxImageBytes: MAX_IMAGE_BYTES });
  scanner.write(bytes);
  return readPictureAnswer(scanner.finish(), form);
}

/** The bytes of a picture that is whole, or `undefined` for whatever is none. */
function take(body: Body): Buffer | undefined {
  try {
    const answer = read(body);
    if (answer.kind === "pixels") return encodePng(answer.image);
    if (answer.kind !== "picture") return undefined;
    verifyImage(answer.imageData);
    return answer.imageData;
  } catch (error) {
    // Nothing but our own refusals may come out.
    assert.ok(error instanceof MCPImageError, String(error));
    return undefined;
  }
}

const ofJson = (document: JsonValue): Body => ({ bytes: Buffer.from(JSON.stringify(document)), form: {} });

/** Every way that a file comes in. */
const FILE_SHAPES: readonly ((picture: Buffer, base64: string) => Body)[] = [
  (_, b64) => ofJson({ predictions: [{ prompt: "a cat", image: { format: "PNG", b64 } }] }),
  (_, image_data) => ofJson({ predictions: [{ image_data }] }),
  (_, b64) => ofJson({ predictions: b64 }),
  (_, b64) => ofJson({ instances: [[b64]] }),
  (_, b64) => ofJson({ images: [`data:image/png;base64,${b64}`] }),
  (_, b64_json) => ofJson({ created: 1, data: [{ b64_json, url: null }] }),
  (_, b64) => ofJson({ outputs: [{ name: "o", shape: [1], datatype: "BYTES", data: [b64] }] }),
  (_, b64) =>
    ofJson({ outputs: [{ name: "o", shape: [1], datatype: "FP32", data: [JSON.stringify({ image: b64 })] }] }),
  (_, b64) => ofJson({ step: { predictions: [`b'${b64}'`] }, other: { error: "it broke" } }),
  (_, b64) => ofJson([b64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")]),
  (_, b64) => ofJson({ choices: [{ message: { content: [{ image_url: { url: `data:image/png;base64,${b64}` } }] } }] }),
  (picture) => ofJson({ predictions: [{ image: [...picture] }] }),
  (picture) => ({ bytes: picture, form: {} }),
  (_, b64) => ({
    bytes: Buffer.from(`data: ${JSON.stringify({ type: "image.completed", b64_json: b64 })}\n\n`),
    form: {},
  }),
  (picture) => {
    const output = { name: "o", shape: [1], datatype: "BYTES", parameters: { binary_data_size: picture.length + 4 } };
    const json = Buffer.from(JSON.stringify({ outputs: [output] }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(picture.length);
    return { bytes: Buffer.concat([json, length, picture]), form: { jsonBytes: json.length } };
  },
];

const rgb = fc
  .record({ width: fc.integer({ min: 1, max: 12 }), height: fc.integer({ min: 1, max: 12 }) })
  .chain(({ width, height }) =>
    fc
      .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
      .map((pixels) => ({ width, height, rgb: pixels })),
  );
const picture = rgb.map((image) => encodePng(image));
const shape = fc.constantFrom(...FILE_SHAPES);
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** One thing that goes wrong on the way: a bit, a byte, an end, something more. */
const mutation = fc.record({
  kind: fc.constantFrom("flip", "drop", "insert", "cut", "append", "swap", "repeat"),
  at: place,
  byte: fc.integer({ min: 1, max: 255 }),
});

function mutate(bytes: Buffer, { kind, at, byte }: { kind: string; at: number; byte: number }): Buffer {
  const index = Math.floor(at * bytes.length);
  const copy = Buffer.from(bytes);
  switch (kind) {
    case "flip":
      copy[index] = (copy[index] ?? 0) ^ byte;
      return copy;
    case "drop":
      return Buffer.concat([copy.subarray(0, index), copy.subarray(index + 1)]);
    case "insert":
      return Buffer.concat([copy.subarray(0, index), Buffer.of(byte), copy.subarray(index)]);
    case "cut":
      return copy.subarray(0, index);
    case "append":
      return Buffer.concat([copy, Buffer.of(byte)]);
    case "swap":
      copy.subarray(index).reverse();
      return copy;
    default:
      return Buffer.concat([copy, copy]);
  }
}

// Proves: KSERVE-9
suite(`readPictureAnswer() and verifyImage(), ${RUNS} times each,`, () => {
  test("take every whole picture, in whatever shape it comes, byte for byte", () => {
    fc.assert(
      fc.property(picture, shape, (file, toBody) => {
        assert.deepEqual(take(toBody(file, file.toString("base64"))), file);
      }),
      { numRuns: RUNS },
    );
  });

  test("take every picture of pixels, whole numbers or fractions, as JSON or as bytes", () => {
    fc.assert(
      fc.property(rgb, fc.boolean(), fc.boolean(), (image, isFloat, isBinary) => {
        const { width, height } = image;
        const values = Array.from(image.rgb, (value) => (isFloat ? value + 0.25 : value));
        // Where none is above 1, fractions would mean another scale.
        if (isFloat && Math.max(...values) <= 1.01) return;
        const datatype = isFloat ? "FP32" : "UINT8";
        const output = { name: "o", datatype, shape: [1, height, width, 3] };
        const bytes = isFloat ? Buffer.from(Float32Array.from(values).buffer) : Buffer.from(values);
        const json = Buffer.from(
          JSON.stringify({ outputs: [{ ...output, parameters: { binary_data_size: bytes.length } }] }),
        );
        const body = isBinary
          ? { bytes: Buffer.concat([json, bytes]), form: { jsonBytes: json.length } }
          : ofJson({ outputs: [{ ...output, data: values }] });
        assert.deepEqual(take(body), encodePng(image));
      }),
      { numRuns: RUNS },
    );
  });

  test("take no picture that was damaged before it was sent", () => {
    fc.assert(
      fc.property(picture, shape, mutation, (file, toBody, change) => {
        const damaged = mutate(file, change);
        fc.pre(!damaged.equals(file));
        assert.equal(take(toBody(damaged, damaged.toString("base64"))), undefined);
      }),
      { numRuns: RUNS },
    );
  });

  test("take from an answer that was damaged on the way the picture that was sent, or none", () => {
    fc.assert(
      fc.property(picture, shape, mutation, (file, toBody, change) => {
        const body = toBody(file, file.toString("base64"));
        const taken = take({ ...body, bytes: mutate(body.bytes, change) });
        if (taken !== undefined) assert.deepEqual(taken, file);
      }),
      { numRuns: RUNS },
    );
  });

  test("survive any bytes and any JSON without taking a picture", () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => ({ bytes: Buffer.from(bytes), form: {} })),
      fc
        .uint8Array({ maxLength: 300 })
        .map((bytes) => ({ bytes: Buffer.from(bytes), form: { jsonBytes: bytes.length >> 1 } })),
      fc.jsonValue({ maxDepth: 8 }).map((document) => ofJson(document as JsonValue)),
    );
    fc.assert(
      fc.property(anything, (body) => {
        // Lists of numbers may be pixels by chance.
        if (read(body).kind !== "pixels") assert.equal(take(body), undefined);
      }),
      { numRuns: RUNS },
    );
  });
});
