import assert from "node:assert/strict";
import { loadSettings, type LoadSettingsOptions } from "../config/load-settings.ts";
import { InvalidSettingsError, type SettingFault } from "../config/setting-fault.ts";

/** What is wrong with these settings; nothing when they fit. */
export function faultsOf(options: LoadSettingsOptions): readonly SettingFault[] {
  try {
    loadSettings(options);
  } catch (error) {
    assert.ok(error instanceof InvalidSettingsError);
    return error.faults;
  }
  return [];
}

/** The names of the settings that do not fit. */
export function faultNames(env: LoadSettingsOptions["env"]): string[] {
  return faultsOf({ env }).map(({ name }) => name);
}
