import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { JsonValue } from "../core/json.ts";
import { encodePng } from "../core/png.ts";
import { parseErrorText } from "./error-text.ts";
import { parseJson } from "./parse-json.ts";
import { readPictureAnswer, type AnswerForm, type PictureAnswer } from "./picture-answer.ts";
import { PictureScanner } from "./picture-scanner.ts";

/** As much of a JPEG as tells what it is; its base64 has both characters that the two alphabets write differently. */
const PICTURE = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(80, 0xfb), Buffer.from([0xff])]);
const BASE64 = PICTURE.toString("base64");
const URL_SAFE = BASE64.replaceAll("+", "-").replaceAll("/", "_");
const DATA_URL = `data:image/jpeg;base64,${BASE64}`;
/** 2 × 1 pixels. */
const RGB = [255, 0, 128, 1, 2, 3];

function read(body: JsonValue | Buffer, form: AnswerForm = {}): PictureAnswer {
  const scanner = new PictureScanner({ maxImageBytes: 10_000 });
  scanner.write(Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body)));
  return readPictureAnswer(scanner.finish(), form);
}

/** An answer of the binary tensor data extension. */
function toBinary(outputs: readonly (readonly [object, Buffer])[], more: object = {}): [Buffer, AnswerForm] {
  const listed = outputs.map(([output, bytes]) => ({ ...output, parameters: { binary_data_size: bytes.length } }));
  const json = Buffer.from(JSON.stringify({ model_name: "m", outputs: listed, ...more }));
  return [Buffer.concat([json, ...outputs.map(([, bytes]) => bytes)]), { jsonBytes: json.length }];
}

function toElement(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function toFloats(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes;
}

/** The same numbers as binary16: the bits of a float of 32, whose exponent and fraction are cut. */
function toHalves(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) {
    const bits = toFloats([value]).readUInt32LE();
    const exponent = ((bits >>> 23) & 0xff) - 112;
    const half = exponent <= 0 ? 0 : (exponent << 10) | ((bits >>> 13) & 0x3ff);
    bytes.writeUInt16LE(((bits >>> 16) & 0x8000) | half, index * 2);
  }
  return bytes;
}

function toBfloats(values: readonly number[]): Buffer {
  const floats = toFloats(values);
  return Buffer.concat(values.map((_, index) => floats.subarray(index * 4 + 2, index * 4 + 4)));
}

function toDoubles(values: readonly number[]): Buffer {
  return Buffer.from(Float64Array.from(values).buffer);
}

/** Pixel by pixel to colour by colour. */
function toPlanes(values: readonly number[]): number[] {
  return [0, 1, 2].flatMap((channel) => values.filter((_, index) => index % 3 === channel));
}

function toEvents(...documents: JsonValue[]): Buffer {
  return Buffer.from(documents.map((document) => `data: ${JSON.stringify(document)}\n\n`).join(""));
}

