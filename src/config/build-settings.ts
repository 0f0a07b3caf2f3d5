import { Secret } from "../core/secret.ts";
import type { FoundSettings } from "./find-settings.ts";
import { listSigningFaults } from "./check-signing.ts";
import { createSettingFault, type SettingFault } from "./setting-fault.ts";
import { SETTING_NAMES, getSettingDefinition, type SettingName, type SettingValue } from "./settings-table.ts";
import type {
  AccessSettings,
  AuthSettings,
  EndpointSettings,
  KServeAccessSettings,
  S3StorageSettings,
  Settings,
  SigningSettings,
  StorageLimitSettings,
  StorageSettings,
} from "./settings.ts";

export interface BuildSettingsOptions {
  readonly requireEndpoint: boolean;
  /** For what holds for a time. */
  readonly nowMs: number;
}

type Read = <Name extends SettingName>(name: Name) => SettingValue<Name>;

/** The settings, or every fault of their texts and of how they go together. */
export function buildSettings(
  found: FoundSettings["found"],
  { requireEndpoint, nowMs }: BuildSettingsOptions,
): { readonly settings: Settings | undefined; readonly faults: readonly SettingFault[] } {
  const faults: SettingFault[] = [];
  const values = new Map<SettingName, unknown>();
  for (const name of SETTING_NAMES) {
    const text = found.get(name)?.text;
    if (text === undefined) continue;
    const { kind } = getSettingDefinition(name);
    const value = kind.parse(text);
    if (value === undefined) faults.push(createSettingFault(name, text, kind.explain?.(text)));
    else values.set(name, value);
  }
  const isDirect = values.get("IMAGE_URL_MODE") === "redirect" || values.get("IMAGE_URL_MODE") === "presigned";
  if (isDirect && values.get("STORAGE_BACKEND") === "file") {
    const text = found.get("IMAGE_URL_MODE")?.text;
    faults.push(createSettingFault("IMAGE_URL_MODE", text, "must be proxy when STORAGE_BACKEND is file"));
  }
  faults.push(...listMissing(found, values.get("STORAGE_BACKEND") === "s3", requireEndpoint));
  faults.push(...listMissingForAuth(found, values.get("AUTH_MODE")));
  const metricsPort = values.get("METRICS_PORT");
  if (metricsPort !== undefined && metricsPort !== 0 && metricsPort === values.get("PORT")) {
    faults.push(createSettingFault("METRICS_PORT", found.get("METRICS_PORT")?.text, "must not be that of PORT"));
  }
  const maxBytes = values.get("MAX_STORAGE_BYTES");
  if (typeof maxBytes === "number" && maxBytes < Number(values.get("MAX_IMAGE_SIZE"))) {
    const text = found.get("MAX_STORAGE_BYTES")?.text;
    faults.push(createSettingFault("MAX_STORAGE_BYTES", text, "must not be less than MAX_IMAGE_SIZE"));
  }
  // Each value came out of the parser of its own name.
  const read: Read = (name) => values.get(name) as SettingValue<typeof name>;
  const signing = { chain: read("C2PA_SIGN_CERT"), key: read("C2PA_PRIVATE_KEY") };
  faults.push(...listSigningFaults(found, signing, nowMs));
  if (faults.length > 0) return { settings: undefined, faults };
  // Every setting with a default has a value now.
  return { settings: toSettings(read, found), faults };
}

/** What one setting demands of another. */
function listMissing(found: FoundSettings["found"], usesS3: boolean, requireEndpoint: boolean): SettingFault[] {
  const faults: SettingFault[] = [];
  const demand = (name: SettingName, reason: string): void => {
    if (!found.has(name)) faults.push(createSettingFault(name, undefined, `must be set ${reason}`));
  };
  if (requireEndpoint) demand("KSERVE_ENDPOINT", "to a URL, or to the word embedded for the engine in this package");
  if (usesS3) demand("S3_BUCKET", "when STORAGE_BACKEND is s3");
  if (found.has("AWS_ACCESS_KEY_ID")) demand("AWS_SECRET_ACCESS_KEY", "together with AWS_ACCESS_KEY_ID");
  if (found.has("AWS_SECRET_ACCESS_KEY")) demand("AWS_ACCESS_KEY_ID", "together with AWS_SECRET_ACCESS_KEY");
  if (found.has("KSERVE_CLIENT_CERT_FILE")) demand("KSERVE_CLIENT_KEY_FILE", "together with KSERVE_CLIENT_CERT_FILE");
  if (found.has("KSERVE_CLIENT_KEY_FILE")) demand("KSERVE_CLIENT_CERT_FILE", "together with KSERVE_CLIENT_KEY_FILE");
  return faults;
}

