import type { KeyObject, X509Certificate } from "node:crypto";
import type { JsonObject } from "../core/json.ts";
import type { Secret } from "../core/secret.ts";
import type { ApiKeySetting } from "./access-kinds.ts";
import type { V2Mapping } from "./v2-mapping.ts";

export type LogLevel = "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";

export interface ServiceSettings {
  readonly name: string;
  readonly logLevel: LogLevel;
  /** `auto`: pretty on a terminal, JSON lines elsewhere. */
  readonly logFormat: "auto" | "json" | "pretty";
}

export interface HttpSettings {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Worker threads for work on pictures. */
  readonly workers: number;
  /** Without a trailing slash; `undefined` means the listen address. */
  readonly publicBaseUrl: string | undefined;
  /** Host names (no port) that the Host header may carry beside loopback and the public one. */
  readonly allowedHosts: readonly string[];
  /** Origins (scheme, host, port) that a browser may call from beside our own. */
  readonly allowedOrigins: readonly string[];
  readonly openaiApi: boolean;
  readonly a1111Api: boolean;
  /** How long accepted work may go on after SIGTERM. */
  readonly shutdownTimeoutSeconds: number;
}

export interface StorageLimitSettings {
  /** `undefined`: no limit. */
  readonly maxBytes: number | undefined;
  readonly minFreeDiskBytes: number;
  readonly whenFull: "refuse" | "evict_oldest";
  /** Of the largest picture. */
  readonly reservedBytes: number;
}

export interface FileStorageSettings {
  readonly backend: "file";
  readonly path: string;
  readonly limits: StorageLimitSettings;
}

export interface S3StorageSettings {
  readonly backend: "s3";
  readonly bucket: string;
  /** May be empty; used as it stands, so a folder ends with a slash. */
  readonly prefix: string;
  readonly endpointUrl: string | undefined;
  /** Where clients reach the store; `undefined`: where this server does. */
  readonly publicEndpointUrl: string | undefined;
  /** `undefined`: the default credential chain (IRSA, IMDS, profiles). */
  readonly credentials:
    | {
        readonly accessKeyId: string;
        readonly secretAccessKey: Secret;
        /** Belongs to temporary keys. */
        readonly sessionToken: Secret | undefined;
      }
    | undefined;
  readonly region: string;
  readonly limits: StorageLimitSettings;
}

export type StorageSettings = FileStorageSettings | S3StorageSettings;

export type EndpointSettings = { readonly kind: "url"; readonly url: string } | { readonly kind: "embedded" };

export type ModelProfileName = "auto" | "runtime" | "none" | "sd" | "sdxl" | "sd3" | "flux" | "turbo" | "lcm";

/** KServe's V1, the Open Inference Protocol, or OpenAI's images. */
export type ProtocolName = "v1" | "v2" | "openai";

/** How to get in at the endpoint. */
export interface KServeAccessSettings {
  readonly authToken: Secret | undefined;
  /** Read again at each use; the token in it at the start is also `authToken`. */
  readonly authTokenFile: string | undefined;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, Secret>> | undefined;
  readonly hostHeader: string | undefined;
  readonly servername: string | undefined;
  readonly caFile: string | undefined;
  readonly clientCertFile: string | undefined;
  readonly clientKeyFile: string | undefined;
  readonly insecureSkipVerify: boolean;
}

/** What is sent of a request, and what beside it. */
export interface KServePayloadSettings {
  /** What fills in parameters that a caller leaves open. */
  readonly modelProfile: ModelProfileName;
  /** What to do with a size that the model does not draw: refuse it, or take the nearest. */
  readonly sizePolicy: "error" | "snap";
  /** For runtimes that want one. */
  readonly scheduler: string;
  /** Sent with every job; never holds `prompt`. */
  readonly extraParams: JsonObject | undefined;
  /** Never sent. */
  readonly omitParams: readonly string[];
}

export interface KServeSettings {
  /** `undefined` is allowed only for commands that generate nothing. */
  readonly endpoint: EndpointSettings | undefined;
  /** `undefined`: not set by the operator, so the only served model may be taken. */
  readonly modelName: string | undefined;
  readonly timeoutSeconds: number;
  readonly maxRetries: number;
  readonly protocol: ProtocolName | "auto";
  readonly v2Mapping: V2Mapping | undefined;
  /** Whether a picture that an answer only points to is fetched, from the endpoint alone. */
  readonly allowsUrlFetch: boolean;
  readonly access: KServeAccessSettings;
  readonly payload: KServePayloadSettings;
  /** Jobs in flight at once; one GPU serves one job. */
  readonly maxConcurrency: number;
  /** Jobs that may wait; one more is answered "busy". */
  readonly queueDepth: number;
  readonly queueTimeoutSeconds: number;
}

