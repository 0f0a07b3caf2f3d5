import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { prepareSettings, type CommandContext } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";

export interface HealthcheckOptions {
  readonly envFile: string | undefined;
  readonly ready?: boolean;
  readonly url?: string;
}

const TIMEOUT_MS = 5000;

/** Asks the running server for `/livez` or `/readyz`: exit code 0 when it answers 200, 69 otherwise. */
export async function healthcheck(context: CommandContext, options: HealthcheckOptions): Promise<number> {
  const base = options.url ?? (await localUrl(context, options.envFile));
  const url = `${base.replace(/\/+$/, "")}/${options.ready ? "readyz" : "livez"}`;
  const outcome = await ask(url);
  context.stdout.write(`${url}: ${outcome.words}\n`);
  return outcome.healthy ? EXIT.ok : EXIT.unavailable;
}

async function localUrl(context: CommandContext, envFile: string | undefined): Promise<string> {
  const { settings } = await prepareSettings(context, { envFile, desk: false, requireEndpoint: false });
  const { host, port } = settings.http;
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

async function ask(url: string): Promise<{ healthy: boolean; words: string }> {
  const { promise, resolve } = Promise.withResolvers<{ healthy: boolean; words: string }>();
  const request = url.startsWith("https:") ? requestHttps : requestHttp;
  try {
    const call = request(url, { timeout: TIMEOUT_MS, agent: false }, (response) => {
      response.resume();
      resolve({ healthy: response.statusCode === 200, words: `HTTP ${response.statusCode}` });
    });
    call.on("timeout", () => call.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    call.on("error", (error) => resolve({ healthy: false, words: error.message }));
    call.end();
  } catch (error) {
    resolve({ healthy: false, words: error instanceof Error ? error.message : String(error) });
  }
  return promise;
}
