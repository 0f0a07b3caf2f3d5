import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

export const FAULTED_OPERATIONS = [
  "save",
  "read",
  "open",
  "record",
  "keep",
  "release",
  "delete",
  "list",
  "clean",
  "measure",
  "health",
] as const;
export type FaultedOperation = (typeof FAULTED_OPERATIONS)[number];

export interface FaultedCommand {
  readonly operation: FaultedOperation;
  readonly root: string;
  readonly id: string;
  readonly seed: number;
  readonly sizeBytes: number;
  /** The first byte that chance gives; the next one is one more. */
  readonly chance: number;
}

/** What a call gave, or the code that it failed with. */
export type FaultedOutcome = { readonly value?: unknown } | { readonly code: string; readonly message: string };

/** No call may take longer; under a tracer on a busy machine it takes some milliseconds. */
const DEADLINE_MS = 10_000;

/** A process that works on folders, whose calls may be made to fail. */
export class FaultedProcess implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor() {
    const program = join(import.meta.dirname, "faulted-storage-process.ts");
    // One thread beside the main one, so that the n-th call is always the same; io_uring would pass the tracer by.
    const env = { ...process.env, UV_THREADPOOL_SIZE: "1", UV_USE_IO_URING: "0" };
    this.#child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"], env });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /** Resolves when it waits for what to do, and all its threads are there. */
  static async start(): Promise<FaultedProcess> {
    const started = new FaultedProcess();
    assert.equal((await started.#lines.next()).value, "ready");
    return started;
  }

  get pid(): number {
    assert.ok(this.#child.pid);
    return this.#child.pid;
  }

  /** The outcome, or `undefined` when the process died on the way. @throws {Error} when it hangs */
  async run(command: FaultedCommand): Promise<FaultedOutcome | undefined> {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`No end of ${JSON.stringify(command)}`)), DEADLINE_MS);
    const line = await Promise.race([this.#lines.next(), late]).finally(() => clearTimeout(timer));
    return line.done === true ? undefined : JSON.parse(line.value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}
