import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { COMMAND, freshEnvironment } from "../support/server-process.ts";

const FOLDER = resolve(import.meta.dirname, "inspector");
const CLI = resolve(FOLDER, "node_modules/@modelcontextprotocol/inspector/clients/cli/build/index.js");
const TIMEOUT_MS = 60_000;

/** Where the Inspector finds the server: at an address, or as a command that it starts with these settings. */
export type InspectorTarget = { readonly url: string } | { readonly settings: Readonly<Record<string, string>> };

export interface InspectorOptions {
  readonly target: InspectorTarget;
  readonly era: string;
  /** Where it keeps what it remembers of servers. */
  readonly home: string;
}

export interface InspectorAnswer {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Installs the Inspector, from the lock of its folder, when it is not there. */
export function installInspector(): void {
  if (existsSync(CLI)) return;
  console.log("The MCP Inspector is not installed; running: npm ci --prefix test/conformance/inspector");
  const args = ["ci", "--prefix", FOLDER, "--ignore-scripts", "--no-audit", "--no-fund"];
  execFileSync("npm", args, { stdio: "inherit" });
}

/** Runs the Inspector's command line once. */
export async function runInspector(
  { target, era, home }: InspectorOptions,
  args: readonly string[],
): Promise<InspectorAnswer> {
  const where =
    "url" in target
      ? ["--transport", "http", "--server-url", target.url]
      : [
          ...Object.entries(target.settings).flatMap(([name, value]) => ["-e", `${name}=${value}`]),
          process.execPath,
          COMMAND,
          "stdio",
        ];
  const child = spawn(process.execPath, [CLI, "--protocol-era", era, ...where, ...args], {
    env: freshEnvironment(home),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
  });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { exitCode, stdout, stderr };
}
