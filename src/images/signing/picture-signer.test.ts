import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import sharp from "sharp";
import type { SigningSettings } from "../../config/settings.ts";
import type { ImageFormat } from "../../core/image-format.ts";
import { isSigned } from "../../core/is-signed.ts";
import { encodePng } from "../../core/png.ts";
import { verifyImage } from "../../core/verify-image.ts";
import { isErrorWithCode } from "../../testing/error-with-code.ts";
import { createFakeClock } from "../../testing/fake-clock.ts";
import { createImageServiceBench } from "../../testing/image-service-bench.ts";
import { makeCertificate, type TestCertificateOptions } from "../../testing/make-certificate.ts";
import { markPicture } from "../mark-image.ts";
import { readStory } from "../read-mark.ts";
import { readManifest, type Picture } from "./c2pa.ts";
import { loadC2pa } from "./load-c2pa.ts";
import { PictureSigner } from "./picture-signer.ts";
import { readCredentials } from "./read-credentials.ts";

const FORMATS = ["png", "jpeg", "webp"] as const;
const KEY_TYPES = ["P-256", "P-384", "rsa", "rsa-pss", "ed25519"] as const;
const authority = makeCertificate({ commonName: "Authority", signs: "certificates" });

function makeSettings(options: Partial<TestCertificateOptions> = {}): SigningSettings {
  const signer = makeCertificate({
    commonName: "Pictures",
    organization: "Example",
    signs: "contents",
    issuer: authority,
    ...options,
  });
  const certificates = [signer, authority].map(({ cert }) => new X509Certificate(cert));
  return { certificates, privateKey: signer.privateKey };
}

async function drawPicture(format: ImageFormat, width = 64): Promise<Picture> {
  const rgb = Uint8Array.from({ length: width * width * 3 }, (_, index) => (index * 7919) >> 5);
  const png = encodePng({ width, height: width, rgb });
  const bytes = format === "png" ? png : await sharp(png).toFormat(format).toBuffer();
  const mark = { prompt: "a red boat", negativePrompt: undefined, numInferenceSteps: 2, guidanceScale: 7.5, seed: 9 };
  return { format, bytes: markPicture(format, bytes, { ...mark, width, height: width, modelName: "model" }) };
}

