import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { faultsOf } from "../testing/settings-faults.ts";
import { loadSettings, type LoadSettingsOptions } from "./load-settings.ts";
import { SETTINGS_TABLE } from "./settings-table.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "settings-"));
});
after(async () => {
  await rm(folder, { recursive: true });
});

async function writeText(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

describe("loadSettings()", () => {
  // Proves: SETTINGS-2
  test("prefers the environment, then .env, then a person's default, then the table", async () => {
    const path = await writeText("precedence.env", "PORT=2\nWORKERS=2\n# HOST=9.9.9.9\n");
    const { settings, sources, texts } = loadSettings({
      env: { PORT: "1", LOG_LEVEL: "" },
      envFile: { path, required: true },
      defaults: { PORT: "3", WORKERS: "3", HOST: "127.0.0.1", KSERVE_ENDPOINT: "embedded" },
      requireEndpoint: true,
    });
    const { port, workers, host } = settings.http;
    assert.deepEqual({ port, workers, host }, { port: 1, workers: 2, host: "127.0.0.1" });
    assert.deepEqual(settings.kserve.endpoint, { kind: "embedded" });
    assert.deepEqual(
      [sources.PORT, sources.WORKERS, sources.HOST, sources.LOG_LEVEL, sources.S3_BUCKET],
      ["environment", ".env", "person-default", "default", "unset"],
    );
    assert.deepEqual([texts.PORT, texts.HOST, texts.S3_BUCKET], ["1", "127.0.0.1", undefined]);
  });

  test("lets an empty S3_PREFIX of the environment win over .env", async () => {
    const path = await writeText("prefix.env", "S3_PREFIX=x/\nSTORAGE_BACKEND=s3\nS3_BUCKET=bucket\n");
    const { settings } = loadSettings({ env: { S3_PREFIX: "" }, envFile: { path, required: true } });
    assert.equal(settings.storage.backend === "s3" && settings.storage.prefix, "");
  });

  test("does without a missing .env file, or one that is a folder, unless it is required", async () => {
    const path = join(folder, "none.env");
    assert.equal(loadSettings({ env: {}, envFile: { path, required: false } }).settings.http.port, 8000);
    assert.deepEqual(faultsOf({ env: {}, envFile: { path, required: true } }), [
      { name: path, value: undefined, rule: "must be a file, but there is none", example: undefined },
    ]);
    const venv = join(folder, ".env");
    await mkdir(venv);
    assert.equal(loadSettings({ env: {}, envFile: { path: venv, required: false } }).settings.http.port, 8000);
    assert.deepEqual(
      faultsOf({ env: {}, envFile: { path: venv, required: true } }).map(({ rule }) => rule),
      ["must be a file, but it cannot be read"],
    );
  });

  test("names a faulty line of .env by its number and never by its text", async () => {
    const path = await writeText("faulty.env", 'PORT=1\nAWS_SECRET_ACCESS_KEY "c4nary"\nWORKERS="2\n');
    const faults = faultsOf({ env: {}, envFile: { path, required: true } });
    assert.deepEqual(
      faults.map(({ name }) => name),
      [`${path} line 2`, `${path} line 3`],
    );
    assert.equal(inspect(faults).includes("c4nary"), false);
  });

  test("warns about near misses, in the environment for long names only", async () => {
    const path = await writeText("typos.env", "PROT=1\nUNKNOWN_NAME=1\nEMBEDDING_MODEL=x\n");
    const { warnings } = loadSettings({
      env: {
        KSERVE_TIMOUT: "5",
        HOME: "/root",
        PATH: "/bin",
        HOSTNAME: "x",
        LOGLEVEL: "x",
        POST: "1",
        aws_secret_acess_key_file: "/x",
      },
      envFile: { path, required: true },
    });
    assert.deepEqual(
      warnings.map(({ message }) => message),
      [
        "KSERVE_TIMOUT (environment) is no setting; did you mean KSERVE_TIMEOUT?",
        "LOGLEVEL (environment) is no setting; did you mean LOG_LEVEL?",
        "aws_secret_acess_key_file (environment) is no setting; did you mean AWS_SECRET_ACCESS_KEY_FILE?",
        "PROT (.env) is no setting; did you mean PORT?",
      ],
    );
  });

  test("warns about S3_BUCKET while STORAGE_BACKEND is file", () => {
    assert.deepEqual(loadSettings({ env: { S3_BUCKET: "bucket" } }).warnings, [
      { name: "S3_BUCKET", message: "S3_BUCKET (environment) has no effect while STORAGE_BACKEND is file" },
    ]);
  });

  test("says that WebAssembly has one thread", () => {
    const warningsOf = (env: Record<string, string>): readonly string[] =>
      loadSettings({ env }).warnings.map(({ message }) => message);
    assert.deepEqual(warningsOf({ ENGINE_THREADS: "4" }), [
      "ENGINE_THREADS (environment) has no effect while ENGINE_EXECUTOR is wasm",
    ]);
    assert.deepEqual(warningsOf({ ENGINE_THREADS: "1" }), []);
    assert.deepEqual(warningsOf({ ENGINE_THREADS: "4", ENGINE_EXECUTOR: "native" }), []);
  });

  test("takes AWS_SESSION_TOKEN with temporary keys, and never prints it", () => {
    const env = { STORAGE_BACKEND: "s3", S3_BUCKET: "bucket", AWS_SESSION_TOKEN: "c4nary" };
    const keys = { AWS_ACCESS_KEY_ID: "ASIA1", AWS_SECRET_ACCESS_KEY: "secret" };
    const { settings, warnings, texts } = loadSettings({ env: { ...env, ...keys } });
    assert.deepEqual(warnings, []);
    assert.ok(settings.storage.backend === "s3");
    assert.equal(settings.storage.credentials?.sessionToken?.reveal(), "c4nary");
    assert.equal(texts.AWS_SESSION_TOKEN, "[redacted]");
  });

  // Proves: SETTINGS-9
  test("reads a secret from the file that NAME_FILE names, without its last line end", async () => {
    const path = await writeText("token", "c4nary\r\n");
    const { settings, texts } = loadSettings({ env: { kserve_auth_token_file: path } });
    assert.equal(settings.kserve.access.authToken?.reveal(), "c4nary");
    assert.equal(settings.kserve.access.authTokenFile, path);
    assert.equal(texts.KSERVE_AUTH_TOKEN, "[redacted]");
  });

  test("lets a NAME_FILE of the environment win over a NAME of .env", async () => {
    const path = await writeText("secret.env", "KSERVE_AUTH_TOKEN=from-env-file");
    const token = await writeText("environment-token", "from-secret-file");
    const { settings } = loadSettings({
      env: { KSERVE_AUTH_TOKEN_FILE: token },
      envFile: { path, required: true },
    });
    assert.equal(settings.kserve.access.authToken?.reveal(), "from-secret-file");
  });

  test("refuses a secret given twice, and a secret file that is missing, empty, too large or of several lines", async () => {
    const rulesOf = (env: LoadSettingsOptions["env"]): string[] =>
      faultsOf({ env }).map(({ name, rule }) => `${name} ${rule}`);
    const path = await writeText("once", "c4nary");
    assert.deepEqual(rulesOf({ KSERVE_AUTH_TOKEN: "x", KSERVE_AUTH_TOKEN_FILE: path }), [
      "KSERVE_AUTH_TOKEN must not be set together with KSERVE_AUTH_TOKEN_FILE",
    ]);
    assert.deepEqual(rulesOf({ AWS_SECRET_ACCESS_KEY_FILE: join(folder, "none"), AWS_ACCESS_KEY_ID: "AKIA1" }), [
      "AWS_SECRET_ACCESS_KEY_FILE must name a file that can be read (ENOENT)",
    ]);
    assert.deepEqual(rulesOf({ KSERVE_AUTH_TOKEN_FILE: await writeText("empty", "\n") }), [
      "KSERVE_AUTH_TOKEN_FILE must name a file that is not empty",
    ]);
    assert.deepEqual(rulesOf({ KSERVE_AUTH_TOKEN_FILE: await writeText("large", "x".repeat(65_537)) }), [
      "KSERVE_AUTH_TOKEN_FILE must name a file of at most 65536 characters",
    ]);
    assert.deepEqual(rulesOf({ KSERVE_AUTH_TOKEN_FILE: await writeText("lines", "a\nb\n") }), [
      `KSERVE_AUTH_TOKEN ${SETTINGS_TABLE.KSERVE_AUTH_TOKEN.kind.rule}`,
    ]);
  });
});