// Proves: KSERVE-9
suite("readPictureAnswer() finds the picture in", () => {
  const shapes: [string, JsonValue | Buffer, AnswerForm?][] = [
    ["predictions[0].image.b64", { predictions: [{ image: { format: "PNG", b64: BASE64 } }] }],
    ["predictions[0].image_data", { predictions: [{ image_data: BASE64 }] }],
    ["predictions[0].image_b64", { predictions: [{ image_b64: BASE64 }] }],
    ["predictions[0] as text", { predictions: [BASE64] }],
    ["predictions as text", { predictions: BASE64 }],
    ["predictions[0][0]", { predictions: [[BASE64]] }],
    ["predictions as an object", { predictions: { image: { b64: BASE64 } } }],
    ["instances as text", { instances: BASE64 }],
    ["images", { images: [BASE64], parameters: {} }],
    ["images as data URLs", { images: [DATA_URL] }],
    ["a data URL with parameters", { images: [DATA_URL.replace(";base64", ";charset=utf-8;name=a.jpg;base64")] }],
    ["data as text beside the prompt", { prompt: "a long prompt that is no base64 at all", data: BASE64 }],
    ["data[0].b64_json", { created: 1, data: [{ b64_json: BASE64, url: null, revised_prompt: null }] }],
    ["an answer of a chat", { choices: [{ message: { content: [{ image_url: { url: DATA_URL } }] } }] }],
    ["Python's str(bytes)", { predictions: [`b'${BASE64}'`] }],
    ["Python's str(bytes) in double quotes", { predictions: [{ image: { b64: `b"${BASE64}"` } }] }],
    ["base64 in lines", { predictions: [{ image: { b64: BASE64.replace(/.{20}/g, "$&\r\n") } }] }],
    ["base64 with spaces around", { predictions: [` ${BASE64}\n`] }],
    ["url-safe base64", { predictions: [{ image: { b64: URL_SAFE } }] }],
    ["url-safe base64 without padding", { predictions: [URL_SAFE.replaceAll("=", "")] }],
    ["a list of bytes", { predictions: [{ image: [...PICTURE] }] }],
    ["a nested list of bytes", { predictions: [[[...PICTURE]]] }],
    ["a key that only an ensemble has", { step: { predictions: [{ image: { b64: BASE64 } }] } }],
    ["an ensemble with a failed step", { a: { error: "no" }, b: { predictions: [{ image: { b64: BASE64 } }] } }],
    ["a picture behind a decoy of the same key", { a: { b64: "x" }, predictions: [{ image: { b64: BASE64 } }] }],
    ["JSON inside a text", { predictions: [JSON.stringify({ image: { b64: BASE64 } })] }],
    ["a text inside a text", { predictions: [JSON.stringify(BASE64)] }],
    ["an output of V2", { outputs: [{ name: "o", shape: [1], datatype: "BYTES", data: [BASE64] }] }],
    ["an output whose datatype is wrong", { outputs: [{ name: "o", shape: [1], datatype: "FP32", data: [BASE64] }] }],
    [
      "an output that holds JSON",
      {
        outputs: [
          {
            name: "o",
            shape: [1, 1],
            datatype: "BYTES",
            data: [JSON.stringify({ images: [DATA_URL], parameters: {} })],
          },
        ],
      },
    ],
    [
      "an output that holds the bytes of a file",
      { outputs: [{ name: "o", shape: [85], datatype: "UINT8", data: [...PICTURE] }] },
    ],
    [
      "the output that was named",
      {
        outputs: [
          { name: "preview", shape: [1], datatype: "BYTES", data: [Buffer.alloc(60, 0xff).toString("base64")] },
          { name: "image", shape: [1], datatype: "BYTES", data: [BASE64] },
        ],
      },
      { outputName: "image" },
    ],
    ["a BYTES element", ...toBinary([[{ name: "o", datatype: "BYTES", shape: [1] }, toElement(PICTURE)]])],
    [
      "a BYTES element in base64",
      ...toBinary([[{ name: "o", datatype: "BYTES", shape: [1] }, toElement(Buffer.from(BASE64))]]),
    ],
    [
      "a BYTES element behind another output",
      ...toBinary([
        [{ name: "steps", datatype: "INT32", shape: [1] }, Buffer.alloc(4)],
        [
          { name: "o", datatype: "BYTES", shape: [2] },
          Buffer.concat([toElement(Buffer.from("hi")), toElement(PICTURE)]),
        ],
      ]),
    ],
    [
      "a UINT8 output with the bytes of a file",
      ...toBinary([[{ name: "o", datatype: "UINT8", shape: [85] }, PICTURE]]),
    ],
    ["the raw picture", PICTURE],
    ["the raw picture under a wrong type", PICTURE, { contentType: "application/json" }],
    ["plain base64 without JSON", Buffer.from(BASE64)],
    ["an event stream", toEvents({ data: [{ b64_json: BASE64 }] })],
    [
      "an event stream, behind previews",
      toEvents(
        { type: "image_generation.partial_image", b64_json: Buffer.alloc(90, 0xff).toString("base64") },
        { type: "image_generation.completed", b64_json: BASE64 },
      ),
    ],
    [
      "an event stream with names",
      Buffer.from(`event: image\r\ndata: {"b64":\r\ndata: "${BASE64}"}\r\n\r\ndata: [DONE]\r\n\r\n`),
    ],
    [
      "an event stream that only its type tells",
      Buffer.from(`\ndata: {"b64":"${BASE64}"}\n\n`),
      { contentType: "text/event-stream; charset=utf-8" },
    ],
  ];
  for (const [title, body, form] of shapes) {
    test(title, () => {
      const answer = read(body, form);
      assert.equal(answer.kind, "picture");
      assert.deepEqual(answer.kind === "picture" && answer.imageData, PICTURE);
    });
  }
});

