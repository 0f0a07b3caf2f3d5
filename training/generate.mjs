// Draws pictures with an exported scenes model in plain Node: onnxruntime-web (WebAssembly), one thread.
//
//   node generate.mjs MODEL_DIR JOBS.json OUT_DIR [--sheet FILE.png COLUMNS]
//
// JOBS.json is a list of {prompt, negative_prompt?, seed?, steps?, guidance?, rows?, columns?}; rows and columns count latent
// cells (8 x 8 is a square of 256 px; both must be even). Pictures are written as 000.png, 001.png, ...
// Set ORT_FROM to a folder whose node_modules holds onnxruntime-web when it is not next to this file.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { createRequire } from 'node:module';

const require = createRequire(process.env.ORT_FROM ? path.resolve(process.env.ORT_FROM, 'x.js') : import.meta.url);
const ort = require('onnxruntime-web');
ort.env.wasm.numThreads = 1;

const TOKENS = 24;

/** torch's CPU generator: mt19937 and a 16-wide Box-Muller, so that seeds mean the same latents as in diffusers. */
export class TorchRandom {
  constructor(seed) {
    const m = (this.state = new Uint32Array(624));
    m[0] = Number(BigInt.asUintN(32, BigInt(seed)));
    for (let i = 1; i < 624; i++) m[i] = Math.imul(1812433253, m[i - 1] ^ (m[i - 1] >>> 30)) + i;
    this.next = 624;
  }

  uint32() {
    const m = this.state;
    if (this.next >= 624) {
      for (let i = 0; i < 624; i++) {
        const y = (m[i] & 0x80000000) | (m[(i + 1) % 624] & 0x7fffffff);
        m[i] = m[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.next = 0;
    }
    let y = m[this.next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** n standard normal numbers (n is a multiple of 16). */
  normals(n) {
    const f = Math.fround;
    const out = new Float32Array(n);
    for (let i = 0; i < n; i++) out[i] = (this.uint32() & 0xffffff) / 16777216;
    for (let o = 0; o < n; o += 16) {
      for (let j = o; j < o + 8; j++) {
        const radius = f(Math.sqrt(f(-2 * f(Math.log(f(1 - out[j]))))));
        const angle = f(f(2 * Math.PI) * out[j + 8]);
        out[j] = f(radius * f(Math.cos(angle)));
        out[j + 8] = f(radius * f(Math.sin(angle)));
      }
    }
    return out;
  }
}

const readJson = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));

/** Loads a model directory: three sessions, the vocabulary and the configuration. */
export async function load(dir) {
  const session = (name) =>
    ort.InferenceSession.create(new Uint8Array(fs.readFileSync(`${dir}/${name}/model.onnx`)), { executionProviders: ['wasm'] });
  return {
    text: await session('text_encoder'),
    unet: await session('unet'),
    decoder: await session('vae_decoder'),
    vocabulary: readJson(`${dir}/tokenizer/vocab.json`),
    config: readJson(`${dir}/unet/config.json`),
    trainSteps: readJson(`${dir}/scheduler/scheduler_config.json`).num_train_timesteps,
  };
}

/** Token ids of a text: BigInt64Array of TOKENS words, 0 pads, 1 is an unknown word. */
export function tokenize(vocabulary, text) {
  const ids = new BigInt64Array(TOKENS);
  const words = text.toLowerCase().match(/[a-z]+|[0-9]+|[^\sa-z0-9]/g) ?? [];
  words.slice(0, TOKENS).forEach((word, i) => (ids[i] = BigInt(vocabulary[word] ?? 1)));
  return ids;
}

/** Cumulative product of alphas of the cosine schedule, one per training step. */
function alphasCumprod(n) {
  const bar = (t) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  let product = 1;
  return Float64Array.from({ length: n }, (_, i) => (product *= 1 - Math.min(1 - bar((i + 1) / n) / bar(i / n), 0.999)));
}

/** One picture by DDIM with classifier-free guidance: {rgb: Uint8Array, width, height, denoiseMs, decodeMs}. */
export async function generate(model, job) {
  const { prompt, negative_prompt: negative = '', seed = 0, steps = 20, guidance = 4 } = job;
  const started = performance.now();
  const batch = guidance > 1 ? 2 : 1;
  const texts = batch === 2 ? [negative, prompt] : [prompt];
  const ids = new BigInt64Array(batch * TOKENS);
  texts.forEach((text, i) => ids.set(tokenize(model.vocabulary, text), i * TOKENS));
  const encoded = await model.text.run({ input_ids: new ort.Tensor('int64', ids, [batch, TOKENS]) });
  const context = encoded.last_hidden_state;

  const channels = model.config.in_channels;
  const { rows = model.config.sample_size, columns = model.config.sample_size } = job;
  const n = channels * rows * columns;
  const alphas = alphasCumprod(model.trainSteps);
  const times = Array.from({ length: steps }, (_, k) => Math.round(model.trainSteps - (k * model.trainSteps) / steps) - 1);
  let x = new TorchRandom(seed).normals(n);
  for (let k = 0; k < steps; k++) {
    const t = times[k];
    const input = new Float32Array(n * batch);
    for (let b = 0; b < batch; b++) input.set(x, b * n);
    const result = await model.unet.run({
      sample: new ort.Tensor('float32', input, [batch, channels, rows, columns]),
      timestep: new ort.Tensor('float32', new Float32Array([t]), [1]),
      encoder_hidden_states: context,
    });
    const out = result.out_sample.data;
    const a = alphas[t];
    const b = k + 1 < steps ? alphas[times[k + 1]] : 1;
    const next = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      const v = batch === 2 ? out[i] + guidance * (out[n + i] - out[i]) : out[i];
      const clean = Math.sqrt(a) * x[i] - Math.sqrt(1 - a) * v;
      const noise = Math.sqrt(a) * v + Math.sqrt(1 - a) * x[i];
      next[i] = Math.sqrt(b) * clean + Math.sqrt(1 - b) * noise;
    }
    x = next;
  }
  const denoised = performance.now();
  const { sample } = await model.decoder.run({ latent_sample: new ort.Tensor('float32', x, [1, channels, rows, columns]) });
  const [, , height, width] = sample.dims;
  const rgb = new Uint8Array(width * height * 3);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < width * height; i++) {
      rgb[i * 3 + c] = Math.max(0, Math.min(255, Math.round((sample.data[c * width * height + i] / 2 + 0.5) * 255)));
    }
  }
  return { rgb, width, height, denoiseMs: denoised - started, decodeMs: performance.now() - denoised };
}

