import type { SettingName } from "../config/settings-table.ts";
import { userDataFolder } from "./user-folders.ts";

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
