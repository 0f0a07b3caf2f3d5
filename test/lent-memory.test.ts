import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { createApp } from "../src/app/create-app.ts";
import { loadSettings } from "../src/config/load-settings.ts";
import { encodePng, readPngChunks } from "../src/core/png.ts";
import { makeSigner } from "./support/signed-pictures.ts";

const COUNT = 60;
const CONCURRENCY = 8;

/** Pixels are what it is about: they are compared whole. */
function pixelsOf(file: Uint8Array): Buffer {
  const chunks = readPngChunks(file).filter(({ type }) => type === "IDAT");
  return Buffer.concat(chunks.map(({ dataStart, dataLength }) => file.subarray(dataStart, dataStart + dataLength)));
}

test("pictures drawn at the same time in memory on loan are each stored as they came", async (t) => {
  await drawAndCompare(t, {});
});

test("so are signed ones, whose memory goes back before they are stored", async (t) => {
  await drawAndCompare(t, makeSigner().settings);
});

async function drawAndCompare(t: TestContext, more: Readonly<Record<string, string>>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "mcp-image-lent-"));
  t.after(async () => rm(folder, { recursive: true }));
  const pictures = new Map<number, Buffer>();
  for (let seed = 0; seed < COUNT; seed++) {
    const [width, height] = [8 + (seed % 7) * 40, 8 + (seed % 5) * 40];
    pictures.set(seed, encodePng({ width, height, rgb: randomBytes(width * height * 3) }));
  }
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    if (req.method !== "POST") {
      res.end(JSON.stringify({ name: "model", ready: true }));
      return;
    }
    const body = (await json(req)) as { readonly instances: readonly [{ readonly seed: number }] };
    const { seed } = body.instances[0];
    const b64 = pictures.get(seed)?.toString("base64");
    const text = JSON.stringify({ predictions: [{ image: { format: "PNG", b64 }, seed }] });
    // In two pieces, so that pictures arrive in turn.
    res.writeHead(200, { "content-type": "application/json" });
    res.write(text.slice(0, text.length / 2));
    setImmediate(() => res.end(text.slice(text.length / 2)));
  };
  await using runtime = createServer((req, res) => void answer(req, res));
  runtime.listen(0, "127.0.0.1");
  await once(runtime, "listening");
  const { port } = runtime.address() as AddressInfo;
  const { settings } = loadSettings({
    env: {
      KSERVE_ENDPOINT: `http://127.0.0.1:${port}`,
      KSERVE_MODEL_NAME: "model",
      KSERVE_PROTOCOL: "v1",
      KSERVE_MAX_CONCURRENCY: String(CONCURRENCY),
      STORAGE_PATH: folder,
      PUBLIC_BASE_URL: "http://127.0.0.1",
      LOG_LEVEL: "CRITICAL",
      ...more,
    },
  });
  await using app = createApp(settings, { version: "0.0.0" });
  let next = 0;
  const ids = new Map<number, string>();
  const draw = async (): Promise<void> => {
    while (next < COUNT) {
      const seed = next++;
      const { image_id: id } = await app.images.generate({ prompt: `picture ${seed}`, seed }, { clientId: `${seed}` });
      ids.set(seed, id);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, draw));
  for (const [seed, picture] of pictures) {
    const stored = await app.images.getImage(ids.get(seed) ?? "");
    assert.ok(stored, `picture ${seed} is stored`);
    assert.ok(pixelsOf(stored.imageData).equals(pixelsOf(picture)), `picture ${seed} is its own`);
  }
}