function listMissingForAuth(found: FoundSettings["found"], mode: unknown): SettingFault[] {
  const demand = (name: SettingName, rule: string): SettingFault[] =>
    found.has(name) ? [] : [createSettingFault(name, undefined, rule)];
  if (found.get("AUTH_MODE")?.source === "default") return listUnsaid(found);
  if (mode === "token") return demand("API_KEYS", "must be set when AUTH_MODE is token");
  if (mode !== "oauth") return [];
  const audience = found.has("PUBLIC_BASE_URL")
    ? []
    : demand("OAUTH_AUDIENCE", "must be set when AUTH_MODE is oauth and PUBLIC_BASE_URL is not set");
  return [...demand("OAUTH_ISSUER", "must be set when AUTH_MODE is oauth"), ...audience];
}

/** Keys without a mode would protect nothing, against all appearance. */
function listUnsaid(found: FoundSettings["found"]): SettingFault[] {
  const modes = [
    ["API_KEYS", "token"],
    ["OAUTH_ISSUER", "oauth"],
  ] as const;
  const [unsaid] = modes.filter(([name]) => found.has(name));
  if (unsaid === undefined) return [];
  const [name, mode] = unsaid;
  return [
    createSettingFault("AUTH_MODE", undefined, `must be set where ${name} is: to ${mode}, or to none if you mean it`),
  ];
}

function toSettings(read: Read, found: FoundSettings["found"]): Settings {
  const ttlSeconds = read("IMAGE_TTL");
  const hasOwnModel = found.get("KSERVE_MODEL_NAME")?.source !== "default";
  return {
    service: { name: read("SERVICE_NAME"), logLevel: read("LOG_LEVEL"), logFormat: read("LOG_FORMAT") },
    http: {
      host: read("HOST"),
      port: read("PORT"),
      workers: read("WORKERS"),
      publicBaseUrl: read("PUBLIC_BASE_URL"),
      allowedHosts: read("ALLOWED_HOSTS") ?? [],
      allowedOrigins: read("ALLOWED_ORIGINS") ?? [],
      openaiApi: read("OPENAI_API"),
      a1111Api: read("A1111_API"),
      shutdownTimeoutSeconds: read("SHUTDOWN_TIMEOUT"),
    },
    access: toAccessSettings(read, found.get("AUTH_MODE")?.source !== "default"),
    limits: {
      perMinute: read("LIMIT_JOBS_PER_MINUTE"),
      perDay: read("LIMIT_JOBS_PER_DAY"),
      atOnce: read("LIMIT_JOBS_AT_ONCE"),
      redisUrl: toSecret(read("REDIS_URL")),
      onRedisFailure: read("LIMITS_ON_REDIS_FAILURE"),
    },
    operation: {
      metricsPort: read("METRICS_PORT"),
      logsAccess: read("ACCESS_LOG") === "true",
      auditLog: read("AUDIT_LOG"),
      drainDelaySeconds: read("DRAIN_DELAY"),
    },
    storage: toStorage(read),
    kserve: {
      endpoint: toEndpoint(read("KSERVE_ENDPOINT")),
      modelName: hasOwnModel ? read("KSERVE_MODEL_NAME") : undefined,
      timeoutSeconds: read("KSERVE_TIMEOUT"),
      maxRetries: read("KSERVE_MAX_RETRIES"),
      protocol: read("KSERVE_PROTOCOL"),
      v2Mapping: read("KSERVE_V2_MAPPING"),
      allowsUrlFetch: read("KSERVE_ALLOW_URL_FETCH") === "true",
      access: toAccess(read, found.get("KSERVE_AUTH_TOKEN")?.file),
      payload: {
        modelProfile: read("KSERVE_MODEL_PROFILE"),
        sizePolicy: read("KSERVE_SIZE_POLICY"),
        scheduler: read("KSERVE_SCHEDULER"),
        extraParams: read("KSERVE_EXTRA_PARAMS"),
        omitParams: read("KSERVE_OMIT_PARAMS") ?? [],
      },
      maxConcurrency: read("KSERVE_MAX_CONCURRENCY"),
      queueDepth: read("KSERVE_QUEUE_DEPTH"),
      queueTimeoutSeconds: read("KSERVE_QUEUE_TIMEOUT"),
    },
    mcp: {
      maxSessions: read("MCP_MAX_SESSIONS"),
      sessionIdleSeconds: read("MCP_SESSION_IDLE_TIMEOUT"),
      adoptsSessions: read("MCP_ADOPT_SESSIONS") === "true",
      preview: read("MCP_PREVIEW"),
      hasResourceLink: read("MCP_RESOURCE_LINK"),
      hasTasks: read("MCP_TASKS"),
      maxWaitSeconds: read("MAX_WAIT"),
      maxWaitWithProgressSeconds: read("MAX_WAIT_WITH_PROGRESS"),
    },
    images: {
      cleanupIntervalSeconds: read("IMAGE_CLEANUP_INTERVAL"),
      ttlSeconds: ttlSeconds === Infinity ? undefined : ttlSeconds,
      maxSizeBytes: read("MAX_IMAGE_SIZE"),
      embedsPrompt: read("IMAGE_EMBED_PROMPT"),
      signing: toSigning(read("C2PA_SIGN_CERT"), read("C2PA_PRIVATE_KEY")),
    },
    engine: {
      modelPath: read("MODEL_PATH"),
      executor: read("ENGINE_EXECUTOR"),
      threads: read("ENGINE_THREADS"),
      memoryMegabytes: read("ENGINE_MEMORY_LIMIT"),
      cancelGraceSeconds: read("ENGINE_CANCEL_GRACE"),
    },
    urls: {
      mode: read("IMAGE_URL_MODE"),
      signingKeys: (read("URL_SIGNING_KEYS") ?? []).map((key) => new Secret(key)),
      expirySeconds: read("IMAGE_URL_EXPIRY"),
    },
  };
}

