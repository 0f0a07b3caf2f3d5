import { access, mkdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { systemClock, type Clock } from "../../core/clock.ts";
import { ConfigurationError, StorageError } from "../../core/errors.ts";
import { loadModelLayout } from "../model-layout.ts";
import { downloadFile } from "./download-file.ts";
import { toFileUrl, type HubAddress } from "./hub-address.ts";
import { HubConnection } from "./hub-connection.ts";
import { listHubFiles } from "./hub-files.ts";

export interface PullModelOptions {
  readonly address: HubAddress;
  /** The model's folder; it must not exist yet. */
  readonly folder: string;
  readonly token?: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PullProgress) => void;
  readonly clock?: Clock;
}

export interface PullProgress {
  readonly file: string;
  /** Of all files together. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Fetches a model from a hub. Until it is whole it lies in `<folder>.partial`, where the next call goes on; the folder itself
 * appears at once, with everything in it.
 *
 * @throws {StorageError} `image_exists` when the folder is there already
 * @throws {ConfigurationError} `configuration_invalid` when the engine cannot draw with the model; it is kept as partial
 */
export async function pullModel(options: PullModelOptions): Promise<void> {
  const { address, folder, token, signal, onProgress, clock = systemClock } = options;
  if (await exists(folder)) throw new StorageError("image_exists", `"${folder}" exists already`);
  const hub = new HubConnection({ token, clock, signal });
  const files = await listHubFiles(hub, address);
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const partial = `${folder}.partial`;
  await mkdir(partial, { recursive: true });
  let doneBytes = 0;
  // What tells whether the engine can draw with it is small and comes first.
  const smallFirst = files.toSorted((left, right) => left.sizeBytes - right.sizeBytes);
  for (const file of smallFirst) {
    const before = doneBytes;
    await downloadFile({
      hub,
      clock,
      signal,
      url: toFileUrl(address, file.path),
      file,
      path: join(partial, ...file.target.split("/")),
      onBytes: (bytes) => onProgress({ file: file.target, doneBytes: before + bytes, totalBytes }),
    });
    doneBytes += file.sizeBytes;
  }
  await checkWhole(partial);
  await mkdir(dirname(folder), { recursive: true });
  await rename(partial, folder);
}

async function checkWhole(folder: string): Promise<void> {
  const { encoders, paths } = await loadModelLayout(folder);
  for (const path of [...encoders.map(({ network }) => network), paths.unet, paths.vaeDecoder]) {
    if (await exists(path)) continue;
    const message = `The hub's model is no ONNX export: "${path}" is not among its files`;
    throw new ConfigurationError("configuration_invalid", message);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
