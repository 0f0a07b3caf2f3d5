import { homedir } from "node:os";
import { join } from "node:path";
import type { SettingName } from "../config/settings-table.ts";

const WEEK_SECONDS = 7 * 24 * 3600;

/** Defaults for a person at a desk: the built-in engine, loopback only, their own data folder, a week. */
export function deskDefaults(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): Partial<Record<SettingName, string>> {
  return {
    KSERVE_ENDPOINT: "embedded",
    HOST: "127.0.0.1",
    STORAGE_PATH: userDataFolder(env, platform),
    IMAGE_TTL: String(WEEK_SECONDS),
  };
}

/** Where the platform keeps a user's data: XDG, `Application Support`, `LOCALAPPDATA`. */
export function userDataFolder(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): string {
  const name = "mcp-image-server";
  const home = env["HOME"] || homedir();
  if (platform === "darwin") return join(home, "Library", "Application Support", name);
  if (platform === "win32") return join(env["LOCALAPPDATA"] || join(home, "AppData", "Local"), name);
  return join(env["XDG_DATA_HOME"] || join(home, ".local", "share"), name);
}
