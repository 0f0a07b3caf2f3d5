import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import type { GenerationDefaults } from "../generation-defaults.ts";
import type { ModelKind } from "../model-kind.ts";
import { loadModelLayout } from "../model-layout.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";

/** What can be said of a model without loading its networks. */
export interface ModelFacts {
  readonly name: string;
  readonly kind: ModelKind;
  readonly folder: string;
  readonly scheduler: string;
  readonly defaults: GenerationDefaults;
  /** Pixels of a picture of the size that the model was trained on. */
  readonly nativePixels: number;
  /** Tokens of a prompt. */
  readonly promptLength: number;
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  readonly sizeBytes: number;
}

const MAX_FILES = 1000;

/** @throws {ConfigurationError} `configuration_invalid` when the folder is no model that the engine can draw with */
export async function describeModel(folder: string): Promise<ModelFacts> {
  const { name, kind, schedulerConfig, defaults, latents, encoders } = await loadModelLayout(folder);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .slice(0, MAX_FILES)
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return { path: relative(folder, path), sizeBytes: (await stat(path)).size };
      }),
  );
  return {
    name,
    kind,
    folder,
    scheduler: createScheduler(schedulerConfig).name,
    defaults,
    nativePixels: latents.nativeSide * latents.pixelsPerLatent,
    promptLength: Math.min(...encoders.map(({ promptLength }) => promptLength)),
    files: files.toSorted((left, right) => (left.path < right.path ? -1 : 1)),
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
  };
}

/** The models below a folder, one per folder in it that holds one; what is none is left out. */
export async function listModels(folder: string): Promise<readonly ModelFacts[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries
      .filter((entry) => entry.isDirectory() && !entry.name.endsWith(".partial"))
      .slice(0, MAX_FILES)
      .map(async (entry) => describeModel(join(folder, entry.name)).catch(() => undefined)),
  );
  return found.flatMap((model) => model ?? []);
}
