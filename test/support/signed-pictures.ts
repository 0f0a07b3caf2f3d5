import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { createApp } from "../../src/app/create-app.ts";
import { parseSettings } from "../../src/config/load-settings.ts";
import { makeCertificate, type TestKeyType } from "../../src/testing/make-certificate.ts";
import { startLoadedServer } from "./loaded-server.ts";
import { runCommand, TemporaryFolder } from "./server-process.ts";

export interface SignedPicture {
  /** How it was asked for. */
  readonly way: string;
  readonly bytes: Buffer;
}

/** The root of a private authority, and the settings of a signer that it vouches for over one step. */
export function makeSigner(keyType?: TestKeyType): {
  readonly rootPem: string;
  readonly settings: Readonly<Record<string, string>>;
} {
  const root = makeCertificate({ commonName: "Root", signs: "certificates" });
  const authority = makeCertificate({ commonName: "Authority", signs: "certificates", issuer: root });
  const signer = makeCertificate({
    commonName: "Pictures",
    organization: "Example",
    signs: "contents",
    issuer: authority,
    ...(keyType && { keyType }),
  });
  const settings = { C2PA_SIGN_CERT: `${signer.cert}${authority.cert}`, C2PA_PRIVATE_KEY: signer.key };
  return { rootPem: root.cert, settings };
}

/** A picture of each format, and of each way to have one. */
export async function drawEveryWay(settings: Readonly<Record<string, string>>): Promise<SignedPicture[]> {
  const pictures: SignedPicture[] = [];
  await using server = await startLoadedServer({ ...settings, OPENAI_API: "true", A1111_API: "true" });
  const { images } = server.app;
  const add = async (way: string, imageId: string): Promise<void> => {
    const response = await fetch(`${server.url}/images/${imageId}`);
    assert.equal(response.status, 200, way);
    pictures.push({ way, bytes: Buffer.from(await response.arrayBuffer()) });
  };
  for (const format of ["png", "jpeg", "webp"] as const) {
    const noise = await drawNoise(300).toFormat(format).toBuffer();
    const body = { predictions: [{ image: { format: format.toUpperCase(), b64: noise.toString("base64") } }] };
    server.runtime.script({ kind: "shape", toBody: () => JSON.stringify(body) });
    const { image_id: id } = await images.generate({ prompt: "a red boat" }, { clientId: "me" });
    await add(`KServe, ${format}`, id);
  }
  const client = await server.connect("modern");
  const { structuredContent } = await client.callTool({ name: "generate_image", arguments: { prompt: "a red boat" } });
  const { image_id: drawn } = structuredContent as { readonly image_id: string };
  await add("generate_image", drawn);
  await client.close();
  for (const outcome of (await images.vary(drawn, { count: 2 }, { clientId: "me" })) ?? []) {
    assert.ok(outcome.ok);
    await add("a variation", outcome.response.image_id);
  }
  const door = async (path: string): Promise<Record<string, unknown>> => {
    const body = JSON.stringify({ prompt: "a red boat", response_format: "b64_json" });
    const headers = { "content-type": "application/json" };
    return (await (await fetch(server.url + path, { method: "POST", headers, body })).json()) as Record<
      string,
      unknown
    >;
  };
  const { data } = (await door("/v1/images/generations")) as {
    readonly data?: readonly { readonly b64_json: string }[];
  };
  pictures.push({ way: "the door of OpenAI", bytes: Buffer.from(data?.[0]?.b64_json ?? "", "base64") });
  const { images: texts } = (await door("/sdapi/v1/txt2img")) as { readonly images?: readonly string[] };
  pictures.push({ way: "the door of AUTOMATIC1111", bytes: Buffer.from(texts?.[0] ?? "", "base64") });
  return [...pictures, await drawWithEngine(settings), await drawWithCommand(settings)];
}

/** What no compression makes small. */
export function drawNoise(width: number): Sharp {
  const noise = { type: "gaussian", mean: 128, sigma: 30 } as const;
  return sharp({ create: { width, height: width, channels: 3, background: "#808080", noise } });
}

async function drawWithEngine(settings: Readonly<Record<string, string>>): Promise<SignedPicture> {
  using folder = new TemporaryFolder();
  const env = {
    ...settings,
    KSERVE_ENDPOINT: "embedded",
    STORAGE_PATH: folder.path,
    PUBLIC_BASE_URL: "http://localhost",
  };
  await using app = createApp(parseSettings(env), { version: "1.2.3" });
  const request = { prompt: "a red circle", width: 64, height: 64, numInferenceSteps: 1 };
  const { image_id: id } = await app.images.generate(request, { clientId: "me" });
  const image = await app.images.getImage(id);
  assert.ok(image);
  return { way: "the built-in engine", bytes: Buffer.from(image.imageData) };
}

async function drawWithCommand(settings: Readonly<Record<string, string>>): Promise<SignedPicture> {
  using home = new TemporaryFolder();
  const files = Object.entries(settings).map(([name, text]) => {
    writeFileSync(join(home.path, name), text);
    return [`${name}_FILE`, join(home.path, name)] as const;
  });
  const output = join(home.path, "picture.png");
  const words = ["generate", "a red circle", "--width", "64", "--height", "64", "--steps", "1", "-o", output];
  const made = await runCommand(words, { home: home.path, settings: Object.fromEntries(files) });
  assert.equal(made.exitCode, 0, made.stderr);
  return { way: "the command generate", bytes: readFileSync(output) };
}
