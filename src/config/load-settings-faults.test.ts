import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { ConfigurationError } from "../core/errors.ts";
import { faultNames, faultsOf } from "../testing/settings-faults.ts";
import { parseSettings } from "./load-settings.ts";
import { InvalidSettingsError } from "./setting-fault.ts";
import type { SettingName } from "./settings-table.ts";

describe("parseSettings() of settings that do not fit", () => {
  const refused: Readonly<Partial<Record<SettingName, readonly string[]>>> = {
    SERVICE_NAME: [" x", "a\nb", "x".repeat(64)],
    LOG_LEVEL: ["TRACE", "INFO ", "30"],
    HOST: ["http://x", "a b", "host:80", "[::1]", "-x"],
    PORT: ["80abc", "1e3", "0x10", " 8 0", "80 ", "80\n", "-1", "+80", "080", "8.0", "65536", "８０", "1".repeat(400)],
    WORKERS: ["0", "65"],
    PUBLIC_BASE_URL: [
      "images.example.com",
      "ftp://x",
      "https://u@x",
      "https://x/?a",
      "https://x/#",
      "http:x",
      "http://x\\y",
      "http://a b",
      "http://x:99999",
    ],
    ALLOWED_HOSTS: ["**", "a.*.example.com", "*example.com", "*.", "a.example.com:80", "https://a.example.com", "a b"],
    ALLOWED_ORIGINS: ["*", "null", "https://a.example.com/path", "a.example.com"],
    STORAGE_BACKEND: ["S4", "memory"],
    STORAGE_PATH: ["~/pictures", "$HOME/pictures", "%APPDATA%", " /x", "/x ", "/a\0b", "/a\nb"],
    S3_BUCKET: ["s3://bucket", "bucket/prefix", "b"],
    S3_PREFIX: ["/x", " x", "a\nb", "x".repeat(256)],
    AWS_REGION: ["eu west", "https://x"],
    KSERVE_ENDPOINT: ["localhost:8080", "grpc://x", "http://u:p@x", "http://x?y=1", "Embed"],
    KSERVE_MODEL_NAME: ["../x", "a b", "a?b"],
    KSERVE_MODEL_PROFILE: ["sdxl-turbo"],
    KSERVE_TIMEOUT: ["0", "0.0", "-1", "1e3", ".5", "5.", "1,5", "Infinity", "NaN", "86401"],
    KSERVE_MAX_RETRIES: ["11"],
    KSERVE_AUTH_TOKEN: ["a b", "a\n", "ä"],
    URL_SIGNING_KEYS: ["short", " ", `${"a".repeat(31)} b`, "k".repeat(257), "é".repeat(32)],
    IMAGE_URL_MODE: ["direct", "redirect"],
    IMAGE_URL_EXPIRY: ["59", "604801", "1h"],
    IMAGE_TTL: ["0", "-1", "1.5", "1h", "no", "3153600001"],
    MAX_IMAGE_SIZE: ["10MB", "1023", "268435457"],
    MAX_STORAGE_BYTES: ["50GB", "1048575", "-1", "9007199254740992"],
    MIN_FREE_DISK_BYTES: ["10%", "-1"],
    STORAGE_FULL_POLICY: ["evict", "delete"],
  };
  // Proves: SETTINGS-6
  for (const [name, texts] of Object.entries(refused)) {
    test(`refuses a wrong ${name}`, () => {
      for (const text of texts) assert.deepEqual(faultNames({ [name]: text }), [name], JSON.stringify(text));
    });
  }

  // Proves: SETTINGS-5
  test("refuses a MAX_STORAGE_BYTES that holds not even one picture", () => {
    const limits = { MAX_STORAGE_BYTES: "1048576", MAX_IMAGE_SIZE: "1048577" };
    assert.deepEqual(faultNames(limits), ["MAX_STORAGE_BYTES"]);
    assert.deepEqual(faultNames({ ...limits, MAX_IMAGE_SIZE: "1048576" }), []);
  });

  test("holds every fault of a configuration at once", () => {
    const faults = faultsOf({
      env: { PORT: "80abc", STORAGE_BACKEND: "s3", AWS_ACCESS_KEY_ID: "AKIA1", IMAGE_TTL: "0" },
      requireEndpoint: true,
    });
    assert.deepEqual(
      faults.map(({ name, value, rule }) => `${name} ${value} ${rule}`),
      [
        "PORT 80abc must be a whole number from 0 to 65535, digits only",
        "IMAGE_TTL 0 must be a whole number of seconds from 1 to 3153600000, or the word never",
        "KSERVE_ENDPOINT undefined must be set to a URL, or to the word embedded for the engine in this package",
        "S3_BUCKET undefined must be set when STORAGE_BACKEND is s3",
        "AWS_SECRET_ACCESS_KEY undefined must be set together with AWS_ACCESS_KEY_ID",
      ],
    );
    assert.deepEqual(
      faults.map(({ example }) => example),
      [
        "PORT=8000",
        "IMAGE_TTL=3600",
        "KSERVE_ENDPOINT=http://stable-diffusion-predictor.models.svc:8080",
        "S3_BUCKET=pictures",
        "AWS_SECRET_ACCESS_KEY=the-secret-of-that-key",
      ],
    );
  });

  test("throws a ConfigurationError whose message has one printable line per fault", () => {
    assert.throws(
      () => parseSettings({ PORT: "1\n\u001b[31m2", WORKERS: "0" }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.equal(error.name, "ConfigurationError");
        assert.equal(error.code, "configuration_invalid");
        assert.equal(
          error.message,
          [
            "Cannot use the settings: 2 faults",
            String.raw`  PORT="1\n\u001b[31m2" must be a whole number from 0 to 65535, digits only, for example PORT=8000`,
            '  WORKERS="0" must be a whole number from 1 to 64, digits only, for example WORKERS=4',
          ].join("\n"),
        );
        return true;
      },
    );
  });

  test("prints no secret and no user information of a URL in a fault", () => {
    const canary = "c4nary";
    const faults = faultsOf({
      env: {
        AWS_SECRET_ACCESS_KEY: `${canary} x`,
        KSERVE_AUTH_TOKEN: `${canary}\n`,
        KSERVE_ENDPOINT: `https://user:${canary}/x@models.example.com/?token=${canary}`,
        S3_ENDPOINT_URL: `https://${canary}@s3.example.com`,
      },
    });
    assert.equal(inspect(new InvalidSettingsError(faults)).includes(canary), false);
    assert.deepEqual(
      faults.map(({ name, value }) => `${name}=${value}`),
      [
        "S3_ENDPOINT_URL=https://[redacted]@s3.example.com",
        "AWS_SECRET_ACCESS_KEY=[redacted]",
        "KSERVE_ENDPOINT=https://[redacted]@models.example.com/?[redacted]",
        "KSERVE_AUTH_TOKEN=[redacted]",
        "AWS_ACCESS_KEY_ID=undefined",
      ],
    );
  });
});
