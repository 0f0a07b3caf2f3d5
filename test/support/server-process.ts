import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

/** The command: its source, or what `TEST_COMMAND` names, such as the built one. */
export const COMMAND = resolve(import.meta.dirname, "../..", process.env["TEST_COMMAND"] ?? "src/cli/bin.ts");

/** Compiled code is no user's data: it lies outside of every home, where the next process finds it. */
const COMPILED_CODE = resolve(import.meta.dirname, "../../node_modules/.cache/mcp-image-server-test");

/** The environment of a fresh user: nothing set but where programs, the home and temporary files are. */
export function freshEnvironment(
  home: string,
  settings: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const places = { HOME: home, TMPDIR: tmpdir(), NODE_COMPILE_CACHE: COMPILED_CODE };
  return { PATH: process.env["PATH"] ?? "", ...places, ...settings };
}

/** A temporary folder that is gone at the end. */
export class TemporaryFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "mcp-image-server-test-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface CommandResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly home: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A program and its words that run the command. Default: nothing stands before it. */
  readonly runner?: readonly [string, ...string[]];
}

/** Runs the command to its end, with an empty standard input. */
export async function runCommand(args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const child = startCommand(args, options);
  child.stdin.end();
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [exitCode, signal] = await once(child, "close");
  return { exitCode, signal, stdout: stdout(), stderr: stderr() };
}

export function startCommand(args: readonly string[], options: CommandOptions): ChildProcessWithoutNullStreams {
  const own = [process.execPath, COMMAND, ...args] as const;
  const [program, ...words] = options.runner === undefined ? own : [...options.runner, ...own];
  return spawn(program, words, {
    cwd: options.cwd ?? options.home,
    env: freshEnvironment(options.home, options.settings),
  });
}

/** `serve --local` in a process of its own, on a free port. */
export class ServerProcess implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  readonly url: string;
  /** Lines of the log so far. */
  readonly logLines: readonly Readonly<Record<string, unknown>>[];

  constructor(child: ChildProcessWithoutNullStreams, url: string, logLines: Record<string, unknown>[]) {
    this.child = child;
    this.url = url;
    this.logLines = logLines;
  }

  static async start(options: CommandOptions, args: readonly string[] = ["serve", "--local"]): Promise<ServerProcess> {
    const child = startCommand(args, { ...options, settings: { PORT: "0", ...options.settings } });
    const logLines: Record<string, unknown>[] = [];
    const { promise, resolve: started, reject } = Promise.withResolvers<string>();
    createInterface(child.stderr).on("line", (line) => {
      const entry: Record<string, unknown> = line.startsWith("{") ? JSON.parse(line) : { text: line };
      logLines.push(entry);
      if (entry["event"] === "server_started") started(String(entry["url"]));
    });
    child.once("exit", (code) => reject(new Error(`The server ended with ${code}: ${JSON.stringify(logLines)}`)));
    return new ServerProcess(child, await promise, logLines);
  }

  /** Sends the signal and gives the exit code. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, "exit");
      this.child.kill(signal);
      await ended;
    }
    return this.child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    text += chunk;
  });
  return () => text;
}
