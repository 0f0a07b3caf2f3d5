import { DEFAULT_MODEL_NAME, type LogLevel, type ModelProfileName } from "./settings.ts";
import { ACCESS_SETTINGS } from "./access-settings.ts";
import { OPERATION_SETTINGS } from "./operation-settings.ts";
import { headerMap, hostHeader, parameterMap, parameterNames, serverName, yesOrNo } from "./endpoint-kinds.ts";
import {
  choice,
  hostList,
  httpUrl,
  httpUrlOr,
  integer,
  listenHost,
  originList,
  path,
  positiveDecimal,
  secondsOr,
  text,
  type SettingKind,
} from "./setting-kinds.ts";
import { MCP_SETTINGS } from "./mcp-settings.ts";
import { SIGNING_SETTINGS } from "./signing-settings.ts";
import { URL_SETTINGS } from "./url-settings.ts";
import { v2Mapping } from "./v2-mapping.ts";

export const SETTING_GROUPS = [
  "Service",
  "HTTP",
  "Access",
  "Limits",
  "Operation",
  "Storage",
  "S3",
  "Model server",
  "Images",
  "MCP",
  "Engine",
] as const;

/** All that is known about one setting: the parser, the documents and `config show` come from here. */
export interface SettingDefinition<Value = unknown> {
  readonly group: (typeof SETTING_GROUPS)[number];
  readonly description: string;
  readonly kind: SettingKind<Value>;
  /** As it would stand in the environment. */
  readonly default?: string;
  /** A value that keeps the rule; the default serves when absent. */
  readonly example?: string;
  /** The path of a file that holds a value, for a secret that is too long for a line; stands in the place of an example. */
  readonly exampleFile?: string;
  /** Never printed; may be given as a file through `<NAME>_FILE`. */
  readonly secret?: true;
  /** An empty text is a value of its own, not "unset". */
  readonly emptyIsValue?: true;
}

const LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const satisfies readonly LogLevel[];
const MODEL_PROFILES = [
  "auto",
  "runtime",
  "none",
  "sd",
  "sdxl",
  "sd3",
  "flux",
  "turbo",
  "lcm",
] as const satisfies readonly ModelProfileName[];
const DAY_SECONDS = 86_400;

/** A text for a header or a signature: no spaces, nothing outside ASCII. */
const secretText = text(/^[\x21-\x7e]+$/, "must be printable ASCII without spaces");

