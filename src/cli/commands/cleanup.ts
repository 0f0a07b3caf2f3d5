import { createStorage } from "../../app/create-storage.ts";
import { prepareSettings, type CommandContext } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";

export interface CleanupOptions {
  readonly envFile: string | undefined;
  readonly local?: boolean;
}

/** Deletes expired pictures once and prints how many. */
export async function cleanup(context: CommandContext, options: CleanupOptions): Promise<number> {
  const { settings } = await prepareSettings(context, {
    envFile: options.envFile,
    desk: options.local ?? false,
    requireEndpoint: false,
  });
  await using storage = createStorage(settings.storage, () => "");
  const deleted = await storage.cleanupExpiredImages(settings.images.ttlSeconds ?? Infinity);
  context.stdout.write(`${deleted} expired ${deleted === 1 ? "picture" : "pictures"} deleted\n`);
  return EXIT.ok;
}