function toAccessSettings(read: Read, isExplicit: boolean): AccessSettings {
  return {
    auth: toAuth(read, isExplicit),
    sharing: read("IMAGE_SHARING"),
    trustedProxies: read("TRUSTED_PROXIES") ?? [],
  };
}

function toAuth(read: Read, isExplicit: boolean): AuthSettings {
  const mode = read("AUTH_MODE");
  switch (mode) {
    case "none":
      return { mode, isExplicit };
    case "token":
      return { mode, keys: read("API_KEYS") ?? [] };
    case "oauth":
      return {
        mode,
        issuer: read("OAUTH_ISSUER") ?? "",
        jwksUrl: read("OAUTH_JWKS_URL"),
        audience: read("OAUTH_AUDIENCE") ?? toAudience(read("PUBLIC_BASE_URL")),
        algorithms: read("OAUTH_ALGORITHMS"),
        clockSkewSeconds: read("OAUTH_CLOCK_SKEW"),
      };
  }
}

/** Clients ask for a token either for the server or for its MCP address. */
function toAudience(publicBaseUrl: string | undefined): readonly string[] {
  return publicBaseUrl === undefined ? [] : [publicBaseUrl, `${publicBaseUrl}/`, `${publicBaseUrl}/mcp`];
}

function toAccess(read: Read, authTokenFile: string | undefined): KServeAccessSettings {
  const headers = read("KSERVE_HEADERS");
  return {
    authToken: toSecret(read("KSERVE_AUTH_TOKEN")),
    authTokenFile,
    headers: headers && Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, new Secret(value)])),
    hostHeader: read("KSERVE_HOST_HEADER"),
    servername: read("KSERVE_SERVERNAME"),
    caFile: read("KSERVE_CA_FILE"),
    clientCertFile: read("KSERVE_CLIENT_CERT_FILE"),
    clientKeyFile: read("KSERVE_CLIENT_KEY_FILE"),
    insecureSkipVerify: read("KSERVE_INSECURE_SKIP_VERIFY"),
  };
}

function toStorage(read: Read): StorageSettings {
  const bucket = read("S3_BUCKET");
  if (read("STORAGE_BACKEND") === "file" || bucket === undefined) {
    return { backend: "file", path: read("STORAGE_PATH"), limits: toLimits(read) };
  }
  return {
    backend: "s3",
    bucket,
    prefix: read("S3_PREFIX"),
    endpointUrl: read("S3_ENDPOINT_URL"),
    publicEndpointUrl: read("S3_PUBLIC_ENDPOINT_URL"),
    credentials: toCredentials(read),
    region: read("AWS_REGION"),
    limits: toLimits(read),
  };
}

function toLimits(read: Read): StorageLimitSettings {
  return {
    maxBytes: read("MAX_STORAGE_BYTES"),
    minFreeDiskBytes: read("MIN_FREE_DISK_BYTES"),
    whenFull: read("STORAGE_FULL_POLICY"),
    reservedBytes: read("MAX_IMAGE_SIZE"),
  };
}

function toCredentials(read: Read): S3StorageSettings["credentials"] {
  const accessKeyId = read("AWS_ACCESS_KEY_ID");
  const secretAccessKey = toSecret(read("AWS_SECRET_ACCESS_KEY"));
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: toSecret(read("AWS_SESSION_TOKEN")) };
}

function toEndpoint(value: string | undefined): EndpointSettings | undefined {
  if (value === undefined) return undefined;
  return value === "embedded" ? { kind: "embedded" } : { kind: "url", url: value };
}

function toSigning(
  certificates: SigningSettings["certificates"] | undefined,
  privateKey: SigningSettings["privateKey"] | undefined,
): SigningSettings | undefined {
  return certificates && privateKey && { certificates, privateKey };
}

function toSecret(value: string | undefined): Secret | undefined {
  return value === undefined ? undefined : new Secret(value);
}
