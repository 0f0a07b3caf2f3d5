import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { GenerateImageParams } from "../src/images/generate-image-params.ts";

/** The little of SDK v1 that we use. Its own types are there only once it is installed, which type checks need not be. */
export interface SdkV1 {
  readonly McpServer: new (info: object, options: object) => SdkV1Server;
  readonly StreamableHTTPServerTransport: new (options: { readonly sessionIdGenerator: undefined }) => SdkV1Transport;
}

export interface SdkV1Server {
  registerTool(
    name: string,
    config: object,
    call: (params: GenerateImageParams, extra: { readonly signal: AbortSignal }) => Promise<object>,
  ): void;
  connect(transport: SdkV1Transport): Promise<void>;
  close(): Promise<void>;
}

interface SdkV1Transport {
  handleRequest(req: IncomingMessage, res: ServerResponse, body: unknown): Promise<void>;
  close(): Promise<void>;
}

const SDK_FOLDER = resolve(import.meta.dirname, "node_modules/@modelcontextprotocol/sdk/dist/esm/server");

/** Installs it, from the lock of this folder, when it is not there. */
export function installSdkV1(): void {
  if (existsSync(SDK_FOLDER)) return;
  console.log("SDK v1 is not installed; running: npm ci --prefix bench");
  execFileSync("npm", ["ci", "--prefix", import.meta.dirname], { stdio: "inherit" });
}

export async function loadSdkV1(): Promise<SdkV1> {
  const [mcp, http]: Partial<SdkV1>[] = await Promise.all(
    ["mcp.js", "streamableHttp.js"].map(async (file) => import(pathToFileURL(resolve(SDK_FOLDER, file)).href)),
  );
  return { ...mcp, ...http } as SdkV1;
}
