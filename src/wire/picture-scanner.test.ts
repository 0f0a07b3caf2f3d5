import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { KServeError } from "../core/errors.ts";
import { decodeBase64 } from "./base64.ts";
import { PictureScanner, type ScannedBody } from "./picture-scanner.ts";
import { readPictureAnswer } from "./picture-answer.ts";

const MAX_IMAGE_BYTES = 1024 * 1024;

/** A body cut at these places, written piece by piece. */
function scan(body: string | Buffer, cuts: readonly number[] = [], maxImageBytes = MAX_IMAGE_BYTES): ScannedBody {
  const bytes = Buffer.from(body as string);
  const scanner = new PictureScanner({ maxImageBytes });
  let start = 0;
  for (const cut of [...cuts].map((value) => value % (bytes.length + 1)).sort((a, b) => a - b)) {
    scanner.write(bytes.subarray(start, cut));
    start = cut;
  }
  scanner.write(bytes.subarray(start));
  return scanner.finish();
}

function toBody(base64: string, prompt = "a cat"): string {
  return JSON.stringify({ predictions: [{ prompt, image: { format: "PNG", b64: base64 }, steps: 4 }] });
}

const cuts = fc.array(fc.nat({ max: 4096 }), { maxLength: 40 });

/** Base64, mostly with something wrong. */
const character = fc.constantFrom("A", "B", "x", "y", "0", "9", "+", "/", "=", "-", "_", " ", "\n", "\u00e9", "\u0141");
const almostBase64 = fc.oneof(
  fc.string({ unit: character, minLength: 0, maxLength: 60 }),
  fc
    .tuple(fc.uint8Array({ minLength: 30, maxLength: 90 }), fc.nat({ max: 100 }), character)
    .map(([bytes, at, wrong]) => {
      const text = Buffer.from(bytes).toString("base64");
      return text.slice(0, at % text.length) + wrong + text.slice((at % text.length) + 1);
    }),
);

suite("PictureScanner", () => {
  test("gives the same bytes as JSON.parse and strict base64, however the body is cut", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.string(), cuts, (picture, prompt, places) => {
        const base64 = Buffer.from(picture).toString("base64");
        const scanned = scan(toBody(base64, prompt), places);
        assert.deepEqual(scanned.picture, Buffer.from(picture));
        const document = JSON.parse(scanned.text.toString()) as { predictions: [{ prompt: string; steps: number }] };
        assert.equal(document.predictions[0].prompt, prompt);
        assert.equal(document.predictions[0].steps, 4);
      }),
    );
  });

  test("takes a picture exactly when strict base64 does, whatever the text", () => {
    fc.assert(
      fc.property(almostBase64, cuts, (text, places) => {
        const body = toBody(text);
        const scanned = scan(body, places);
        assert.deepEqual(scanned.picture, decodeBase64(text));
        if (scanned.picture === undefined) assert.equal(scanned.text.toString(), body);
      }),
      { numRuns: 1000 },
    );
  });

  test("finds the key behind any spaces and ignores one that a text contains", () => {
    const picture = Buffer.from("a picture of bytes");
    const base64 = picture.toString("base64");
    const spaced = `{ "predictions" : [ { "x\\"b64" : "AAAA", "image" : { "b64"\n :\t"${base64}" } } ] }`;
    for (let cut = 0; cut < spaced.length; cut++) assert.deepEqual(scan(spaced, [cut]).picture, picture);
  });

  test("leaves escaped slashes to the tolerant decoder, which finds the same bytes", () => {
    const picture = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(90, 0xff)]);
    const body = toBody(picture.toString("base64")).replaceAll("/", "\\/");
    for (let cut = 0; cut < body.length; cut++) {
      const scanned = scan(body, [cut]);
      assert.equal(scanned.text.toString(), body);
      const answer = readPictureAnswer(scanned);
      assert.deepEqual(answer.kind === "picture" && answer.imageData, picture);
    }
  });

  test("leaves a picture whose end is missing to the tolerant decoder", () => {
    const body = toBody(Buffer.alloc(60).toString("base64")).slice(0, 80);
    const scanned = scan(body, [70]);
    assert.equal(scanned.picture, undefined);
    assert.equal(scanned.text.toString(), body);
    assert.deepEqual(readPictureAnswer(scanned), { kind: "cut_off" });
  });

  test("does not look for the key behind the first 64 KiB", () => {
    const picture = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(60)]);
    const body = toBody(picture.toString("base64"), "x".repeat(70_000));
    const scanned = scan(body, [66_000]);
    assert.equal(scanned.picture, undefined);
    const answer = readPictureAnswer(scanned);
    assert.deepEqual(answer.kind === "picture" && answer.imageData, picture);
  });

  test("refuses a picture above the limit before it has arrived", () => {
    const atLimit = Buffer.alloc(300, 1);
    assert.deepEqual(scan(toBody(atLimit.toString("base64")), [200], 300).picture, atLimit);
    const scanner = new PictureScanner({ maxImageBytes: 300 });
    const tooLarge = toBody(Buffer.alloc(900).toString("base64")).slice(0, 700);
    assert.throws(
      () => scanner.write(Buffer.from(tooLarge)),
      (error) => error instanceof KServeError && error.code === "image_too_large",
    );
  });
});

suite("decodeBase64()", () => {
  test("gives undefined for a wrong alphabet, length or padding", () => {
    for (const text of [
      "A",
      "AA",
      "AAA",
      "A===",
      "====",
      "AA=A",
      "AA==AAAA",
      "AA-A",
      "AA_A",
      "AA A",
      "AAA!",
      "\u0141AAA",
    ]) {
      assert.equal(decodeBase64(text), undefined, text);
    }
  });

  test("agrees with the grammar of RFC 4648 about every text", () => {
    const grammar = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
    fc.assert(
      fc.property(almostBase64, (text) => {
        assert.deepEqual(decodeBase64(text), grammar.test(text) ? Buffer.from(text, "base64") : undefined);
      }),
      { numRuns: 1000 },
    );
  });
});
