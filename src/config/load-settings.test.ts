import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { makeCertificate } from "../testing/make-certificate.ts";
import { faultNames, faultsOf } from "../testing/settings-faults.ts";
import { parseSettings } from "./load-settings.ts";
import { SETTING_NAMES, getSettingDefinition, toSettingExample } from "./settings-table.ts";
import type { SettingName } from "./settings-table.ts";

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

describe("parseSettings()", () => {
  // Proves: SETTINGS-1
  test("gives the documented defaults for an empty environment", () => {
    assert.deepEqual(parseSettings({}), {
      service: { name: "mcp-image-server", logLevel: "INFO", logFormat: "auto" },
      http: {
        host: "0.0.0.0",
        port: 8000,
        workers: 4,
        publicBaseUrl: undefined,
        allowedHosts: [],
        allowedOrigins: [],
        openaiApi: false,
        a1111Api: false,
        shutdownTimeoutSeconds: 30,
      },
      access: { auth: { mode: "none", isExplicit: false }, sharing: "private", trustedProxies: [] },
      storage: {
        backend: "file",
        path: "/tmp/mcp-images",
        limits: { maxBytes: undefined, minFreeDiskBytes: 0, whenFull: "refuse", reservedBytes: 10_485_760 },
      },
      limits: {
        perMinute: undefined,
        perDay: undefined,
        atOnce: undefined,
        redisUrl: undefined,
        onRedisFailure: "local",
      },
      operation: { metricsPort: undefined, logsAccess: false, auditLog: "off", drainDelaySeconds: 0 },
      kserve: {
        endpoint: undefined,
        modelName: undefined,
        timeoutSeconds: 60,
        maxRetries: 3,
        protocol: "auto",
        v2Mapping: undefined,
        allowsUrlFetch: false,
        access: {
          authToken: undefined,
          authTokenFile: undefined,
          headers: undefined,
          hostHeader: undefined,
          servername: undefined,
          caFile: undefined,
          clientCertFile: undefined,
          clientKeyFile: undefined,
          insecureSkipVerify: false,
        },
        payload: {
          modelProfile: "auto",
          sizePolicy: "error",
          scheduler: "Euler",
          extraParams: undefined,
          omitParams: [],
        },
        maxConcurrency: 1,
        queueDepth: 32,
        queueTimeoutSeconds: 300,
      },
      mcp: {
        maxSessions: 1000,
        sessionIdleSeconds: 1800,
        adoptsSessions: false,
        preview: "off",
        hasResourceLink: true,
        hasTasks: false,
        maxWaitSeconds: 40,
        maxWaitWithProgressSeconds: 55,
      },
      images: {
        cleanupIntervalSeconds: 300,
        ttlSeconds: 3600,
        maxSizeBytes: 10_485_760,
        embedsPrompt: true,
        signing: undefined,
      },
      urls: { mode: "proxy", signingKeys: [], expirySeconds: 86_400 },
      engine: {
        modelPath: undefined,
        executor: "wasm",
        threads: undefined,
        memoryMegabytes: undefined,
        cancelGraceSeconds: 2,
      },
    });
  });

  test("reads every setting", async () => {
    const pem = await writeText("some.pem", "x");
    const issuer = makeCertificate({ commonName: "Authority", signs: "certificates" });
    const signer = makeCertificate({ commonName: "Pictures", organization: "Example", signs: "contents", issuer });
    const settings = parseSettings({
      SERVICE_NAME: "pictures",
      LOG_LEVEL: "DEBUG",
      LOG_FORMAT: "json",
      HOST: "::1",
      PORT: "0",
      WORKERS: "2",
      PUBLIC_BASE_URL: "https://Images.example.com:443/base/",
      ALLOWED_HOSTS: "A.example.com, [::1],,a.example.com,*.Example.org,*",
      ALLOWED_ORIGINS: "https://App.example.com:443,http://localhost:3000, vscode-webview://Panel",
      OPENAI_API: "true",
      A1111_API: "true",
      SHUTDOWN_TIMEOUT: "0",
      AUTH_MODE: "OAuth",
      API_KEYS: "alice:0123456789abcdefghij",
      OAUTH_ISSUER: "https://login.example.com/",
      OAUTH_JWKS_URL: "https://login.example.com/keys/",
      OAUTH_AUDIENCE: "https://a.example.com, pictures",
      OAUTH_ALGORITHMS: "ES256,EdDSA",
      OAUTH_CLOCK_SKEW: "0",
      IMAGE_SHARING: "link",
      TRUSTED_PROXIES: "10.0.0.0/8, FD00::/8,127.0.0.1",
      LIMIT_JOBS_PER_MINUTE: "1",
      LIMIT_JOBS_PER_DAY: "2",
      LIMIT_JOBS_AT_ONCE: "3",
      REDIS_URL: "rediss://:p4ss@redis:6379/1",
      LIMITS_ON_REDIS_FAILURE: "refuse",
      METRICS_PORT: "9464",
      ACCESS_LOG: "true",
      AUDIT_LOG: "prompts",
      DRAIN_DELAY: "5",
      STORAGE_BACKEND: "s3",
      STORAGE_PATH: "pictures here",
      S3_BUCKET: "bucket.one",
      S3_PREFIX: "a/b",
      S3_ENDPOINT_URL: "http://127.0.0.1:9000/",
      AWS_ACCESS_KEY_ID: "AKIA1",
      AWS_SECRET_ACCESS_KEY: "s3cr/et+",
      AWS_SESSION_TOKEN: "s3ss/ion+",
      AWS_REGION: "eu-central-1",
      KSERVE_ENDPOINT: "https://models.example.com/openai/",
      KSERVE_MODEL_NAME: "stable-diffusion",
      KSERVE_HEADERS: '{"X-Api-Key":"k3y","x-team":"a b"}',
      KSERVE_HOST_HEADER: "Model.example.com:8443",
      KSERVE_SERVERNAME: "Model.example.com",
      KSERVE_CA_FILE: pem,
      KSERVE_CLIENT_CERT_FILE: pem,
      KSERVE_CLIENT_KEY_FILE: pem,
      KSERVE_INSECURE_SKIP_VERIFY: "TRUE",
      KSERVE_SIZE_POLICY: "snap",
      KSERVE_SCHEDULER: "DPM++ 2M",
      KSERVE_EXTRA_PARAMS: '{"clip_skip":2,"nested":{"a":[null]}}',
      KSERVE_OMIT_PARAMS: "seed, negative_prompt,,seed",
      KSERVE_MODEL_PROFILE: "SDXL",
      KSERVE_TIMEOUT: "2.5",
      KSERVE_MAX_RETRIES: "0",
      KSERVE_PROTOCOL: "V2",
      KSERVE_V2_MAPPING: '{"prompt":"text","output":{"name":"image","parameters":{"to_base64":true}},"binary":false}',
      KSERVE_ALLOW_URL_FETCH: "true",
      KSERVE_AUTH_TOKEN: "t0ken",
      KSERVE_MAX_CONCURRENCY: "2",
      KSERVE_QUEUE_DEPTH: "0",
      KSERVE_QUEUE_TIMEOUT: "1",
      IMAGE_CLEANUP_INTERVAL: "1",
      IMAGE_TTL: "never",
      MAX_IMAGE_SIZE: "1024",
      IMAGE_EMBED_PROMPT: "false",
      MAX_STORAGE_BYTES: "1048576",
      MIN_FREE_DISK_BYTES: "4096",
      STORAGE_FULL_POLICY: "Evict_Oldest",
      URL_SIGNING_KEYS: `${"n".repeat(32)}, ${"o".repeat(32)}`,
      IMAGE_URL_EXPIRY: "60",
      IMAGE_URL_MODE: "Redirect",
      S3_PUBLIC_ENDPOINT_URL: "https://s3.example.com/",
      MCP_MAX_SESSIONS: "1",
      MCP_PREVIEW: "THUMB",
      MCP_RESOURCE_LINK: "false",
      MCP_TASKS: "true",
      MAX_WAIT: "3",
      MAX_WAIT_WITH_PROGRESS: "never",
      MCP_SESSION_IDLE_TIMEOUT: "2",
      MCP_ADOPT_SESSIONS: "true",
      ENGINE_EXECUTOR: "native",
      ENGINE_THREADS: "2",
      ENGINE_MEMORY_LIMIT: "512",
      ENGINE_CANCEL_GRACE: "0.5",
      MODEL_PATH: "./model",
      C2PA_SIGN_CERT: signer.cert,
      C2PA_PRIVATE_KEY: signer.key,
    } satisfies Record<SettingName, string>);
    const { storage, kserve } = settings;
    assert.deepEqual(settings.service, { name: "pictures", logLevel: "DEBUG", logFormat: "json" });
    assert.deepEqual(settings.http, {
      host: "::1",
      port: 0,
      workers: 2,
      publicBaseUrl: "https://images.example.com/base",
      allowedHosts: ["a.example.com", "::1", "*.example.org", "*"],
      allowedOrigins: ["https://app.example.com", "http://localhost:3000", "vscode-webview://panel"],
      openaiApi: true,
      a1111Api: true,
      shutdownTimeoutSeconds: 0,
    });
    assert.ok(storage.backend === "s3");
    assert.deepEqual(
      { ...storage, credentials: storage.credentials?.accessKeyId },
      {
        backend: "s3",
        bucket: "bucket.one",
        prefix: "a/b",
        endpointUrl: "http://127.0.0.1:9000",
        publicEndpointUrl: "https://s3.example.com",
        credentials: "AKIA1",
        region: "eu-central-1",
        limits: { maxBytes: 1_048_576, minFreeDiskBytes: 4096, whenFull: "evict_oldest", reservedBytes: 1024 },
      },
    );
    assert.equal(storage.credentials?.secretAccessKey.reveal(), "s3cr/et+");
    assert.deepEqual(
      {
        ...kserve,
        access: {
          ...kserve.access,
          authToken: kserve.access.authToken?.reveal(),
          headers: Object.entries(kserve.access.headers ?? {}).map(([name, value]) => [name, value.reveal()]),
        },
      },
      {
        endpoint: { kind: "url", url: "https://models.example.com/openai" },
        modelName: "stable-diffusion",
        timeoutSeconds: 2.5,
        maxRetries: 0,
        protocol: "v2",
        v2Mapping: {
          inputs: { prompt: { name: "text" } },
          output: { name: "image", parameters: { to_base64: true } },
          binary: false,
        },
        allowsUrlFetch: true,
        access: {
          authToken: "t0ken",
          authTokenFile: undefined,
          headers: [
            ["x-api-key", "k3y"],
            ["x-team", "a b"],
          ],
          hostHeader: "model.example.com:8443",
          servername: "model.example.com",
          caFile: pem,
          clientCertFile: pem,
          clientKeyFile: pem,
          insecureSkipVerify: true,
        },
        payload: {
          modelProfile: "sdxl",
          sizePolicy: "snap",
          scheduler: "DPM++ 2M",
          extraParams: { clip_skip: 2, nested: { a: [null] } },
          omitParams: ["seed", "negative_prompt"],
        },
        maxConcurrency: 2,
        queueDepth: 0,
        queueTimeoutSeconds: 1,
      },
    );
    assert.deepEqual(settings.mcp, {
      maxSessions: 1,
      sessionIdleSeconds: 2,
      adoptsSessions: true,
      preview: "thumb",
      hasResourceLink: false,
      hasTasks: true,
      maxWaitSeconds: 3,
      maxWaitWithProgressSeconds: Infinity,
    });
    const { signing, ...images } = settings.images;
    assert.deepEqual(images, {
      cleanupIntervalSeconds: 1,
      ttlSeconds: undefined,
      maxSizeBytes: 1024,
      embedsPrompt: false,
    });
    assert.equal(signing?.certificates[0]?.toString(), signer.cert);
    assert.ok(signing.privateKey.equals(signer.privateKey));
    assert.deepEqual(settings.engine, {
      modelPath: "./model",
      executor: "native",
      threads: 2,
      memoryMegabytes: 512,
      cancelGraceSeconds: 0.5,
    });
    assert.deepEqual(
      [settings.urls.signingKeys.map((key) => key.reveal()), settings.urls.expirySeconds, settings.urls.mode],
      [["n".repeat(32), "o".repeat(32)], 60, "redirect"],
    );
  });

  test("accepts words in any case, and WARN for WARNING", () => {
    assert.equal(parseSettings({ LOG_LEVEL: "warn" }).service.logLevel, "WARNING");
    assert.equal(parseSettings({ LOG_LEVEL: "Critical" }).service.logLevel, "CRITICAL");
    assert.equal(parseSettings({ IMAGE_TTL: "Never" }).images.ttlSeconds, undefined);
    assert.deepEqual(parseSettings({ KSERVE_ENDPOINT: "EMBEDDED" }).kserve.endpoint, { kind: "embedded" });
  });

  test("accepts the default and the example of every setting", () => {
    for (const name of SETTING_NAMES) {
      const { kind, default: fallback, exampleFile } = getSettingDefinition(name);
      // What is too long for a line has a file instead.
      if (!exampleFile) assert.notEqual(kind.parse(toSettingExample(name)), undefined, `${name} example`);
      if (fallback !== undefined) assert.notEqual(kind.parse(fallback), undefined, `${name} default`);
    }
  });

  // Proves: SETTINGS-3
  test("takes names in any case; the exact one wins, others must agree", () => {
    assert.equal(parseSettings({ port: "1" }).http.port, 1);
    assert.equal(parseSettings({ port: "1", PORT: "2", Port: "3" }).http.port, 2);
    assert.equal(parseSettings({ port: "1", Port: "1" }).http.port, 1);
    assert.equal(parseSettings({ PORT: "", port: "1" }).http.port, 1);
    assert.deepEqual(
      faultsOf({ env: { port: "1", Port: "2" } }).map(({ rule }) => rule),
      ["must be set once, but port and Port differ"],
    );
  });

  // Proves: SETTINGS-7, SETTINGS-8
  test("takes an empty text as unset, but for S3_PREFIX as no prefix", () => {
    const s3 = { STORAGE_BACKEND: "s3", S3_BUCKET: "bucket" };
    assert.equal(parseSettings({ PORT: "" }).http.port, 8000);
    assert.deepEqual(parseSettings({ ...s3, S3_PREFIX: "" }).storage, {
      backend: "s3",
      bucket: "bucket",
      prefix: "",
      endpointUrl: undefined,
      publicEndpointUrl: undefined,
      credentials: undefined,
      region: "us-east-1",
      limits: { maxBytes: undefined, minFreeDiskBytes: 0, whenFull: "refuse", reservedBytes: 10_485_760 },
    });
    assert.deepEqual(faultNames({ ...s3, S3_BUCKET: "" }), ["S3_BUCKET"]);
  });

  test("ignores names that come with every object", () => {
    const env = JSON.parse('{"__proto__": "x", "constructor": "y", "toString": "z"}') as Record<string, string>;
    assert.equal(parseSettings(env).http.port, 8000);
  });
});
