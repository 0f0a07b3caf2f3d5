import { hash, X509Certificate } from "node:crypto";
import sharp from "sharp";
import { markPicture } from "../src/images/mark-image.ts";
import { PictureSigner } from "../src/images/signing/picture-signer.ts";
import { makeCertificate } from "../src/testing/make-certificate.ts";
import type { BenchOptions } from "./bench-options.ts";
import type { Figure } from "./report.ts";
import { median } from "./rounds.ts";

const PICTURES_PER_ROUND = 20;

/** What a signature costs, and how long it holds up everybody else. */
export async function benchSigning({ rounds }: BenchOptions): Promise<Figure[]> {
  const authority = makeCertificate({ commonName: "Authority", signs: "certificates" });
  const { cert, privateKey } = makeCertificate({
    commonName: "Pictures",
    organization: "Example",
    signs: "contents",
    issuer: authority,
  });
  const settings = { certificates: [new X509Certificate(cert)], privateKey };
  const signer = new PictureSigner({ settings, version: "0.0.0" });
  const figures: Figure[] = [];
  for (const pixels of [512, 1024]) {
    const bytes = await drawPng(pixels);
    const [whole, held, hashed]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round <= rounds; round++) {
      const times = [];
      while (times.length < PICTURES_PER_ROUND) times.push(await timeSigning(signer, bytes));
      whole.push(median(times.map(({ wholeMs }) => wholeMs)));
      held.push(median(times.map(({ heldMs }) => heldMs)));
      hashed.push(median(times.map(() => timeHash(bytes))));
    }
    const what = `a PNG of ${pixels} x ${pixels}, ${Math.round(bytes.length / 1000)} kB`;
    const against = `${median(hashed.slice(1)).toFixed(2)} ms for its SHA-256`;
    // The first makes code hot.
    for (const [name, values] of [
      ["signing", whole],
      ["the longest that signing holds the event loop", held],
    ] as const) {
      const ratio = median(values.map((value, round) => value / (hashed[round] ?? Number.NaN)).slice(1));
      figures.push({ what: `${name}: ${what}`, value: `${median(values.slice(1)).toFixed(2)} ms`, against, ratio });
    }
  }
  return figures;
}

async function timeSigning(signer: PictureSigner, bytes: Buffer): Promise<{ wholeMs: number; heldMs: number }> {
  let [heldMs, isDone] = [0, false];
  const startMs = performance.now();
  let lastMs = startMs;
  const tick = (): void => {
    const nowMs = performance.now();
    heldMs = Math.max(heldMs, nowMs - lastMs);
    lastMs = nowMs;
    if (!isDone) setImmediate(tick);
  };
  setImmediate(tick);
  await signer.sign({ format: "png", bytes }, "model");
  isDone = true;
  const wholeMs = performance.now() - startMs;
  await new Promise((resolve) => setImmediate(resolve));
  return { wholeMs, heldMs };
}

function timeHash(bytes: Buffer): number {
  const startMs = performance.now();
  hash("sha256", bytes);
  return performance.now() - startMs;
}

/** Of noise, which compresses about as little as what models draw. */
async function drawPng(pixels: number): Promise<Buffer> {
  const noise = { type: "gaussian", mean: 128, sigma: 12 } as const;
  const create = { width: pixels, height: pixels, channels: 3, background: "#808080", noise } as const;
  const png = await sharp({ create }).png().toBuffer();
  const mark = { prompt: "a red boat", negativePrompt: undefined, numInferenceSteps: 2, guidanceScale: 7.5, seed: 9 };
  return markPicture("png", png, { ...mark, width: pixels, height: pixels, modelName: "model" });
}