suite("readPictureAnswer() finds pixels in", () => {
  const expected = encodePng({ width: 2, height: 1, rgb: Uint8Array.from(RGB) });
  const fractions = RGB.map((value) => value / 255);
  const signed = RGB.map((value) => value / 127.5 - 1);
  const output = (datatype: string, shape: number[], data: JsonValue): JsonValue => ({
    outputs: [{ name: "image", datatype, shape, data }],
  });
  const shapes: [string, JsonValue | Buffer, AnswerForm?][] = [
    ["UINT8 [H, W, 3]", output("UINT8", [1, 2, 3], RGB)],
    ["UINT8 [N, H, W, 3], the first", output("UINT8", [2, 1, 2, 3], [...RGB, 9, 9, 9, 9, 9, 9])],
    ["UINT8 in nested lists", output("UINT8", [1, 2, 3], [[RGB.slice(0, 3), RGB.slice(3)]])],
    [
      "FP32 from 0 to 255",
      output(
        "FP32",
        [1, 2, 3],
        RGB.map((value) => value + 0.25),
      ),
    ],
    ["FP32 from 0 to 1", output("FP32", [1, 1, 2, 3], fractions)],
    ["predictions as nested lists", { predictions: [[[RGB.slice(0, 3), RGB.slice(3)]]] }],
    ["predictions as nested fractions", { predictions: [[[fractions.slice(0, 3), fractions.slice(3)]]] }],
    ["binary UINT8", ...toBinary([[{ name: "i", datatype: "UINT8", shape: [1, 1, 2, 3] }, Buffer.from(RGB)]])],
    ["binary FP32", ...toBinary([[{ name: "i", datatype: "FP32", shape: [1, 2, 3] }, toFloats(RGB)]])],
    ["UINT8 [3, H, W]", output("UINT8", [3, 1, 2], toPlanes(RGB))],
    ["FP32 [N, 3, H, W] from -1 to 1", output("FP32", [1, 3, 1, 2], toPlanes(signed))],
    ["FP32 from -1 to 1", output("FP32", [1, 2, 3], signed)],
    [
      "binary FP16 [N, 3, H, W]",
      ...toBinary([[{ name: "i", datatype: "FP16", shape: [1, 3, 1, 2] }, toHalves(toPlanes(RGB))]]),
    ],
    ["binary FP16 from -1 to 1", ...toBinary([[{ name: "i", datatype: "FP16", shape: [1, 2, 3] }, toHalves(signed)]])],
    ["binary BF16", ...toBinary([[{ name: "i", datatype: "BF16", shape: [1, 2, 3] }, toBfloats(RGB)]])],
    ["binary FP64 fractions", ...toBinary([[{ name: "i", datatype: "FP64", shape: [1, 2, 3] }, toDoubles(fractions)]])],
    ["binary FP32 fractions", ...toBinary([[{ name: "i", datatype: "FP32", shape: [1, 2, 3] }, toFloats(fractions)]])],
  ];
  for (const [title, body, form] of shapes) {
    test(title, () => {
      const answer = read(body, form);
      assert.equal(answer.kind, "pixels");
      assert.deepEqual(answer.kind === "pixels" && encodePng(answer.image), expected);
    });
  }
});

