import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemRandom } from "../../src/core/random.ts";

export interface TraceOptions {
  /** What strace calls the system calls, such as `all` or `link,fdatasync`. */
  readonly calls: string;
  /** What is done to them, such as `link:error=EIO:when=3`; a thread counts its own calls. Default: they are only watched. */
  readonly inject?: readonly string[];
  /** Only calls on these files count. Default: all. */
  readonly paths?: readonly string[];
}

/** A system call that was seen. */
export interface TracedCall {
  readonly thread: number;
  readonly name: string;
}

/** Watches a process that runs, and answers some of its system calls in place of the kernel, until it is stopped. */
export class Trace implements AsyncDisposable {
  /** Complete once it is stopped. */
  calls: readonly TracedCall[] = [];
  /** The names of the calls that were answered, or delayed, in place of the kernel; complete as well. */
  injected: readonly string[] = [];
  readonly #child: ChildProcess;
  readonly #log: string;
  #stopping: Promise<void> | undefined;

  private constructor(child: ChildProcess, log: string) {
    this.#child = child;
    this.#log = log;
  }

  /** Resolves when every thread of the process is watched. */
  static async start(pid: number, { calls, inject = [], paths = [] }: TraceOptions): Promise<Trace> {
    const log = join(tmpdir(), `strace-${pid}-${Buffer.from(systemRandom.bytes(6)).toString("hex")}.log`);
    const words = [
      "--follow-forks",
      `--attach=${pid}`,
      `--output=${log}`,
      "--signal=none",
      `--trace=${calls}`,
      ...inject.map((each) => `--inject=${each}`),
      ...paths.map((path) => `--trace-path=${path}`),
    ];
    const child = spawn("strace", words, { stdio: ["ignore", "ignore", "pipe"] });
    const { promise: attached, resolve, reject } = Promise.withResolvers<void>();
    createInterface(child.stderr).on("line", (line) => {
      if (/strace: Process \d+ attached/.test(line)) resolve();
      else if (!/strace: Process \d+ /.test(line)) reject(new Error(line));
    });
    child.once("close", (code) => reject(new Error(`strace ended with ${code} before it watched`)));
    const trace = new Trace(child, log);
    await attached.catch(async (error: unknown) => {
      await trace.stop("SIGKILL").catch(() => undefined); // there may be no log
      throw error;
    });
    return trace;
  }

  /**
   * Lets the process go on without us. Safe to call twice.
   *
   * @param signal `SIGKILL` where the process died of what was injected: strace may wait for ever for a thread of it
   */
  async stop(signal: "SIGINT" | "SIGKILL" = "SIGINT"): Promise<void> {
    this.#stopping ??= this.#stopOnce(signal);
    await this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stopOnce(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "exit");
      this.#child.kill(signal);
      await ended;
    }
    const lines = (await readFile(this.#log, "utf8")).split("\n");
    await rm(this.#log);
    this.injected = lines.flatMap(
      (line) => /^\d+ +(?:<\.\.\. )?(\w+).*\((?:INJECTED|DELAYED)\)$/.exec(line)?.[1] ?? [],
    );
    this.calls = lines.flatMap((line) => {
      const [, thread, name] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
      return name === undefined ? [] : [{ thread: Number(thread), name }];
    });
  }
}