/** Encodes 8-bit RGB as PNG. */
export function png({ rgb, width, height }) {
  const rows = Buffer.alloc(height * (width * 3 + 1));
  for (let y = 0; y < height; y++) rows.set(rgb.subarray(y * width * 3, (y + 1) * width * 3), y * (width * 3 + 1) + 1);
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(data.length + 12);
    out.writeUInt32BE(data.length);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), data.length + 8);
    return out;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  header[9] = 2;
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', zlib.deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** Puts pictures side by side, each in a cell as large as the largest. */
export function sheet(pictures, columns) {
  const w = Math.max(...pictures.map((p) => p.width));
  const h = Math.max(...pictures.map((p) => p.height));
  const width = w * columns;
  const height = h * Math.ceil(pictures.length / columns);
  const rgb = new Uint8Array(width * height * 3);
  pictures.forEach((p, k) => {
    const left = (k % columns) * w;
    const top = Math.floor(k / columns) * h;
    for (let y = 0; y < p.height; y++) rgb.set(p.rgb.subarray(y * p.width * 3, (y + 1) * p.width * 3), ((top + y) * width + left) * 3);
  });
  return { rgb, width, height };
}

if (import.meta.filename === process.argv[1] || path.resolve(process.argv[1]) === new URL(import.meta.url).pathname) {
  const [, , dir, jobsFile, outDir, flag, sheetFile, columns] = process.argv;
  const model = await load(dir);
  const pictures = [];
  fs.mkdirSync(outDir, { recursive: true });
  for (const [i, job] of readJson(jobsFile).entries()) {
    const picture = await generate(model, job);
    fs.writeFileSync(path.join(outDir, `${String(i).padStart(3, '0')}.png`), png(picture));
    pictures.push(picture);
  }
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1].toFixed(0);
  console.log(`${pictures.length} pictures, median ms: denoise ${median(pictures.map((p) => p.denoiseMs))}, decode ${median(pictures.map((p) => p.decodeMs))}`);
  if (flag === '--sheet') fs.writeFileSync(sheetFile, png(sheet(pictures, Number(columns))));
}