suite("readPictureAnswer()", () => {
  test("gives what the runtime reports beside the picture", () => {
    const reports: JsonValue[] = [
      { predictions: [{ seed: 5, image: { format: "PNG", b64: BASE64 } }] },
      { step: { predictions: [{ seed: 5, image: { b64: BASE64 } }] } },
      { predictions: [{ parameters: { seed: 5 }, image: { b64: BASE64 } }] },
      { outputs: [{ data: [JSON.stringify({ images: [BASE64], parameters: { seed: 5 } })] }] },
      { parameters: { seed: 5 }, outputs: [{ name: "o", shape: [1], datatype: "BYTES", data: [BASE64] }] },
    ];
    for (const body of reports) {
      const answer = read(body);
      assert.ok(answer.kind === "picture");
      const { seed, parameters } = answer.report;
      assert.deepEqual(seed ?? parameters, seed === undefined ? { seed: 5 } : 5);
    }
    const silent = read({ predictions: [{ scheduler: "euler", image: { format: "PNG", b64: BASE64 } }] });
    assert.equal(silent.kind === "picture" && silent.report["scheduler"], "euler");
  });

  const damaged: [string, JsonValue | Buffer, AnswerForm?][] = [
    ["a wrong alphabet", { predictions: [{ image: { b64: `${BASE64.slice(0, -4)}!!!!` } }] }],
    ["text where base64 should be", { predictions: [{ image: { b64: "this is certainly no picture at all" } }] }],
    ["a data URL without a picture", { images: ["data:image/png;base64,not a picture!"] }],
    ["a list with a number above 255", { predictions: [{ image: [...PICTURE, 256] }] }],
    ["a list with a text in it", { predictions: [{ image: [...PICTURE, "7"] }] }],
    ["too few pixels", { outputs: [{ datatype: "UINT8", shape: [1, 2, 3], data: RGB.slice(1) }] }],
    ["too many pixels", { outputs: [{ datatype: "UINT8", shape: [1, 2, 3], data: [...RGB, 1] }] }],
    ["pixels above 255", { outputs: [{ datatype: "UINT8", shape: [1, 2, 3], data: [...RGB.slice(1), 256] }] }],
    ["pixels below 0", { outputs: [{ datatype: "FP32", shape: [1, 2, 3], data: [...RGB.slice(1), -9.5] }] }],
    ["fractions below -1", { outputs: [{ datatype: "FP32", shape: [1, 2, 3], data: [0, 0.5, -1.1, 0, 0, 1] }] }],
    ["null among pixels", { outputs: [{ datatype: "FP32", shape: [1, 2, 3], data: [...RGB.slice(1), null] }] }],
    [
      "NaN among binary pixels",
      ...toBinary([[{ name: "i", datatype: "FP32", shape: [1, 2, 3] }, toFloats([...RGB.slice(1), NaN])]]),
    ],
    [
      "a BYTES element that is cut off",
      ...toBinary([[{ name: "o", datatype: "BYTES", shape: [1] }, toElement(PICTURE).subarray(0, 40)]]),
    ],
  ];
  for (const [title, body, form] of damaged) {
    test(`tells a damaged picture: ${title}`, () => {
      assert.deepEqual(read(body, form), { kind: "damaged" });
    });
  }

  test("tells binary outputs whose lengths are not those of the body", () => {
    const [body, form] = toBinary([[{ name: "o", datatype: "UINT8", shape: [1, 2, 3] }, Buffer.from(RGB)]]);
    const cutOff = { kind: "cut_off" };
    assert.deepEqual(read(body.subarray(0, -1), form), cutOff);
    assert.deepEqual(read(Buffer.concat([body, Buffer.alloc(1)]), form), cutOff);
    for (const jsonBytes of [0, -1, 1.5, NaN, body.length + 1, (form.jsonBytes ?? 0) - 1]) {
      assert.deepEqual(read(body, { jsonBytes }), cutOff);
    }
    assert.deepEqual(
      read(...toBinary([[{ name: "o", datatype: "FP32", shape: [1, 2, 3] }, Buffer.from(RGB)]])),
      cutOff,
    );
    assert.deepEqual(
      read(...toBinary([[{ name: "o", datatype: "UINT8", shape: ["1", 2, 3] }, Buffer.from(RGB)]])),
      cutOff,
    );
  });

  test("gives the address of a picture that lies elsewhere, and only when there is none inside", () => {
    assert.deepEqual(read({ data: [{ url: "/v1/images/1/content" }] }), { kind: "url", url: "/v1/images/1/content" });
    assert.equal(read({ data: [{ url: "https://a.example/1.png", b64_json: BASE64 }] }).kind, "picture");
    for (const url of ["javascript:alert(1)", "file:///etc/passwd", "//a b", "x", `/${"x".repeat(2048)}`, "/a\\b"]) {
      assert.equal(read({ data: [{ url }] }).kind, "no_picture", url);
    }
  });

  test("tells an answer without a picture", () => {
    assert.deepEqual(read({ predictions: [{ label: "cat" }] }), { kind: "no_picture", keys: ["predictions"] });
    assert.deepEqual(read({ predictions: [] }), { kind: "no_picture", keys: ["predictions"] });
    assert.deepEqual(read({ predictions: [[0.1, 0.9]] }), { kind: "no_picture", keys: ["predictions"] });
    assert.deepEqual(read({ predictions: ["x".repeat(100)] }), { kind: "no_picture", keys: ["predictions"] });
    assert.deepEqual(read(...toBinary([[{ name: "o", datatype: "INT32", shape: [1] }, Buffer.alloc(4)]])), {
      kind: "no_picture",
      keys: ["model_name", "outputs"],
    });
  });

  test("gives the words of an error that came with status 200", () => {
    const errors: [JsonValue | Buffer, string][] = [
      [{ error: "it broke" }, "it broke"],
      [{ predictions: [{ error: "it broke" }] }, "it broke"],
      [{ detail: [{ msg: "x" }] }, `[{"msg":"x"}]`],
      [{ step: { error: "it broke" }, other: { predictions: [] } }, "it broke"],
      [{ error: { message: "it broke", type: "server_error" } }, "it broke"],
      [{ error: { code: 5 } }, `{"code":5}`],
      [
        toEvents({ type: "image_generation.partial_image", b64_json: BASE64 }, { error: { message: "it broke" } }),
        "it broke",
      ],
    ];
    for (const [body, text] of errors) assert.deepEqual(read(body), { kind: "error", text });
  });

  test("tells an answer that is cut off from what is no JSON", () => {
    assert.deepEqual(read(Buffer.from(`{"predictions":[{"prompt":"a`)), { kind: "cut_off" });
    assert.deepEqual(read(toEvents({ type: "image_generation.partial_image", b64_json: BASE64 })), { kind: "cut_off" });
    assert.deepEqual(read(Buffer.from("<html></html>")), { kind: "not_json", text: "<html></html>" });
    assert.deepEqual(read(Buffer.from("data: nothing\n\n")), { kind: "not_json", text: "data: nothing\n\n" });
    assert.deepEqual(read(Buffer.alloc(0)), { kind: "not_json", text: "" });
  });

  test("does not look deeper than 12 levels or at more than 10,000 values", () => {
    let deep: JsonValue = BASE64;
    for (let level = 0; level < 13; level++) deep = [deep];
    assert.equal(read({ deep }).kind, "no_picture");
    let quoted = BASE64;
    for (let level = 0; level < 9; level++) quoted = JSON.stringify([quoted]);
    assert.equal(read({ quoted }).kind, "no_picture");
    assert.equal(read({ wide: ["", ...Array.from({ length: 10_000 }, () => 0), BASE64] }).kind, "no_picture");
  });
});

