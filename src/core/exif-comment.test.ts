import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createExifComment, readExifComment } from "./exif-comment.ts";

test("readExifComment() gives back what createExifComment() wrote", () => {
  for (const text of ["", "a fox", "東京 🎈\nSteps: 20"]) assert.equal(readExifComment(createExifComment(text)), text);
});

test("createExifComment() writes a big-endian folder with a comment in UTF-16", () => {
  assert.equal(
    createExifComment("A").toString("hex"),
    "4d4d002a00000008" +
      "0001" +
      "8769" +
      "0004" +
      "00000001" +
      "0000001a" +
      "00000000" +
      "0001" +
      "9286" +
      "0007" +
      "0000000a" +
      "0000002c" +
      "00000000" +
      "554e49434f444500" +
      "0041",
  );
});

test("readExifComment() reads little-endian data, and comments in ASCII", () => {
  const little = Buffer.from(
    "49492a0008000000" +
      "0100" +
      "6987" +
      "0400" +
      "01000000" +
      "1a000000" +
      "00000000" +
      "0200" +
      "0390" +
      "0200" +
      "14000000" +
      "00000000" +
      "8692" +
      "0700" +
      "0a000000" +
      "38000000" +
      "00000000",
    "hex",
  );
  const text = (comment: Buffer): string | undefined => readExifComment(Buffer.concat([little, comment]));
  assert.equal(text(Buffer.from("554e49434f4445004100", "hex")), "A");
  assert.equal(text(Buffer.from("ASCII\0\0\0hi", "latin1")), "hi");
  assert.equal(text(Buffer.from("JIS\0\0\0\0\0hi", "latin1")), undefined);
});

test("readExifComment() gives nothing or a text for data that is damaged in any way", () => {
  const whole = createExifComment("a fox in the snow");
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(whole.length),
      (changes, length) => {
        const damaged = Buffer.from(whole.subarray(0, length));
        for (const [at, value] of changes) if (at < length) damaged[at] = value;
        const text = readExifComment(damaged);
        assert.ok(text === undefined || text.length <= whole.length);
      },
    ),
  );
});
