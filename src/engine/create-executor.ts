import { availableParallelism } from "node:os";
import type { Clock } from "../core/clock.ts";
import { EngineExecutor } from "./engine-executor.ts";
import type { RuntimeSetup } from "./onnx-runtime.ts";
import { findNativeRuntime, findRuntime } from "./package-files.ts";
import { createProcessStarter } from "./process-life.ts";
import { createThreadStarter } from "./thread-life.ts";

/** What runs the networks, and what it may take. */
export interface ExecutorLimits {
  /** `native` needs the package onnxruntime-node, which is not among ours. Default `wasm`. */
  readonly kind?: RuntimeSetup["kind"] | undefined;
  /** Of native code; default: as many as there are processors. WebAssembly has one. */
  readonly threads?: number | undefined;
  /** Default: as much as there is. */
  readonly memoryMegabytes?: number | undefined;
  /** How long a cancelled job may go on before its executor is ended. Default 2000. */
  readonly cancelGraceMs?: number | undefined;
}

/** @throws {ConfigurationError} `configuration_invalid` when the runtime is not installed */
export function createExecutor(modelPath: string, limits: ExecutorLimits, clock: Clock): EngineExecutor {
  const { kind = "wasm", memoryMegabytes, cancelGraceMs } = limits;
  // Measured with the shipped model: a second thread makes each step of WebAssembly slower (54 instead of 34 ms). Nor does
  // the build of the runtime that we ship start one outside of browsers.
  const threads = kind === "wasm" ? 1 : (limits.threads ?? availableParallelism());
  const url = kind === "wasm" ? findRuntime() : findNativeRuntime();
  const setup = { modelPath, runtime: { kind, url, threads, memoryMegabytes } };
  const start = kind === "wasm" ? createThreadStarter(setup) : createProcessStarter(setup, clock);
  return new EngineExecutor({ start, clock, cancelGraceMs });
}

/** The part of the settings that says how an executor is made. */
export function toExecutorLimits(settings: {
  readonly executor: RuntimeSetup["kind"];
  readonly threads: number | undefined;
  readonly memoryMegabytes: number | undefined;
  readonly cancelGraceSeconds: number;
}): ExecutorLimits {
  const { executor: kind, threads, memoryMegabytes, cancelGraceSeconds } = settings;
  return { kind, threads, memoryMegabytes, cancelGraceMs: cancelGraceSeconds * 1000 };
}