suite("parseJson()", () => {
  test("gives what JSON.parse gives", () => {
    const document = fc.oneof(
      fc.jsonValue({ maxDepth: 8 }),
      fc.array(fc.string({ unit: fc.constantFrom('"', "\\", "[", "{", "]", "é") })),
    );
    fc.assert(
      fc.property(document, (value) => {
        const text = JSON.stringify(value);
        assert.deepEqual(parseJson(text), JSON.parse(text));
      }),
    );
  });

  test("refuses what is nested deeper than 64 levels, brackets in texts apart", () => {
    const nest = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
    assert.notEqual(parseJson(nest(64)), undefined);
    assert.equal(parseJson(nest(65)), undefined);
    assert.deepEqual(parseJson(JSON.stringify(["[".repeat(65)])), ["[".repeat(65)]);
    const wide = `[${Array.from({ length: 100 }, () => "{}").join()}]`;
    assert.deepEqual(parseJson(wide), JSON.parse(wide));
  });
});

suite("parseErrorText()", () => {
  test("reads the error bodies of KServe, FastAPI and OpenAI", () => {
    assert.equal(parseErrorText(`{"error":"a"}`), "a");
    assert.equal(parseErrorText(`{"detail":"Not Found"}`), "Not Found");
    assert.equal(parseErrorText(`{"error":{"message":"a","type":"b"}}`), "a");
    assert.equal(parseErrorText("upstream request timeout"), undefined);
  });
});
