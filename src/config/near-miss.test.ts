import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { suggestSettingName } from "./near-miss.ts";
import { SETTING_NAMES } from "./settings-table.ts";

test("suggestSettingName() gives the setting for one edit of its name, wherever it is", () => {
  const edits = fc.constantFrom(
    (name: string, at: number) => name.slice(0, at) + name.slice(at + 1),
    (name: string, at: number) => `${name.slice(0, at)}9${name.slice(at)}`,
    (name: string, at: number) => `${name.slice(0, at)}9${name.slice(at + 1)}`,
    (name: string, at: number) => name.slice(0, at) + name.charAt(at + 1) + name.charAt(at) + name.slice(at + 2),
  );
  fc.assert(
    fc.property(fc.constantFrom(...SETTING_NAMES), edits, fc.nat(), (name, edit, position) => {
      const typo = edit(name, position % name.length);
      fc.pre(typo !== name);
      assert.equal(suggestSettingName(typo.toLowerCase(), "ours"), name);
      assert.equal(suggestSettingName(typo, "environment"), name.includes("_") ? name : undefined);
    }),
    { numRuns: 1_000 },
  );
});

test("suggestSettingName() allows two edits in names of 12 characters and more, one in shorter ones", () => {
  assert.equal(suggestSettingName("KSERV_ENDPIONT", "environment"), "KSERVE_ENDPOINT");
  assert.equal(suggestSettingName("KSRV_ENDPIONT", "environment"), undefined);
  assert.equal(suggestSettingName("IMAGES_TTLS", "environment"), undefined);
  assert.equal(suggestSettingName("SHUTDOWNTIMEOUT", "environment"), "SHUTDOWN_TIMEOUT");
});

test("suggestSettingName() gives nothing for settings, their secret files and common variables", () => {
  const common = "HOME HOSTNAME PATH LANG SHELL USER POST PORTS AWS_PROFILE AWS_SESSION_TOKEN AWS_DEFAULT_REGION".split(
    " ",
  );
  for (const name of [...SETTING_NAMES, "KSERVE_AUTH_TOKEN_FILE", "aws_access_key_id_file", ...common]) {
    assert.equal(suggestSettingName(name, "environment"), undefined, name);
  }
  assert.equal(suggestSettingName("PORT_FILE", "ours"), undefined);
});
