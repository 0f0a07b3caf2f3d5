import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { before, describe, test } from "node:test";
import { parseSettings } from "../../src/config/load-settings.ts";
import type { ImageFormat } from "../../src/core/image-format.ts";
import { verifyImage } from "../../src/core/verify-image.ts";
import { markPicture } from "../../src/images/mark-image.ts";
import { readStory } from "../../src/images/read-mark.ts";
import { PictureSigner } from "../../src/images/signing/picture-signer.ts";
import { IS_PROOF, report } from "../support/loaded-server.ts";
import { drawEveryWay, drawNoise, makeSigner } from "../support/signed-pictures.ts";
import { loadValidator, type Validate } from "./validator.ts";

const FORMATS = ["png", "jpeg", "webp"] as const;
const KEY_TYPES = ["P-256", "P-384", "rsa", "rsa-pss", "ed25519"] as const;
const PIXELS = 512;
/** Random flips of each format; `PROVE=1` does all of them. */
const FLIPS = IS_PROOF ? 1000 : 100;
/** Of the bits of the manifest: every one, or every so many-th. */
const STRIDE = IS_PROOF ? 1 : 17;

async function sign(format: ImageFormat, settings = makeSigner().settings, pixels = PIXELS): Promise<Buffer> {
  const plain = await drawNoise(pixels).toFormat(format).toBuffer();
  const mark = { prompt: "a red boat", negativePrompt: undefined, numInferenceSteps: 2, guidanceScale: 7.5, seed: 9 };
  const bytes = markPicture(format, plain, { ...mark, width: pixels, height: pixels, modelName: "model" });
  const { signing } = parseSettings(settings).images;
  assert.ok(signing);
  return new PictureSigner({ settings: signing, version: "1.2.3" }).sign({ format, bytes }, "model");
}

function flip(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = Math.floor(bit / 8);
  copy.writeUInt8(copy.readUInt8(at) ^ (1 << (bit % 8)), at);
  return copy;
}

describe("The validator of the Content Authenticity Initiative", () => {
  let validate: Validate;
  before(async () => {
    validate = await loadValidator();
  });

  test("finds every picture valid, whatever drew it, and trusted by whom trusts its root", async () => {
    const { rootPem, settings } = makeSigner();
    for (const { way, bytes } of await drawEveryWay(settings)) {
      const { state, failures, informational, manifest } = await validate(bytes);
      assert.deepEqual([state, failures, informational], ["Valid", ["signingCredential.untrusted"], []], way);
      const trusted = await validate(bytes, rootPem);
      assert.deepEqual([trusted.state, trusted.failures], ["Trusted", []], way);
      assert.equal(manifest?.claim_version, 2);
      assert.equal(manifest.claim_generator_info[0]?.name, "mcp-image-server");
      assert.match(manifest.claim_generator_info[0].version, /^\d+\.\d+\.\d+$/);
      assert.equal(manifest.signature_info.issuer, "Example");
      assert.deepEqual(
        manifest.assertions.map(({ label }) => label),
        ["c2pa.actions.v2"],
      );
      const text = JSON.stringify(manifest);
      assert.match(text, /"action":"c2pa\.created".*digitalsourcetype\/trainedAlgorithmicMedia"/);
      assert.doesNotMatch(text, /thumbnail|a red/);
      // And it says so to those who know no C2PA.
      assert.equal(readStory(bytes, verifyImage(bytes).format)?.digitalSourceType, "trainedAlgorithmicMedia", way);
    }
  });

  test("takes every algorithm in every format", async () => {
    for (const keyType of KEY_TYPES) {
      const { rootPem, settings } = makeSigner(keyType);
      for (const format of FORMATS) {
        const { state, failures } = await validate(await sign(format, settings, 64), rootPem);
        assert.deepEqual([state, failures], ["Trusted", []], `${keyType}, ${format}`);
      }
    }
  });

  test("sees a change to the name of a manifest", async () => {
    for (const format of FORMATS) {
      const signed = await sign(format, undefined, 16);
      const name = signed.indexOf("urn:c2pa:") + "urn:c2pa:".length;
      const { state } = await validate(flip(signed, name * 8));
      assert.equal(state, "Invalid", format);
    }
  });

  for (const format of FORMATS) {
    test(`finds no ${format} valid in which a bit was flipped`, async () => {
      const signed = await sign(format);
      const { state, manifest } = await validate(signed);
      assert.equal(state, "Valid");
      let forgiven = 0;
      for (let index = 0; index < FLIPS; index++) {
        const bit = Number(
          hash("sha256", `${format} ${index}`, "buffer").readBigUInt64BE() % BigInt(signed.length * 8),
        );
        const verdict = await validate(flip(signed, bit));
        if (verdict.state === "Invalid") continue;
        // Only a head of a box of the manifest, which nothing signs, and which says nothing.
        assert.deepEqual(verdict.manifest, manifest, `bit ${bit} of ${signed.length * 8}`);
        forgiven += 1;
      }
      report(`${FLIPS} random flips of a ${format} of ${signed.length} bytes: ${forgiven} valid`);
      assert.ok(forgiven <= 1, `${forgiven} of ${FLIPS} flips`);
    });

    test(`sees every change to what the manifest of a ${format} says`, async () => {
      const signed = await sign(format, undefined, 16);
      const { state, manifest } = await validate(signed);
      assert.equal(state, "Valid");
      let [flips, forgiven] = [0, 0];
      for (let bit = 0; bit < signed.length * 8; bit += STRIDE) {
        flips += 1;
        const verdict = await validate(flip(signed, bit));
        if (verdict.state === "Invalid") continue;
        assert.deepEqual(verdict.manifest, manifest, `bit ${bit} of ${signed.length * 8}`);
        forgiven += 1;
      }
      report(`${flips} flips, one of each bit of a ${format} of 16 x 16 pixels: ${forgiven} valid, which say the same`);
      assert.ok(forgiven < flips / 50, `${forgiven} of ${flips}`);
    });
  }
});
