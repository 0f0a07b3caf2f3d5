import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { verifyImage } from "../src/core/verify-image.ts";
import { readManifest } from "../src/images/signing/c2pa.ts";
import { makeCertificate } from "../src/testing/make-certificate.ts";
import { startLoadedServer } from "./support/loaded-server.ts";
import { runCommand, ServerProcess, TemporaryFolder } from "./support/server-process.ts";
import { drawEveryWay, makeSigner } from "./support/signed-pictures.ts";

const { settings } = makeSigner();
const drawing = drawEveryWay(settings);

test("every picture is signed, whatever drew it and whichever way it was asked for", async () => {
  const pictures = await drawing;
  assert.equal(pictures.length, 10);
  for (const { way, bytes } of pictures) {
    const { failures, signer } = await readManifest({ format: verifyImage(bytes).format, bytes });
    assert.deepEqual([failures, signer], [[], "O=Example, CN=Pictures"], way);
  }
});

test("a server that signs tells when its certificate ends, as a metric", async () => {
  await using server = await startLoadedServer(settings);
  const end = await server.readMetric("c2pa_certificate_end_timestamp_seconds");
  assert.equal(end, Date.parse("2100-01-01") / 1000);
});

test("mcp-image-server inspect says whether a picture is signed, and whether it was changed since", async () => {
  using home = new TemporaryFolder();
  const inspect = async (bytes: Buffer): Promise<Record<string, unknown>> => {
    const file = join(home.path, "picture");
    writeFileSync(file, bytes);
    return JSON.parse((await runCommand(["inspect", file, "--json"], { home: home.path })).stdout);
  };
  const jpeg = (await drawing).find(({ way }) => way === "KServe, jpeg")?.bytes ?? Buffer.alloc(0);
  const signed = { c2pa_generator: "mcp-image-server 1.2.3", c2pa_signer: "O=Example, CN=Pictures" };
  assert.partialDeepStrictEqual(await inspect(jpeg), { prompt: "a red boat", c2pa: "valid", ...signed });
  const at = jpeg.length - 1000;
  jpeg.writeUInt8(jpeg.readUInt8(at) ^ 1, at);
  assert.partialDeepStrictEqual(await inspect(jpeg), {
    c2pa: "invalid",
    c2pa_failures: ["assertion.dataHash.mismatch"],
    ...signed,
  });
});

test("mcp-image-server config check and doctor speak of what pictures are signed with", async () => {
  using home = new TemporaryFolder();
  const run = async (words: readonly string[], more: Record<string, string> = {}) =>
    runCommand(words, { home: home.path, settings: { KSERVE_ENDPOINT: "embedded", ...settings, ...more } });
  assert.deepEqual((await run(["config", "check"])).exitCode, 0);
  const wrong = await run(["config", "check"], {
    PORT: "x",
    C2PA_PRIVATE_KEY: makeSigner().settings["C2PA_PRIVATE_KEY"] ?? "",
  });
  assert.equal(wrong.exitCode, 78);
  assert.match(wrong.stderr, /PORT="x"/);
  assert.match(
    wrong.stderr,
    /C2PA_PRIVATE_KEY="\[redacted\]" must be the key of the first certificate of C2PA_SIGN_CERT/,
  );
  const findings: { check: string; message: string }[] = JSON.parse((await run(["doctor", "--json"])).stdout);
  const message = findings.find(({ check }) => check === "signing")?.message;
  assert.equal(message, "Pictures are signed by O=Example, CN=Pictures, until 2100-01-01");
});

test("mcp-image-server serve does not start with a certificate that C2PA refuses", async () => {
  using home = new TemporaryFolder();
  const authority = makeCertificate({ commonName: "Authority", signs: "certificates" });
  const usage = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];
  const { cert, key } = makeCertificate({ commonName: "Loose", organization: "Example", issuer: authority, usage });
  const settings = { C2PA_SIGN_CERT: cert, C2PA_PRIVATE_KEY: key };
  const start = async (): Promise<void> => {
    await using _server = await ServerProcess.start({ home: home.path, settings });
  };
  await assert.rejects(start, /ended with 78: .*C2PA refuses C2PA_SIGN_CERT: signingCredential\.invalid/);
});
