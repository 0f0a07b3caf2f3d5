import fileSystem from "node:fs";
import fs, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import type { TestContext } from "node:test";

/** One call of `node:fs/promises`, of a method of a handle that it opened, or of the calls of `node:fs` that readers use. */
export interface FileSystemCall {
  /** `open` (also for `openSync`), `readdir`, `FileHandle.datasync`, `read`. */
  readonly name: string;
  /** The paths that the call names; none for a method of a handle. */
  readonly paths: readonly string[];
}

type Func = (...args: readonly unknown[]) => Promise<unknown>;
type SyncFunc = (...args: readonly unknown[]) => unknown;

const PATH_COUNTS: Readonly<Record<string, number>> = {
  access: 1,
  copyFile: 2,
  link: 2,
  lstat: 1,
  mkdir: 1,
  open: 1,
  opendir: 1,
  readFile: 1,
  readdir: 1,
  readlink: 1,
  realpath: 1,
  rename: 2,
  rm: 1,
  rmdir: 1,
  stat: 1,
  symlink: 2,
  truncate: 1,
  unlink: 1,
  utimes: 1,
  writeFile: 1,
};
const SYNC_CALLS = { openSync: "open", lstatSync: "lstat", fstatSync: "fstat", readSync: "read" } as const;
const ON_PATHS: ReadonlySet<string> = new Set(["open", "lstat"]);
const HANDLE_METHODS = ["stat", "readFile", "writeFile", "datasync", "sync", "close"] as const;

/**
 * Calls `onCall` before every call of `node:fs/promises` until the test ends; what it throws is what the call rejects
 * with. The whole process is watched, so use it in tests that run alone.
 */
export function watchFileSystem(t: TestContext, onCall: (call: FileSystemCall) => void): void {
  const original = new Map<string, unknown>();
  for (const [name, pathCount] of Object.entries(PATH_COUNTS)) {
    const call: unknown = Reflect.get(fs, name);
    if (!isFunction(call)) continue;
    original.set(name, call);
    Reflect.set(fs, name, async (...args: readonly unknown[]) => {
      onCall({ name, paths: args.slice(0, pathCount).map(String) });
      const result = await call(...args);
      return name === "open" ? watchHandle(result, onCall) : result;
    });
  }
  const originalSync = watchSyncCalls(onCall);
  syncBuiltinESMExports();
  t.after(() => {
    for (const [name, call] of original) Reflect.set(fs, name, call);
    for (const [name, call] of originalSync) Reflect.set(fileSystem, name, call);
    syncBuiltinESMExports();
  });
}

/** Gives the calls that were replaced. */
function watchSyncCalls(onCall: (call: FileSystemCall) => void): Map<string, unknown> {
  const original = new Map<string, unknown>();
  for (const [syncName, name] of Object.entries(SYNC_CALLS)) {
    const call: unknown = Reflect.get(fileSystem, syncName);
    if (!isSyncFunction(call)) continue;
    original.set(syncName, call);
    Reflect.set(fileSystem, syncName, (...args: readonly unknown[]) => {
      onCall({ name, paths: ON_PATHS.has(name) ? [String(args[0])] : [] });
      return call(...args);
    });
  }
  const { read } = fileSystem;
  original.set("read", read);
  Reflect.set(fileSystem, "read", (...args: readonly unknown[]) => {
    const callback = args.at(-1);
    try {
      onCall({ name: "read", paths: [] });
    } catch (error) {
      if (isSyncFunction(callback)) process.nextTick(callback, error);
      return;
    }
    Reflect.apply(read, fileSystem, args);
  });
  return original;
}

function watchHandle(handle: unknown, onCall: (call: FileSystemCall) => void): unknown {
  if (!isFileHandle(handle)) return handle;
  for (const name of HANDLE_METHODS) {
    const method: unknown = Reflect.get(handle, name);
    if (!isFunction(method)) continue;
    Reflect.set(handle, name, async (...args: readonly unknown[]) => {
      if (name === "close") return closeThenCall(async () => Reflect.apply(method, handle, args), onCall);
      onCall({ name: `FileHandle.${name}`, paths: [] });
      return Reflect.apply(method, handle, args);
    });
  }
  return handle;
}

/** A failing close has closed all the same. */
async function closeThenCall(close: () => Promise<unknown>, onCall: (call: FileSystemCall) => void): Promise<unknown> {
  const result = await close();
  onCall({ name: "FileHandle.close", paths: [] });
  return result;
}

function isFunction(value: unknown): value is Func {
  return typeof value === "function";
}

function isSyncFunction(value: unknown): value is SyncFunc {
  return typeof value === "function";
}

function isFileHandle(value: unknown): value is FileHandle {
  return typeof value === "object" && value !== null && "datasync" in value;
}
