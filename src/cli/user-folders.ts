import { homedir } from "node:os";
import { join } from "node:path";

const NAME = "mcp-image-server";

/** Where the platform keeps a user's data: XDG, `Application Support`, `LOCALAPPDATA`. */
export function userDataFolder(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): string {
  const home = env["HOME"] || homedir();
  if (platform === "darwin") return join(home, "Library", "Application Support", NAME);
  if (platform === "win32") return join(env["LOCALAPPDATA"] || join(home, "AppData", "Local"), NAME);
  return join(env["XDG_DATA_HOME"] || join(home, ".local", "share"), NAME);
}

/** Where the platform keeps what a user can lose: XDG, `Caches`, `LOCALAPPDATA`. */
export function userCacheFolder(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): string {
  const home = env["HOME"] || homedir();
  if (platform === "darwin") return join(home, "Library", "Caches", NAME);
  if (platform === "win32") return join(env["LOCALAPPDATA"] || join(home, "AppData", "Local"), NAME, "cache");
  return join(env["XDG_CACHE_HOME"] || join(home, ".cache"), NAME);
}
