import type * as OnnxRuntimeModule from "onnxruntime-web";

/** The API that `onnxruntime-web` and `onnxruntime-node` share. */
export type OnnxRuntime = typeof OnnxRuntimeModule;

/** Which runtime runs the networks, and within what limits. */
export interface RuntimeSetup {
  readonly kind: "wasm" | "native";
  /** Of the module. */
  readonly url: string;
  readonly threads: number;
  /** For the networks and what they compute; `undefined`: as much as there is. */
  readonly memoryMegabytes: number | undefined;
}

/** A runtime that is loaded, and how its sessions are made. */
export interface LoadedRuntime {
  readonly module: OnnxRuntime;
  readonly setup: RuntimeSetup;
}

const PAGES_PER_MEGABYTE = 16;

/** Imports a runtime; call it in a thread or process of its own, for its runs block the thread. */
export async function loadOnnxRuntime(setup: RuntimeSetup): Promise<LoadedRuntime> {
  if (setup.kind === "wasm" && setup.memoryMegabytes !== undefined) limitWasmMemory(setup.memoryMegabytes);
  const imported: OnnxRuntime & { readonly default?: OnnxRuntime } = await import(setup.url);
  // The native runtime is a CommonJS module.
  const module = setup.kind === "native" ? (imported.default ?? imported) : imported;
  if (setup.kind === "wasm") module.env.wasm.numThreads = setup.threads;
  module.env.logLevel = "error";
  return { module, setup };
}

interface WasmMemoryDescriptor {
  readonly initial: number;
  readonly maximum?: number;
}

/** The part of the global `WebAssembly` that Node's types leave out. */
interface WasmGlobal {
  Memory: new (descriptor: WasmMemoryDescriptor) => object;
}

/** Lowers what the memory of a WebAssembly module may grow to: the module asks for 4 GB, and has no setting for it. */
function limitWasmMemory(megabytes: number): void {
  const pages = megabytes * PAGES_PER_MEGABYTE;
  const wasm: WasmGlobal = Reflect.get(globalThis, "WebAssembly");
  const Unlimited = wasm.Memory;
  wasm.Memory = class extends Unlimited {
    constructor(descriptor: WasmMemoryDescriptor) {
      super({ ...descriptor, maximum: Math.max(descriptor.initial, Math.min(descriptor.maximum ?? pages, pages)) });
    }
  };
}
