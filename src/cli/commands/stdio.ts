import { createApp } from "../../app/create-app.ts";
import { getLogger } from "../../logging/logger.ts";
import { serveMcpStdio } from "../../mcp/serve-mcp-stdio.ts";
import { PassThroughTracing } from "../../telemetry/tracing.ts";
import { prepareSettings, type CommandContext } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";
import { startTracing } from "../start-tracing.ts";
import { waitForSignal } from "../wait-for-signal.ts";
import { describeServer } from "./serve.ts";

export interface StdioOptions {
  readonly envFile: string | undefined;
}

const logger = getLogger("cli");

/** Speaks MCP on standard input and output until the client leaves. Pictures are served from the first one on. */
export async function stdio(context: CommandContext, options: StdioOptions): Promise<number> {
  const { settings } = await prepareSettings(context, {
    envFile: options.envFile,
    desk: true,
    requireEndpoint: true,
  });
  if (context.stdin.isTTY) {
    context.stderr.write(
      "mcp-image-server speaks MCP on standard input; an MCP client starts it. For a server of your own run\n" +
        '`mcp-image-server serve --local`, for one picture `mcp-image-server generate "a red circle"`.\n',
    );
  }
  const ended = new AbortController();
  const stopped = waitForSignal(ended.signal);
  const tracing = (await startTracing(context, settings.service.name)) ?? new PassThroughTracing();
  await using app = createApp(settings, { version: context.version, listenOnDemand: true, tracing });
  await app.checkSigning();
  const { buildMcpServer: build, toolNames, newsSources } = app;
  await using connection = serveMcpStdio({ build, toolNames, newsSources, tracing });
  const { url: _, mcp_url: __, ...where } = describeServer(settings, "");
  logger.info("stdio_started", where);
  await Promise.race([connection.closed, stopped]);
  ended.abort();
  await connection.close();
  await app.close();
  await tracing.close().catch((error: unknown) => logger.warn("telemetry_not_sent", { error }));
  return EXIT.ok;
}
