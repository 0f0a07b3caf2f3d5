import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { suite, test } from "node:test";
import { loadSettings, type LoadSettingsOptions } from "./load-settings.ts";
import { InvalidSettingsError } from "./setting-fault.ts";
import { SETTINGS_TABLE, type SettingName } from "./settings-table.ts";

const refused: Readonly<Partial<Record<SettingName, readonly string[]>>> = {
  KSERVE_HEADERS: [
    "x-a: b",
    "[]",
    '{"x-a":1}',
    '{"x a":"b"}',
    '{"x-a":"b\\nc"}',
    '{"Host":"b"}',
    '{"Content-Length":"1"}',
    '{"x-a":"1","X-A":"2"}',
  ],
  KSERVE_HOST_HEADER: ["https://x", "a b", "a\nb", "x:port"],
  KSERVE_SERVERNAME: ["x:443", "10.0.0.1", "a b"],
  KSERVE_INSECURE_SKIP_VERIFY: ["1", "yes"],
  KSERVE_SIZE_POLICY: ["round"],
  KSERVE_SCHEDULER: ["a\nb", "<x>"],
  KSERVE_EXTRA_PARAMS: ["{", "[]", '{"prompt":"x"}', '{"a b":1}'],
  KSERVE_OMIT_PARAMS: ["prompt", "a b"],
};

function faultsOf(env: LoadSettingsOptions["env"]): string[] {
  try {
    loadSettings({ env });
  } catch (error) {
    assert.ok(error instanceof InvalidSettingsError);
    return error.faults.map(({ name, rule }) => `${name} ${rule}`);
  }
  return [];
}

suite("settings of the endpoint", () => {
  for (const [name, texts] of Object.entries(refused)) {
    const { rule } = SETTINGS_TABLE[name as SettingName].kind;
    for (const text of texts) {
      test(`refuse ${name}=${JSON.stringify(text)}`, () => {
        assert.deepEqual(faultsOf({ [name]: text }), [`${name} ${rule}`]);
      });
    }
  }

  test("want a certificate to have its key", () => {
    assert.deepEqual(faultsOf({ KSERVE_CLIENT_CERT_FILE: "/x" }), [
      "KSERVE_CLIENT_KEY_FILE must be set together with KSERVE_CLIENT_CERT_FILE",
    ]);
    assert.deepEqual(faultsOf({ KSERVE_CLIENT_KEY_FILE: "/x" }), [
      "KSERVE_CLIENT_CERT_FILE must be set together with KSERVE_CLIENT_KEY_FILE",
    ]);
  });

  test("warn of a MODEL_PATH that is no model", () => {
    const model = resolve(import.meta.dirname, "../../models/scenes-v1");
    const warningsOf = (path: string): readonly unknown[] =>
      loadSettings({ env: { KSERVE_ENDPOINT: "embedded", MODEL_PATH: path } }).warnings;
    assert.deepEqual(warningsOf(model), []);
    const path = join(model, "unet");
    const message = `MODEL_PATH (environment) names a folder without a readable model_index.json: ${path}`;
    assert.deepEqual(warningsOf(path), [{ name: "MODEL_PATH", message }]);
  });

  test("warn of a file that cannot be read", () => {
    for (const path of [join(tmpdir(), "there-is-no-such-file"), tmpdir()]) {
      assert.deepEqual(loadSettings({ env: { KSERVE_CA_FILE: path } }).warnings, [
        { name: "KSERVE_CA_FILE", message: `KSERVE_CA_FILE (environment) names a file that cannot be read: ${path}` },
      ]);
    }
  });

  test("warn of trust that is not used, or given up", () => {
    const warningsOf = (env: LoadSettingsOptions["env"]) =>
      loadSettings({ env }).warnings.map(({ message }) => message);
    const KSERVE_SERVERNAME = "model.example.com";
    assert.deepEqual(warningsOf({ KSERVE_ENDPOINT: "http://x", KSERVE_SERVERNAME }), [
      "KSERVE_SERVERNAME (environment) has no effect while KSERVE_ENDPOINT begins with http://",
    ]);
    assert.deepEqual(warningsOf({ KSERVE_ENDPOINT: "https://x", KSERVE_SERVERNAME }), []);
    assert.deepEqual(warningsOf({ KSERVE_ENDPOINT: "https://x", KSERVE_INSECURE_SKIP_VERIFY: "False" }), []);
    assert.deepEqual(warningsOf({ KSERVE_ENDPOINT: "https://x", KSERVE_INSECURE_SKIP_VERIFY: "True" }), [
      "KSERVE_INSECURE_SKIP_VERIFY (environment) accepts any certificate: anybody on the way to the endpoint can read the token and the prompts",
    ]);
  });

  test("never show the headers, which are secret", () => {
    const { texts } = loadSettings({ env: { KSERVE_HEADERS: '{"x-api-key":"c4nary"}' } });
    assert.equal(texts.KSERVE_HEADERS, "[redacted]");
  });
});
