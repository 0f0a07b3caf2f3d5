import { createStorage } from "../../app/create-storage.ts";
import { ConfigurationError } from "../../core/errors.ts";
import type { StorageUsage } from "../../storage/storage-quota.ts";
import { S3Storage } from "../../storage/s3-storage.ts";
import { prepareSettings, type CommandContext } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";

export interface StorageUsageOptions {
  readonly envFile: string | undefined;
  readonly local?: boolean;
  readonly json?: boolean;
}

export interface StorageLifecycleOptions {
  readonly envFile: string | undefined;
  readonly apply?: boolean;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Counts what is stored and prints it. */
export async function printStorageUsage(context: CommandContext, options: StorageUsageOptions): Promise<number> {
  const { settings } = await prepareSettings(context, {
    envFile: options.envFile,
    desk: options.local ?? false,
    requireEndpoint: false,
  });
  await using storage = createStorage(settings.storage, () => "");
  const usage = await storage.measureUsage();
  if (usage === undefined) throw new ConfigurationError("configuration_invalid", "This storage cannot be counted");
  context.stdout.write(options.json ? `${JSON.stringify(toJson(usage))}\n` : toLines(usage));
  return EXIT.ok;
}

/** Prints the lifecycle rule for the bucket, or sets it beside the rules that are there. */
export async function setStorageLifecycle(context: CommandContext, options: StorageLifecycleOptions): Promise<number> {
  const { settings } = await prepareSettings(context, {
    envFile: options.envFile,
    desk: false,
    requireEndpoint: false,
  });
  const { ttlSeconds } = settings.images;
  await using storage = createStorage(settings.storage, () => "");
  if (!(storage instanceof S3Storage)) {
    const message = "Cannot make a lifecycle rule: only buckets have them, and STORAGE_BACKEND is file";
    throw new ConfigurationError("configuration_invalid", message);
  }
  if (ttlSeconds === undefined) {
    const message = "Cannot make a lifecycle rule: IMAGE_TTL is never, so nothing expires";
    throw new ConfigurationError("configuration_invalid", message);
  }
  if (options.apply) {
    const change = await storage.applyLifecycle(ttlSeconds);
    context.stdout.write(`The lifecycle rule was ${change === "unchanged" ? "there already" : change}\n`);
    return EXIT.ok;
  }
  context.stdout.write(`${JSON.stringify({ Rules: [storage.describeLifecycle(ttlSeconds)] }, undefined, 2)}\n`);
  context.stderr.write("Nothing was changed: --apply sets this rule beside those that the bucket has\n");
  return EXIT.ok;
}

function toJson({ images, bytes, keptImages, keptBytes, limitBytes }: StorageUsage): Record<string, number | null> {
  return { images, bytes, kept_images: keptImages, kept_bytes: keptBytes, limit_bytes: limitBytes ?? null };
}

function toLines({ images, bytes, keptImages, keptBytes, limitBytes }: StorageUsage): string {
  const limit = limitBytes === undefined ? "none" : formatBytes(limitBytes);
  return [
    `pictures  ${images}, ${formatBytes(bytes)}`,
    `kept      ${keptImages}, ${formatBytes(keptBytes)}`,
    `limit     ${limit}`,
    "",
  ].join("\n");
}

function formatBytes(bytes: number): string {
  const step = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  return `${step === 0 ? value : value.toFixed(1)} ${UNITS[step] ?? ""}`;
}
