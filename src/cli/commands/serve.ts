import { createApp } from "../../app/create-app.ts";
import type { Settings } from "../../config/settings.ts";
import { isLoopbackName, toHostName } from "../../http/host-name.ts";
import { getLogger } from "../../logging/logger.ts";
import { prepareSettings, type CommandContext } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";
import { startTracing } from "../start-tracing.ts";
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
  const tracing = await startTracing(context, settings.service.name);
  await using app = createApp(settings, { version: context.version, ...(tracing && { tracing }) });
  const url = await app.listen();
  logger.info("server_started", describeServer(settings, url));
  warnWhenOpen(settings);
  void app.generator.warmUp().catch((error: unknown) => logger.warn("model_not_ready_yet", { error }));
  const signal = await stopped;
  logger.info("server_stopping", { signal });
  await app.close();
  await tracing?.close().catch((error: unknown) => logger.warn("telemetry_not_sent", { error }));
  logger.info("server_stopped");
  return EXIT.ok;
}

/** A server that everybody may use is fine when somebody means it. */
function warnWhenOpen({ http, access }: Settings): void {
  const { auth } = access;
  if (auth.mode !== "none" || auth.isExplicit || isLoopbackName(toHostName(http.host))) return;
  logger.warn("server_open_to_everybody", {
    host: http.host,
    message:
      "Whoever reaches this address may generate pictures and see all of them. Set AUTH_MODE=token and API_KEYS, or " +
      "AUTH_MODE=oauth; AUTH_MODE=none says that you mean it",
  });
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
