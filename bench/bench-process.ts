import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { readCpuNs, readResidentBytes } from "./cpu-time.ts";
import { undoWhenKilled } from "./when-killed.ts";

/** The measured side has one core, what puts load on it the other; what has threads of its own may run on either. */
export type Core = "server" | "client" | "any";

export interface BenchProcessOptions {
  readonly core: Core;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const CPUS: Readonly<Record<Core, string>> = { server: "0", client: "1", any: "0,1" };
const STOP_TIMEOUT_MS = 10_000;

/** True when processes can be bound to a core; without that, the figures scatter more. */
export const canPin = hasCommand("taskset", ["-c", "0,1", "true"]);

/** True when the command is installed. */
export function hasCommand(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A process of the benchmark, bound to a core, that may speak in lines of JSON on its standard streams. */
export class BenchProcess implements AsyncDisposable {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, pid: number, lines: Interface) {
    this.pid = pid;
    this.#child = child;
    this.#lines = lines[Symbol.asyncIterator]();
  }

  static async start({ core, command, args, env = {} }: BenchProcessOptions): Promise<BenchProcess> {
    // `taskset` replaces itself by the command, so the pid is the command's.
    const words = canPin ? ["taskset", "-c", CPUS[core], command, ...args] : [command, ...args];
    const child = spawn(words[0] ?? command, words.slice(1), {
      stdio: ["pipe", "pipe", "inherit"],
      env: { PATH: process.env["PATH"] ?? "", ...env },
    });
    await once(child, "spawn");
    if (child.pid === undefined || child.stdout === null) throw new Error(`Cannot start ${command}`);
    const forget = undoWhenKilled(() => child.kill("SIGKILL"));
    child.once("exit", forget);
    return new BenchProcess(child, child.pid, createInterface(child.stdout));
  }

  /** Starts a script of `bench/processes` under this Node. */
  static async script(core: Core, name: string, args: readonly string[] = []): Promise<BenchProcess> {
    const path = resolve(import.meta.dirname, "processes", name);
    return BenchProcess.start({ core, command: process.execPath, args: [path, ...args] });
  }

  /** The next line of standard output as JSON. */
  async read(): Promise<Readonly<Record<string, unknown>>> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`A process of the benchmark ended early: ${this.#child.spawnargs.join(" ")}`);
    const message: Record<string, unknown> = JSON.parse(value);
    return message;
  }

  /** Sends a line of JSON and waits for the answer. */
  async ask(message: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>> {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
    return this.read();
  }

  /** CPU microseconds so far, with those of its children. */
  cpuMicros(): number {
    return readCpuNs(this.pid) / 1000;
  }

  residentBytes(): number {
    return readResidentBytes(this.pid);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
