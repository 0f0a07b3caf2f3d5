import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { startCommand, type CommandOptions } from "./server-process.ts";

/** `mcp-image-server engine` in a process of its own, its model loaded. */
export class EngineProcess implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  readonly url: string;

  constructor(child: ChildProcessWithoutNullStreams, url: string) {
    this.child = child;
    this.url = url;
  }

  static async start(options: CommandOptions, args: readonly string[] = []): Promise<EngineProcess> {
    const engine = await EngineProcess.#launch(options, ["--port", "0", ...args]);
    while (!(await fetch(`${engine.url}/v2/health/ready`)).ok) await delay(50);
    return engine;
  }

  /** Its model may still be loading. */
  static async startOnSocket(options: CommandOptions, socketPath: string): Promise<EngineProcess> {
    return EngineProcess.#launch(options, ["--socket", socketPath]);
  }

  static async #launch(options: CommandOptions, args: readonly string[]): Promise<EngineProcess> {
    const child = startCommand(["engine", ...args], options);
    let log = "";
    child.stderr.on("data", (text: Buffer) => (log += text.toString()));
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    createInterface(child.stdout).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`The engine ended with ${code}: ${log}`)));
    return new EngineProcess(child, await promise);
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
