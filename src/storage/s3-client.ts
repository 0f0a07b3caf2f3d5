import { createHash } from "node:crypto";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { isJsonObject } from "../core/json.ts";
import type * as S3Sdk from "./s3-sdk.ts";
import type { S3ClientOptions } from "./s3-client-options.ts";

/** The SDK, which is large and so loaded on first use, and a client of it. */
export interface LoadedS3 {
  readonly sdk: typeof S3Sdk;
  readonly client: S3Client;
}

const MAX_ATTEMPTS = 3;
const CONNECTION_TIMEOUT_MS = 5000;
const MAX_SOCKETS = 64;

export async function loadS3(options: S3ClientOptions): Promise<LoadedS3> {
  const sdk = await import("./s3-sdk.ts");
  const { credentials, endpointUrl, attemptTimeoutMs } = options;
  const config: S3ClientConfig = {
    region: options.regionName,
    maxAttempts: MAX_ATTEMPTS,
    // The default sends checksums that many other servers refuse.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: Math.min(CONNECTION_TIMEOUT_MS, attemptTimeoutMs),
      requestTimeout: attemptTimeoutMs,
      throwOnRequestTimeout: true, // else a timeout is only a warning in the log
      socketTimeout: attemptTimeoutMs,
      httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
    },
    ...(endpointUrl !== undefined && { endpoint: endpointUrl, forcePathStyle: true }),
    ...(credentials && {
      credentials: {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: credentials.secretAccessKey.reveal(),
        ...(credentials.sessionToken && { sessionToken: credentials.sessionToken.reveal() }),
      },
    }),
  };
  const client = new sdk.S3Client(config);
  if (endpointUrl !== undefined) useContentMd5(client);
  reportStorageDate(client, options.onStorageDate);
  return { sdk, client };
}

/** Other servers want the older Content-MD5 on these and know no CRC32; AWS knows both. */
const CHECKED_COMMANDS = new Set(["DeleteObjectsCommand", "PutBucketLifecycleConfigurationCommand"]);

function useContentMd5(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      if (CHECKED_COMMANDS.has(context.commandName ?? "")) replaceChecksum(args.request);
      return next(args);
    },
    { step: "build", priority: "low", name: "useContentMd5" },
  );
}

function replaceChecksum(request: unknown): void {
  const { headers, body } = readHttpMessage(request);
  if (headers === undefined || !(typeof body === "string" || body instanceof Uint8Array)) return;
  for (const name of Object.keys(headers)) {
    if (/^x-amz-(?:sdk-)?checksum/i.test(name)) delete headers[name];
  }
  headers["content-md5"] = createHash("md5").update(body).digest("base64");
}

function reportStorageDate(client: S3Client, onStorageDate: (storageMs: number) => void): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const date = readHttpMessage(result.response).headers?.["date"];
      const storageMs = typeof date === "string" ? Date.parse(date) : Number.NaN;
      if (!Number.isNaN(storageMs)) onStorageDate(storageMs);
      return result;
    },
    { step: "deserialize", name: "reportStorageDate" },
  );
}

interface HttpMessage {
  readonly headers: Record<string, unknown> | undefined;
  readonly body: unknown;
}

/** The SDK types the messages of its middleware as unknown. */
function readHttpMessage(message: unknown): HttpMessage {
  if (typeof message !== "object" || message === null) return { headers: undefined, body: undefined };
  const headers = "headers" in message && isRecord(message.headers) ? message.headers : undefined;
  return { headers, body: "body" in message ? message.body : undefined };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return isJsonObject(value);
}
