import type { InferenceSession } from "onnxruntime-web";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../src/core/clock.ts";
import { createExecutor } from "../src/engine/create-executor.ts";
import { DiffusionPipeline } from "../src/engine/diffusion-pipeline.ts";
import { loadOnnxRuntime, type LoadedRuntime, type RuntimeSetup } from "../src/engine/onnx-runtime.ts";
import { findNativeRuntime, findRuntime, shippedModelPath } from "../src/engine/package-files.ts";
import type { BenchOptions } from "./bench-options.ts";
import { compare, runRounds, type Comparison, type Sample, type Side } from "./rounds.ts";

/** Of the shipped model at its own size: latents, tokens and their numbers. */
const LATENTS = [16, 8, 8] as const;
const TOKENS = [24, 128] as const;
const STEPS = 20;
const GOAL = 1.05;

/** What the engine takes beside the bare runs of its networks; native only where onnxruntime-node is installed. */
export async function benchEngine({ rounds, quick }: BenchOptions): Promise<readonly Comparison[]> {
  const setups = [await toSetup("wasm"), await toSetup("native").catch(() => undefined)];
  const comparisons: Comparison[] = [];
  for (const setup of setups) if (setup) comparisons.push(...(await benchRuntime(setup, rounds, quick ? 1 : 4)));
  return comparisons;
}

async function benchRuntime(setup: RuntimeSetup, rounds: number, pictures: number): Promise<readonly Comparison[]> {
  const { kind } = setup;
  const floor = await loadBareNetworks(await loadOnnxRuntime(setup));
  const pipeline = await DiffusionPipeline.load(shippedModelPath(), setup);
  await using executor = createExecutor(shippedModelPath(), { kind, threads: 1 }, systemClock);
  await executor.start();
  const request = { prompt: "the sea at sunset with a red boat", seed: 1, numInferenceSteps: STEPS };
  const signal = new AbortController().signal;
  const names = { floor: `${kind}: bare runs`, pipeline: `${kind}: pipeline`, engine: `${kind}: engine` };
  const work: [string, () => Promise<unknown>][] = [
    [names.floor, floor],
    [names.pipeline, async () => pipeline.generate(request, () => undefined)],
    // A child process is not in this one's CPU time.
    ...(kind === "wasm"
      ? [
          [names.engine, async () => executor.generate(request, { signal, onStep: () => undefined })] as [
            string,
            () => Promise<unknown>,
          ],
        ]
      : []),
  ];
  for (const [, run] of work) await run();
  const sides = work.map(([name, run]): Side => ({ name, run: async () => measure(run, pictures) }));
  const samples = await runRounds(sides, rounds);
  const against = (what: string, side: string, goal?: number): Comparison =>
    compare(samples, { what, side, base: names.floor, ...(goal !== undefined && { goal }) });
  return [
    against(`a picture of ${STEPS} steps, up to its pixels`, names.pipeline, GOAL),
    ...(kind === "wasm" ? [against(`the same, in its thread, as a PNG`, names.engine)] : []),
  ];
}

async function measure(run: () => Promise<unknown>, pictures: number): Promise<Sample> {
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  for (let i = 0; i < pictures; i++) await run();
  const { user, system } = process.cpuUsage(startedCpu);
  return { cpuMicros: (user + system) / pictures, perSecond: (pictures * 1000) / (performance.now() - startedMs) };
}

/** The same runs that a picture takes, with numbers that are ready: two prompts, every step for both, one decoding. */
async function loadBareNetworks({ module, setup }: LoadedRuntime): Promise<() => Promise<void>> {
  const [textEncoder, unet, decoder] = await Promise.all(
    ["text_encoder", "unet", "vae_decoder"].map(async (part): Promise<InferenceSession> => {
      const path = join(shippedModelPath(), part, "model.onnx");
      return setup.kind === "wasm"
        ? module.InferenceSession.create(await readFile(path), { executionProviders: ["wasm"] })
        : module.InferenceSession.create(path, {
            executionProviders: ["cpu"],
            intraOpNumThreads: 1,
            interOpNumThreads: 1,
          });
    }),
  );
  if (!textEncoder || !unet || !decoder) throw new Error("A network is missing");
  const floats = (...shape: number[]): InstanceType<typeof module.Tensor> => {
    const count = shape.reduce((product, size) => product * size, 1);
    return new module.Tensor(
      "float32",
      Float32Array.from({ length: count }, (_, i) => Math.sin(i)),
      shape,
    );
  };
  const ids = new module.Tensor(
    "int64",
    BigInt64Array.from({ length: TOKENS[0] }, (_, i) => BigInt(i)),
    [1, TOKENS[0]],
  );
  const timestepSpec = unet.inputMetadata.find(({ name }) => name === "timestep");
  const isWhole = timestepSpec?.isTensor === true && timestepSpec.type === "int64";
  const shape = timestepSpec?.isTensor === true ? timestepSpec.shape.map(() => 1) : [];
  const timestep = isWhole
    ? new module.Tensor("int64", BigInt64Array.of(500n), shape)
    : new module.Tensor("float32", Float32Array.of(500), shape);
  const latents = floats(1, ...LATENTS);
  const feeds = { sample: floats(2, ...LATENTS), timestep, encoder_hidden_states: floats(2, ...TOKENS) };
  return async () => {
    for (let prompt = 0; prompt < 2; prompt++) await textEncoder.run({ input_ids: ids });
    for (let step = 0; step < STEPS; step++) await unet.run(feeds);
    await decoder.run({ latent_sample: latents });
  };
}

async function toSetup(kind: RuntimeSetup["kind"]): Promise<RuntimeSetup> {
  const url = kind === "wasm" ? findRuntime() : findNativeRuntime();
  return { kind, url, threads: 1, memoryMegabytes: undefined };
}
