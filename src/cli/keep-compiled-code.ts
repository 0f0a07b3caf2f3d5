import { enableCompileCache } from "node:module";
import { userCacheFolder } from "./user-folders.ts";

/** Lets the next start of this version find its code compiled. Where nothing can be written, nothing is. */
export function keepCompiledCode(env: Readonly<Record<string, string | undefined>>): void {
  try {
    // Not in the folder for temporary files, as Node itself would: what lies there could be somebody else's.
    enableCompileCache(env["NODE_COMPILE_CACHE"] ?? userCacheFolder(env));
  } catch {
    // A user without a home has no cache.
  }
}