export interface McpSettings {
  readonly maxSessions: number;
  readonly sessionIdleSeconds: number;
  /** Go on with sessions that other replicas began. */
  readonly adoptsSessions: boolean;
  /** What of a picture a result carries beside its URL. */
  readonly preview: "off" | "thumb" | "full";
  readonly hasResourceLink: boolean;
  /** Answer clients that declare the Tasks extension with tasks. */
  readonly hasTasks: boolean;
  /** How long a tool keeps a client waiting that hears nothing meanwhile; `Infinity`: to the end. */
  readonly maxWaitSeconds: number;
  /** The same for a client that is sent progress notifications. */
  readonly maxWaitWithProgressSeconds: number;
}

export interface UrlSettings {
  /** Who serves pictures: this server; the bucket, to which this server redirects; or the bucket at once. */
  readonly mode: "proxy" | "redirect" | "presigned";
  /** The first signs, all are accepted; empty: URLs of pictures are not signed. */
  readonly signingKeys: readonly Secret[];
  /** The longest that a URL holds that does not hold for ever. */
  readonly expirySeconds: number;
}

export interface ImageSettings {
  readonly cleanupIntervalSeconds: number;
  /** `undefined`: pictures never expire. */
  readonly ttlSeconds: number | undefined;
  readonly maxSizeBytes: number;
  /** Whether the file of a picture tells the prompts that it was made from. */
  readonly embedsPrompt: boolean;
  /** `undefined`: pictures are not signed. */
  readonly signing: SigningSettings | undefined;
}

/** What pictures are signed with as C2PA says. */
export interface SigningSettings {
  /** That of the signer first, then each before that of its issuer. */
  readonly certificates: readonly X509Certificate[];
  /** Of the first certificate. */
  readonly privateKey: KeyObject;
}

export interface EngineSettings {
  /** A folder with a diffusers ONNX export; `undefined`: the model shipped with the package. */
  readonly modelPath: string | undefined;
  readonly executor: "wasm" | "native";
  /** `undefined`: what suits the executor. */
  readonly threads: number | undefined;
  /** `undefined`: no limit. */
  readonly memoryMegabytes: number | undefined;
  readonly cancelGraceSeconds: number;
}

/** Who may call. */
export type AuthSettings =
  /** `isExplicit`: the operator said so. */
  | { readonly mode: "none"; readonly isExplicit: boolean }
  | { readonly mode: "token"; readonly keys: readonly ApiKeySetting[] }
  | {
      readonly mode: "oauth";
      readonly issuer: string;
      /** `undefined`: the issuer's metadata tells. */
      readonly jwksUrl: string | undefined;
      readonly audience: readonly string[];
      readonly algorithms: readonly string[];
      readonly clockSkewSeconds: number;
    };

export interface AccessSettings {
  readonly auth: AuthSettings;
  /** Who sees a picture beside its owner and an admin. */
  readonly sharing: "private" | "link" | "shared";
  /** Addresses and networks. */
  readonly trustedProxies: readonly string[];
}

export interface OperationSettings {
  /** `undefined`: `/metrics` is on the port of the server. */
  readonly metricsPort: number | undefined;
  readonly logsAccess: boolean;
  readonly auditLog: "off" | "on" | "prompts";
  /** Between SIGTERM and the end of taking work. */
  readonly drainDelaySeconds: number;
}

/** How many jobs one client may begin; `undefined`: any number. */
export interface LimitSettings {
  readonly perMinute: number | undefined;
  readonly perDay: number | undefined;
  readonly atOnce: number | undefined;
  /** Where replicas count together. */
  readonly redisUrl: Secret | undefined;
  readonly onRedisFailure: "local" | "refuse";
}

/** Everything that the environment and `.env` decide, parsed and checked. */
export interface Settings {
  readonly service: ServiceSettings;
  readonly http: HttpSettings;
  readonly access: AccessSettings;
  readonly limits: LimitSettings;
  readonly operation: OperationSettings;
  readonly storage: StorageSettings;
  readonly kserve: KServeSettings;
  readonly mcp: McpSettings;
  readonly images: ImageSettings;
  readonly urls: UrlSettings;
  readonly engine: EngineSettings;
}

/** The model name that is used when neither the operator nor the endpoint names one. */
export const DEFAULT_MODEL_NAME = "stable-diffusion";
