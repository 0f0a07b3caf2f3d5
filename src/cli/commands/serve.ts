import { createApp } from "../../app/create-app.ts";
import type { Settings } from "../../config/settings.ts";
import { getLogger } from "../../logging/logger.ts";
import { prepareSettings, type CommandContext } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";
import { waitForSignal } from "../wait-for-signal.ts";

export interface ServeOptions {
  readonly envFile: string | undefined;
  readonly local?: boolean;
  readonly host?: string;
  readonly port?: string;
}

const logger = getLogger("cli");

/** Serves until SIGTERM or SIGINT, then ends cleanly. */
export async function serve(context: CommandContext, options: ServeOptions): Promise<number> {
  const { settings } = await prepareSettings(context, {
    envFile: options.envFile,
    desk: options.local ?? false,
    requireEndpoint: true,
    overrides: { HOST: options.host, PORT: options.port },
  });
  // Before anything is started: a signal that comes early must not be lost.
  const stopped = waitForSignal();
  await using app = createApp(settings, { version: context.version });
  const url = await app.listen();
  logger.info("server_started", describeServer(settings, url));
  void app.generator.warmUp().catch((error: unknown) => logger.warn("model_not_ready_yet", { error }));
  const signal = await stopped;
  logger.info("server_stopping", { signal });
  await app.close();
  logger.info("server_stopped");
  return EXIT.ok;
}

/** What an operator wants to see first: where, from what, into what, for how long. */
export function describeServer(settings: Settings, url: string): Record<string, unknown> {
  const { kserve, storage, images } = settings;
  return {
    url,
    mcp_url: `${url}/mcp`,
    endpoint: kserve.endpoint?.kind === "url" ? kserve.endpoint.url : "built-in engine",
    storage: storage.backend === "file" ? storage.path : `s3://${storage.bucket}/${storage.prefix}`,
    ttl_seconds: images.ttlSeconds ?? "never",
  };
}