/** Every setting, by the name it has in the environment. */
export const SETTINGS_TABLE = {
  SERVICE_NAME: {
    group: "Service",
    description: "Name of this service in logs, metrics and the health answer.",
    kind: text(/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,62}$/u, "must be 1 to 63 letters, digits, spaces, dots, dashes"),
    default: "mcp-image-server",
  },
  LOG_LEVEL: {
    group: "Service",
    description: "Lines below this level are not written.",
    kind: choice<LogLevel>(LOG_LEVELS, { WARN: "WARNING" }),
    default: "INFO",
  },
  LOG_FORMAT: {
    group: "Service",
    description: "`auto` is `pretty` on a terminal and JSON lines elsewhere; logs go to standard error.",
    kind: choice(["auto", "json", "pretty"]),
    default: "auto",
  },
  HOST: {
    group: "HTTP",
    description: "Name or address to listen on; `127.0.0.1` is reached from this machine alone.",
    kind: listenHost(),
    default: "0.0.0.0",
  },
  PORT: {
    group: "HTTP",
    description: "Port to listen on; 0 takes a free one.",
    kind: integer({ min: 0, max: 65_535 }),
    default: "8000",
  },
  WORKERS: {
    group: "HTTP",
    description: "Worker threads that read long answers of model servers, such as pictures sent as lists of pixels.",
    kind: integer({ min: 1, max: 64 }),
    default: "4",
  },
  PUBLIC_BASE_URL: {
    group: "HTTP",
    description:
      "What the URLs of pictures begin with; may carry a path. Unset: the address that the server listens on.",
    kind: httpUrl(),
    example: "https://images.example.com",
  },
  ALLOWED_HOSTS: {
    group: "HTTP",
    description:
      "Host names that the Host header may carry beside loopback, the address of the connection and the host of `PUBLIC_BASE_URL`.",
    kind: hostList(),
    example: "images.example.com,mcp-image-server.tools.svc",
  },
  ALLOWED_ORIGINS: {
    group: "HTTP",
    description: "Origins that a browser may call from beside our own.",
    kind: originList(),
    example: "https://app.example.com",
  },
  OPENAI_API: {
    group: "HTTP",
    description: "Whether OpenAI's images are spoken as well, at `/v1/images/generations` and `/v1/models`.",
    kind: yesOrNo(),
    default: "false",
  },
  A1111_API: {
    group: "HTTP",
    description: "Whether the API of AUTOMATIC1111's web UI is spoken as well, at `/sdapi/v1/txt2img` and around it.",
    kind: yesOrNo(),
    default: "false",
  },
  SHUTDOWN_TIMEOUT: {
    group: "HTTP",
    description: "Seconds that accepted work may go on after SIGTERM.",
    kind: integer({ min: 0, max: 3_600 }),
    default: "30",
  },
  ...ACCESS_SETTINGS,
  ...OPERATION_SETTINGS,
  STORAGE_BACKEND: {
    group: "Storage",
    description: "Where pictures are kept: in a folder, or in an S3 bucket.",
    kind: choice(["file", "s3"]),
    default: "file",
  },
  STORAGE_PATH: {
    group: "Storage",
    description: "Folder of the pictures, for `file`; made when missing.",
    kind: path(),
    default: "/tmp/mcp-images",
  },
  MAX_STORAGE_BYTES: {
    group: "Storage",
    description: "The most that pictures may take together, kept ones too; when absent, nothing limits them.",
    kind: integer({ min: 1_048_576, max: Number.MAX_SAFE_INTEGER }),
    example: "53687091200",
  },
  MIN_FREE_DISK_BYTES: {
    group: "Storage",
    description: "What stays free on the volume of the pictures, for `file`; 0 leaves that to the file system.",
    kind: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    default: "0",
  },
  STORAGE_FULL_POLICY: {
    group: "Storage",
    description:
      "What happens at these limits: `refuse` takes no more jobs, `evict_oldest` deletes the oldest pictures that are not kept.",
    kind: choice(["refuse", "evict_oldest"]),
    default: "refuse",
  },
  S3_BUCKET: {
    group: "S3",
    description: "Bucket of the pictures; required for `s3`.",
    kind: text(
      /^(?:arn:[\w:/.-]+|[A-Za-z0-9][A-Za-z0-9._:-]{1,254})$/,
      "must be the name (or access point ARN) of a bucket, not a URL",
    ),
    example: "pictures",
  },
  S3_PREFIX: {
    group: "S3",
    description: "What every key begins with, used as it stands; empty means no prefix.",
    kind: text(
      /^(?:[^/\s\p{Cc}][^\p{Cc}]{0,254})?$/u,
      "must be at most 255 characters, not beginning with a slash or a space",
    ),
    default: "mcp-images/",
    emptyIsValue: true,
  },
  S3_ENDPOINT_URL: {
    group: "S3",
    description: "Endpoint of an S3-compatible store. Unset: AWS.",
    kind: httpUrl(),
    example: "https://s3.example.com",
  },
  S3_PUBLIC_ENDPOINT_URL: {
    group: "S3",
    description: "Where clients reach the S3 store, for `redirect` and `presigned`. Unset: `S3_ENDPOINT_URL`.",
    kind: httpUrl(),
    example: "https://s3.example.com",
  },
  AWS_ACCESS_KEY_ID: {
    group: "S3",
    description: "Access key. Unset: the default credential chain (workload identity, instance role, profile).",
    kind: secretText,
    example: "AKIAIOSFODNN7EXAMPLE",
    secret: true,
  },
  AWS_SECRET_ACCESS_KEY: {
    group: "S3",
    description: "Secret that belongs to `AWS_ACCESS_KEY_ID`.",
    kind: secretText,
    example: "the-secret-of-that-key",
    secret: true,
  },
  AWS_SESSION_TOKEN: {
    group: "S3",
    description: "Session token that belongs to temporary keys.",
    kind: secretText,
    example: "the-token-of-that-session",
    secret: true,
  },
  AWS_REGION: {
    group: "S3",
    description: "Region of the bucket.",
    kind: text(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i, "must be letters, digits and dashes"),
    default: "us-east-1",
  },
  KSERVE_ENDPOINT: {
    group: "Model server",
    description:
      "Base URL of the KServe endpoint, or `embedded` for the engine in this package. Required by `serve`; `embedded` at a desk.",
    kind: httpUrlOr("embedded"),
    example: "http://stable-diffusion-predictor.models.svc:8080",
  },
  KSERVE_MODEL_NAME: {
    group: "Model server",
    description: "Model to call. Unset, and the endpoint serves exactly one model: that one.",
    kind: text(/^[\p{L}\p{N}][^\s\p{Cc}?#\\]{0,199}$/u, "must be a name without spaces, ? and #"),
    default: DEFAULT_MODEL_NAME,
  },
  KSERVE_MODEL_PROFILE: {
    group: "Model server",
    description:
      "Size, steps and guidance for what a caller leaves open; `auto` goes by the name of the model, `none` is 512x512, 50 steps, 7.5, `runtime` leaves all to the model server.",
    kind: choice(MODEL_PROFILES),
    default: "auto",
  },
  KSERVE_TIMEOUT: {
    group: "Model server",
    description: "Seconds that one generation may take, from the send to the whole answer.",
    kind: positiveDecimal({ max: DAY_SECONDS }),
    default: "60",
  },
  KSERVE_MAX_RETRIES: {
    group: "Model server",
    description: "How often a job that surely was not started is sent again.",
    kind: integer({ min: 0, max: 10 }),
    default: "3",
  },
  KSERVE_PROTOCOL: {
    group: "Model server",
    description:
      "What the endpoint speaks: KServe's V1, the Open Inference Protocol (`v2`), or OpenAI's images. `auto` finds out by GET.",
    kind: choice(["auto", "v1", "v2", "openai"]),
    default: "auto",
  },
  KSERVE_V2_MAPPING: {
    group: "Model server",
    description:
      "How a V2 model names its tensors, where its metadata does not tell; the format stands in `docs/kserve.md`.",
    kind: v2Mapping,
    example: '{"prompt":"6_text","steps":{"name":"3_steps","datatype":"INT64"}}',
  },
  KSERVE_ALLOW_URL_FETCH: {
    group: "Model server",
    description:
      "Whether a picture that an answer only points to is fetched; from the endpoint itself, never from elsewhere.",
    kind: choice(["true", "false"]),
    default: "false",
  },
  KSERVE_AUTH_TOKEN: {
    group: "Model server",
    description: "Bearer token for the endpoint.",
    kind: secretText,
    example: "the-token",
    secret: true,
  },
  KSERVE_HEADERS: {
    group: "Model server",
    description: "Further headers for the endpoint, such as the key of a gateway.",
    kind: headerMap(),
    example: '{"x-api-key":"the-key"}',
    secret: true,
  },
  KSERVE_HOST_HEADER: {
    group: "Model server",
    description: "Host header for the endpoint, where its address is not the name of the service.",
    kind: hostHeader(),
    example: "stable-diffusion.models.example.com",
  },
  KSERVE_SERVERNAME: {
    group: "Model server",
    description:
      "Name that TLS asks for and that the endpoint's certificate must have. Unset: the one of the Host header.",
    kind: serverName(),
    example: "stable-diffusion.models.example.com",
  },
  KSERVE_CA_FILE: {
    group: "Model server",
    description: "Certificates (PEM) to trust for the endpoint beside the roots of the system; followed as it changes.",
    kind: path(),
    example: "/var/run/secrets/kubernetes.io/serviceaccount/service-ca.crt",
  },
  KSERVE_CLIENT_CERT_FILE: {
    group: "Model server",
    description: "Our own certificate (PEM) for an endpoint that asks for one; followed as it changes.",
    kind: path(),
    example: "/etc/mcp-image-server/tls.crt",
  },
  KSERVE_CLIENT_KEY_FILE: {
    group: "Model server",
    description: "Key (PEM) that belongs to `KSERVE_CLIENT_CERT_FILE`.",
    kind: path(),
    example: "/etc/mcp-image-server/tls.key",
  },
  KSERVE_INSECURE_SKIP_VERIFY: {
    group: "Model server",
    description: "`true` accepts any certificate of the endpoint: for tests alone.",
    kind: yesOrNo(),
    default: "false",
  },
  KSERVE_SIZE_POLICY: {
    group: "Model server",
    description: "What to do with a size that the model does not draw: `error`, or `snap` to the nearest one.",
    kind: choice(["error", "snap"]),
    default: "error",
  },
  KSERVE_SCHEDULER: {
    group: "Model server",
    description: "Scheduler for a runtime that insists on one; others are not sent it.",
    kind: text(/^[\w+. -]{1,64}$/, "must be 1 to 64 letters, digits, spaces, plus signs, dots, dashes"),
    default: "Euler",
  },
  KSERVE_EXTRA_PARAMS: {
    group: "Model server",
    description: "Parameters sent with every job; they win over those of the caller.",
    kind: parameterMap(),
    example: '{"clip_skip":2}',
  },
  KSERVE_OMIT_PARAMS: {
    group: "Model server",
    description: "Parameters that are never sent.",
    kind: parameterNames(),
    example: "seed,negative_prompt",
  },
  KSERVE_MAX_CONCURRENCY: {
    group: "Model server",
    description: "Jobs that this process sends at once; one GPU serves one.",
    kind: integer({ min: 1, max: 64 }),
    default: "1",
  },
  KSERVE_QUEUE_DEPTH: {
    group: "Model server",
    description: "Jobs that may wait here; one more is answered with `queue_full`.",
    kind: integer({ min: 0, max: 10_000 }),
    default: "32",
  },
  KSERVE_QUEUE_TIMEOUT: {
    group: "Model server",
    description: "Seconds that a job may wait before it is answered with `queue_timeout`.",
    kind: integer({ min: 1, max: DAY_SECONDS }),
    default: "300",
  },
  IMAGE_CLEANUP_INTERVAL: {
    group: "Images",
    description: "Seconds between two removals of expired pictures.",
    kind: integer({ min: 1, max: DAY_SECONDS }),
    default: "300",
  },
  IMAGE_TTL: {
    group: "Images",
    description: "Seconds that a picture is kept and served, or `never` for no expiry.",
    kind: secondsOr("never", { min: 1, max: 100 * 365 * DAY_SECONDS }),
    default: "3600",
  },
  MAX_IMAGE_SIZE: {
    group: "Images",
    description: "Bytes that a picture from the model server may have.",
    kind: integer({ min: 1_024, max: 268_435_456 }),
    default: "10485760",
  },
  ...URL_SETTINGS,
  IMAGE_EMBED_PROMPT: {
    group: "Images",
    description:
      "Whether the file of a picture tells its prompts, beside seed, settings and origin, which it always tells.",
    kind: yesOrNo(),
    default: "true",
  },
  ...SIGNING_SETTINGS,
  ...MCP_SETTINGS,
  ENGINE_EXECUTOR: {
    group: "Engine",
    description:
      "What runs the networks: `wasm`, or `native`, which is some times faster and needs the package onnxruntime-node.",
    kind: choice(["wasm", "native"]),
    default: "wasm",
  },
  ENGINE_THREADS: {
    group: "Engine",
    description:
      "Threads that a network may use, for `native`; `wasm` uses one. Unset: as many as there are processors.",
    kind: integer({ min: 1, max: 64 }),
    example: "4",
  },
  ENGINE_MEMORY_LIMIT: {
    group: "Engine",
    description:
      "Megabytes that the engine's networks may take; a picture that needs more fails with `out_of_memory`. Unset: no limit.",
    kind: integer({ min: 64, max: 1_048_576 }),
    example: "2048",
  },
  ENGINE_CANCEL_GRACE: {
    group: "Engine",
    description: "Seconds that a cancelled picture may take to reach its next step before it is ended by force.",
    kind: positiveDecimal({ max: 600 }),
    default: "2",
  },
  MODEL_PATH: {
    group: "Engine",
    description: "Folder with a diffusers ONNX export for `embedded`. Unset: the model in this package.",
    kind: path(),
    example: "/models/sd-turbo-onnx",
  },
} as const satisfies Record<string, SettingDefinition>;

export type SettingName = keyof typeof SETTINGS_TABLE;

/** The names in the order of the table. */
export const SETTING_NAMES = Object.keys(SETTINGS_TABLE) as readonly SettingName[];

/** What a setting is when it is set or has a default; `undefined` is left only for those without one. */
export type SettingValue<Name extends SettingName> =
  | ((typeof SETTINGS_TABLE)[Name]["kind"] extends SettingKind<infer Value> ? Value : never)
  | ((typeof SETTINGS_TABLE)[Name] extends { readonly default: string } ? never : undefined);

/** The entry of the table with the optional parts in view. */
export function getSettingDefinition(name: SettingName): SettingDefinition {
  return SETTINGS_TABLE[name];
}

/** A value that keeps the rule, for messages and documents; empty for what is too long for a line. */
export function toSettingExample(name: SettingName): string {
  const { example, default: fallback } = getSettingDefinition(name);
  return example ?? fallback ?? "";
}

/** A line that sets it, such as `PORT=8000`. */
export function toExampleLine(name: SettingName): string {
  const { exampleFile } = getSettingDefinition(name);
  return exampleFile === undefined ? `${name}=${toSettingExample(name)}` : `${name}_FILE=${exampleFile}`;
}
