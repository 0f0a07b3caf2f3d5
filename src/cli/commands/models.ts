import { basename, join, resolve } from "node:path";
import { createExecutor, toExecutorLimits } from "../../engine/create-executor.ts";
import type { LoadedSettings } from "../../config/load-settings.ts";
import { systemClock } from "../../core/clock.ts";
import { describeModel, listModels, type ModelFacts } from "../../engine/models/describe-model.ts";
import { parseHubAddress } from "../../engine/models/hub-address.ts";
import { pullModel } from "../../engine/models/pull-model.ts";
import { shippedModelPath } from "../../engine/package-files.ts";
import { prepareSettings, type CommandContext } from "../command-context.ts";
import { userDataFolder } from "../user-folders.ts";
import { EXIT } from "../exit-code.ts";
import { PullLine } from "../pull-line.ts";
import { toBytes } from "../size-in-words.ts";
import { waitForSignal } from "../wait-for-signal.ts";

export interface ModelsOptions {
  readonly envFile: string | undefined;
  readonly json?: boolean;
}

/** Prints the models that are here: the one of this package, those that were pulled, and the one of MODEL_PATH. */
export async function listModelsCommand(context: CommandContext, options: ModelsOptions): Promise<number> {
  const configured = await configuredModel(context, options.envFile);
  const models = [await describeModel(shippedModelPath()), ...(await listModels(modelsFolder(context)))];
  const isListed = models.some(({ folder }) => resolve(folder) === resolve(configured));
  if (!isListed) models.push(await describeModel(configured));
  if (options.json) {
    context.stdout.write(`${JSON.stringify(models.map(toJson))}\n`);
    return EXIT.ok;
  }
  for (const model of models) {
    const mark = resolve(model.folder) === resolve(configured) ? "*" : " ";
    context.stdout.write(`${mark} ${model.name}  ${model.kind}  ${toBytes(model.sizeBytes)}  ${model.folder}\n`);
  }
  return EXIT.ok;
}

/** Prints what is known of a model without loading it. */
export async function showModel(
  context: CommandContext,
  folder: string | undefined,
  options: ModelsOptions,
): Promise<number> {
  const model = await describeModel(folder ?? (await configuredModel(context, options.envFile)));
  context.stdout.write(options.json ? `${JSON.stringify(toJson(model))}\n` : describe(model));
  return EXIT.ok;
}

/** Loads a model and draws two steps with it: what passes will draw. */
export async function checkModel(
  context: CommandContext,
  folder: string | undefined,
  options: ModelsOptions,
): Promise<number> {
  const { settings } = await quietSettings(context, options.envFile);
  const path = folder ?? settings.engine.modelPath ?? shippedModelPath();
  const model = await describeModel(path);
  const say = (text: string): void => void (options.json || context.stdout.write(`${text}\n`));
  say(`ok    layout: ${model.kind}, ${model.scheduler}, ${toBytes(model.sizeBytes)}`);
  const cancel = new AbortController();
  const ended = new AbortController();
  void waitForSignal(ended.signal).then(() => cancel.abort());
  await using executor = createExecutor(path, toExecutorLimits(settings.engine), systemClock);
  try {
    const startedMs = performance.now();
    await executor.start();
    const loadMs = Math.round(performance.now() - startedMs);
    say(`ok    loads in ${toSeconds(loadMs)}`);
    // The first step also warms up; the second tells what all others take.
    const request = { prompt: "a red circle", seed: 1, numInferenceSteps: 2 };
    const steppedMs: number[] = [];
    const { native, timings } = await executor.generate(request, {
      signal: cancel.signal,
      onStep: () => steppedMs.push(performance.now()),
    });
    const stepMs = Math.round((steppedMs.at(-1) ?? 0) - (steppedMs.at(-2) ?? 0));
    const decodeMs = Math.round(timings.decodeMs);
    const pictureMs = timings.encodeMs + stepMs * model.defaults.numInferenceSteps + decodeMs;
    say(`ok    draws ${native.width}x${native.height}: ${toSeconds(stepMs)} a step, ${toSeconds(decodeMs)} to decode`);
    say(
      `      about ${toSeconds(pictureMs)} for a picture of ${model.defaults.numInferenceSteps} steps on this machine now`,
    );
    if (options.json) {
      const times = { load_ms: loadMs, step_ms: stepMs, decode_ms: decodeMs, picture_ms: Math.round(pictureMs) };
      context.stdout.write(`${JSON.stringify({ ...toJson(model), ...times })}\n`);
    }
    return EXIT.ok;
  } finally {
    ended.abort();
  }
}

/** Fetches a model from a hub and prints its folder. */
export async function pullModelCommand(
  context: CommandContext,
  text: string,
  options: { readonly to?: string | undefined },
): Promise<number> {
  const address = parseHubAddress(text);
  const name = basename(address.folder === "" ? address.repository : address.folder);
  const folder = resolve(options.to ?? join(modelsFolder(context), name));
  const cancel = new AbortController();
  const ended = new AbortController();
  void waitForSignal(ended.signal).then(() => cancel.abort());
  using line = new PullLine(context.stderr);
  try {
    await pullModel({
      address,
      folder,
      token: context.env["HUB_TOKEN"] || undefined,
      signal: cancel.signal,
      onProgress: (progress) => line.report(progress),
    });
  } catch (error) {
    if (!cancel.signal.aborted) throw error;
    context.stderr.write("\nStopped. The same command goes on from here.\n");
    return EXIT.temporaryFailure;
  } finally {
    ended.abort();
  }
  context.stdout.write(`${folder}\n`);
  context.stderr.write(`Draw with it: MODEL_PATH="${folder}" mcp-image-server generate "a red boat"\n`);
  return EXIT.ok;
}

/** What these commands have to say they print themselves. */
async function quietSettings(context: CommandContext, envFile: string | undefined): Promise<LoadedSettings> {
  const overrides = { LOG_LEVEL: context.env["LOG_LEVEL"] || "WARNING" };
  return prepareSettings(context, { desk: false, requireEndpoint: false, envFile, overrides });
}

async function configuredModel(context: CommandContext, envFile: string | undefined): Promise<string> {
  const { settings } = await quietSettings(context, envFile);
  return settings.engine.modelPath ?? shippedModelPath();
}

function modelsFolder(context: CommandContext): string {
  return join(userDataFolder(context.env), "models");
}

function toJson(model: ModelFacts): object {
  const { defaults } = model;
  return {
    name: model.name,
    kind: model.kind,
    folder: model.folder,
    size_bytes: model.sizeBytes,
    scheduler: model.scheduler,
    native_pixels: model.nativePixels,
    prompt_tokens: model.promptLength,
    num_inference_steps: defaults.numInferenceSteps,
    guidance_scale: defaults.guidanceScale,
  };
}

function describe(model: ModelFacts): string {
  const { defaults } = model;
  const rows: [string, string][] = [
    ["name", model.name],
    ["kind", model.kind],
    ["folder", model.folder],
    ["size", toBytes(model.sizeBytes)],
    [
      "draws",
      `${model.nativePixels}x${model.nativePixels}, ${defaults.numInferenceSteps} steps, guidance ${defaults.guidanceScale}`,
    ],
    ["scheduler", model.scheduler],
    ["prompt", `${model.promptLength} tokens`],
    ...model.files.map(({ path, sizeBytes }): [string, string] => ["file", `${path}  ${toBytes(sizeBytes)}`]),
  ];
  return rows.map(([key, value]) => `${key.padEnd(10)}${value}\n`).join("");
}

function toSeconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
