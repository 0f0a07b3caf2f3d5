import { createApp } from "../../src/app/create-app.ts";
import { parseSettings } from "../../src/config/load-settings.ts";
import { configureLogging } from "../../src/logging/logger.ts";
import { FakeKServeRuntime, type FakeKServeRuntimeOptions } from "../../src/testing/fake-kserve-runtime.ts";
import { connectMcpHttp, type Era } from "./mcp-clients.ts";
import { TemporaryFolder } from "./server-process.ts";

/** `npm run prove` runs the load tests in full; `npm test` at about a tenth. */
export const IS_PROOF = process.env["PROVE"] === "1";

/** Prints a measured figure, in a proof only. */
export function report(figure: string): void {
  if (IS_PROOF) process.stdout.write(`figure: ${figure}\n`);
}

export type LogEntry = Readonly<Record<string, unknown>>;

/** The whole server over a fake model server, in this process, on a free port and in a folder of its own. */
export async function startLoadedServer(
  settings: Readonly<Record<string, string>> = {},
  runtimeOptions: FakeKServeRuntimeOptions = {},
) {
  const log: LogEntry[] = [];
  configureLogging({
    service: "test",
    level: "INFO",
    destination: { write: (line) => void log.push(JSON.parse(line)) },
  });
  const folder = new TemporaryFolder();
  const runtime = await FakeKServeRuntime.start(runtimeOptions);
  const env = {
    HOST: "127.0.0.1",
    PORT: "0",
    STORAGE_PATH: folder.path,
    KSERVE_ENDPOINT: runtime.url,
    SHUTDOWN_TIMEOUT: "1",
    MCP_MAX_SESSIONS: "200",
    ...settings,
  };
  const app = createApp(parseSettings(env), { version: "1.2.3" });
  const url = await app.listen();
  return {
    app,
    runtime,
    url,
    mcpUrl: new URL(`${url}/mcp`),
    log,
    count: (event: string) => log.filter((entry) => entry["event"] === event).length,
    connect: async (era: Era, token?: string) => connectMcpHttp(new URL(`${url}/mcp`), era, token),
    /** The value of a metric; labels belong to the name. */
    readMetric: async (name: string) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      const line = text.split("\n").find((one) => one.startsWith(`${name} `));
      return Number(line?.slice(name.length));
    },
    [Symbol.asyncDispose]: async () => {
      await runtime.close();
      await app.close();
      folder[Symbol.dispose]();
    },
  };
}

export type LoadedServer = Awaited<ReturnType<typeof startLoadedServer>>;

/** The answer to a call: a picture, or the error code that it was refused with. */
export type Outcome = { readonly imageId: string } | { readonly error: string; readonly retryAfterSeconds: unknown };

type CallResult = Awaited<ReturnType<Awaited<ReturnType<typeof connectMcpHttp>>["callTool"]>>;

export function toOutcome(result: CallResult): Outcome {
  if (result.isError !== true)
    return { imageId: String((result.structuredContent as Record<string, unknown>)["image_id"]) };
  const [content] = result.content;
  const body = JSON.parse(content?.type === "text" ? content.text : "{}");
  return { error: body.error, retryAfterSeconds: body.details?.retry_after_seconds };
}