describe("PictureSigner", () => {
  const settings = makeSettings();
  const signer = new PictureSigner({ settings, version: "1.2.3" });

  for (const format of FORMATS) {
    test(`signs ${format}, its mark included, with every algorithm`, async () => {
      const picture = await drawPicture(format);
      for (const keyType of KEY_TYPES) {
        const of = new PictureSigner({ settings: makeSettings({ keyType }), version: "1.2.3" });
        await of.check();
        const bytes = await of.sign(picture, "model");
        assert.deepEqual(
          await readManifest({ format, bytes }),
          {
            generator: "mcp-image-server 1.2.3",
            signer: "O=Example, CN=Pictures",
            failures: [],
            certificateFailures: [],
          },
          keyType,
        );
        assert.deepEqual(verifyImage(bytes), { format, width: 64, height: 64 });
        assert.deepEqual(readStory(bytes, format), readStory(picture.bytes, format));
        assert.ok((await sharp(bytes).raw().toBuffer()).equals(await sharp(picture.bytes).raw().toBuffer()));
      }
    });

    test(`binds the signature to ${format}, of whatever size`, async () => {
      for (const width of [1, 64, 301]) {
        const bytes = await signer.sign(await drawPicture(format, width), "model");
        const credentials = await readCredentials({ format, bytes });
        assert.equal(credentials["c2pa"], "valid", `${width}`);
        const at = bytes.length - 20;
        bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
        const { failures } = await readManifest({ format, bytes });
        assert.notDeepEqual(failures, [], `${width}`);
      }
    });
  }

  test("signs a JPEG with fill bytes, which go", async () => {
    const { bytes: plain } = await drawPicture("jpeg");
    const scan = plain.indexOf(Buffer.from([0xff, 0xda]));
    const fill = Buffer.from([0xff, 0xff]);
    const [first, tables, pixels] = [plain.subarray(0, 2), plain.subarray(2, scan), plain.subarray(scan)];
    const filled = Buffer.concat([first, fill, tables, fill, pixels]);
    const bytes = await signer.sign({ format: "jpeg", bytes: filled }, "model");
    assert.deepEqual((await readManifest({ format: "jpeg", bytes })).failures, []);
    assert.ok((await sharp(bytes).raw().toBuffer()).equals(await sharp(plain).raw().toBuffer()));
    const whole = await signer.sign({ format: "jpeg", bytes: plain }, "model");
    assert.equal(bytes.length, whole.length);
  });

  test("puts no prompt into the manifest, and less than 4 KiB", async () => {
    const picture = await drawPicture("png");
    const bytes = await signer.sign(picture, "model");
    const manifest = bytes.subarray(bytes.indexOf("caBX"), bytes.indexOf("IDAT"));
    assert.ok(manifest.includes("trainedAlgorithmicMedia"));
    assert.ok(!manifest.includes("red boat"));
    // No list may be empty.
    assert.ok(manifest.includes("created_assertions"));
    assert.ok(!/gathered_assertions|redacted_assertions/.test(manifest.toString("latin1")));
    assert.ok(bytes.length - picture.bytes.length < 4096, `${bytes.length - picture.bytes.length}`);
  });

  test("leaves a signed picture as it is", async () => {
    for (const format of FORMATS) {
      const once = await signer.sign(await drawPicture(format), "model");
      assert.ok(isSigned(format, once), format);
      assert.equal(await signer.sign({ format, bytes: once }, "model"), once, format);
    }
  });

  test("check() names what to install when the package is missing, and what C2PA does not take", async () => {
    const load = async () => loadC2pa(async () => Promise.reject(new Error("Cannot find package '@trustnxt/c2pa-ts'")));
    const bare = new PictureSigner({ settings, version: "1.2.3", load });
    await assert.rejects(bare.check(), (error) => {
      isErrorWithCode("configuration_invalid")(error);
      assert.match(String(error), /npm install @trustnxt\/c2pa-ts/);
      return true;
    });
    await assert.rejects(bare.sign(await drawPicture("png"), "model"), isErrorWithCode("configuration_invalid"));
    const email = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];
    const loose = makeCertificate({ commonName: "Loose", issuer: authority, usage: email });
    const certificates = [new X509Certificate(loose.cert)];
    const refused = new PictureSigner({ settings: { certificates, privateKey: loose.privateKey }, version: "1" });
    await assert.rejects(refused.check(), /C2PA refuses C2PA_SIGN_CERT: signingCredential\.invalid/);
  });

  test("check() takes a certificate for C2PA alone", async () => {
    const usage = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xe8, 0x5e, 0x02, 0x01];
    const forC2pa = makeSettings({ usage });
    assert.deepEqual(forC2pa.certificates[0]?.keyUsage, ["1.3.6.1.4.1.62558.2.1"]);
    await new PictureSigner({ settings: forC2pa, version: "1" }).check();
  });

  test("signs nothing with a certificate that has ended, and nothing is stored then", async () => {
    const clock = createFakeClock();
    const validTo = new Date(clock.nowMs() + 2000);
    const short = new PictureSigner({ settings: makeSettings({ validTo }), version: "1", clock });
    const { images, storage, events } = createImageServiceBench({ clock, signer: short });
    const { image_id: id } = await images.generate({ prompt: "a cat" }, { clientId: "me" });
    const { imageData = Buffer.alloc(0) } = (await images.getImage(id)) ?? {};
    assert.ok(isSigned("png", Buffer.from(imageData)));
    await clock.advance(3000);
    await assert.rejects(images.generate({ prompt: "a dog" }, { clientId: "me" }), isErrorWithCode("signing_failed"));
    assert.deepEqual([...storage.images.keys()], [id]);
    assert.deepEqual(events, ["ended ok", "ended signing_failed"]);
  });

  test("fails with signing_failed when a picture cannot be signed", async () => {
    const bytes = Buffer.from("no picture");
    await assert.rejects(signer.sign({ format: "jpeg", bytes }, "model"), isErrorWithCode("signing_failed"));
  });
});

describe("readCredentials()", () => {
  test("says none for a picture without a manifest, and not checked without the package", async () => {
    const picture = await drawPicture("webp");
    assert.deepEqual(await readCredentials(picture), { c2pa: "none" });
    const signer = new PictureSigner({ settings: makeSettings(), version: "1" });
    const bytes = await signer.sign(picture, "model");
    const load = async () => loadC2pa(async () => Promise.reject(new Error("none")));
    assert.deepEqual(await readCredentials({ format: "webp", bytes }, load), { c2pa: "not checked" });
  });

  test("says invalid for what is no manifest at all", async () => {
    const { bytes } = await drawPicture("webp");
    const chunk = Buffer.from("C2PA\x02\0\0\0xx", "latin1");
    const sealed = Buffer.concat([bytes, chunk]);
    sealed.writeUInt32LE(sealed.length - 8, 4);
    assert.equal((await readCredentials({ format: "webp", bytes: sealed }))["c2pa"], "invalid");
  });
});
