import { MCPImageError, StorageError } from "../core/errors.ts";
import type { FailedOperation } from "./file-errors.ts";

/** What an error of the SDK, of the service or of the network says, reduced to what we branch on. */
export interface S3Failure {
  /** `NoSuchKey`, `TimeoutError`, `ECONNREFUSED`; for an answer without a body `Unknown`. */
  readonly name: string;
  readonly status: number | undefined;
  /** How often the SDK tried. */
  readonly attempts: number;
}

const FULL = new Set(["InsufficientCapacity", "QuotaExceeded", "XMinioStorageFull", "EntityTooLargeForQuota"]);
const NETWORK = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);
/** 301 and 307 mean another region; 503 is "slow down". */
const UNAVAILABLE_STATUS = new Set([301, 307, 401, 403, 503]);

export function toS3Failure(error: unknown): S3Failure {
  const fields = readFields(error);
  const metadata = readFields(fields["$metadata"]);
  const status = metadata["httpStatusCode"];
  const attempts = metadata["attempts"];
  const code = fields["code"];
  const name = fields["name"];
  const isNetwork = typeof code === "string" && (NETWORK.has(code) || name === "Error");
  return {
    name: isNetwork ? code : typeof name === "string" ? name : "Unknown",
    status: typeof status === "number" ? status : undefined,
    attempts: typeof attempts === "number" ? attempts : 1,
  };
}

export interface S3ErrorContext {
  readonly operation: FailedOperation;
  /** What could not be done, with the bucket. */
  readonly message: string;
  /** Texts that no error may show. */
  readonly secrets: readonly string[];
  /** True when our own deadline ended the call. */
  readonly isTimedOut: boolean;
}

/** The error of an S3 call as one of ours. */
export function toS3StorageError(error: unknown, context: S3ErrorContext): MCPImageError {
  if (error instanceof MCPImageError) return error;
  const { operation, message, isTimedOut } = context;
  const failure = toS3Failure(error);
  const { name, status } = failure;
  const cause = toSafeCause(error, failure, context.secrets);
  if (isTimedOut || name === "TimeoutError" || name === "ETIMEDOUT") {
    return new StorageError("storage_timeout", `${message}: it did not answer in time`, { cause });
  }
  if (status === 507 || FULL.has(name)) return new StorageError("storage_full", `${message}: it is full`, { cause });
  const reason = toUnavailableReason(failure);
  if (reason !== undefined) return new StorageError("storage_unavailable", `${message}: ${reason}`, { cause });
  return new StorageError(operation, `${message}: ${describeFailure(failure)}`, { cause });
}

function toUnavailableReason(failure: S3Failure): string | undefined {
  const { name, status } = failure;
  if (name === "NoSuchBucket") return "the bucket does not exist";
  if (name === "CredentialsProviderError" || name === "TokenProviderError") return "no credentials were found";
  if (name === "InvalidAccessKeyId" || name === "SignatureDoesNotMatch") return `the credentials are wrong (${name})`;
  if (status === 301 || status === 307) return "the bucket lies in another region";
  if (status === 403 || status === 401) return `access is denied (${describeFailure(failure)})`;
  if (name === "EPROTO") return "it does not speak TLS: S3_ENDPOINT_URL should perhaps begin with http://";
  if (NETWORK.has(name)) return `it cannot be reached (${name})`;
  return status !== undefined && UNAVAILABLE_STATUS.has(status) ? describeFailure(failure) : undefined;
}

function describeFailure({ name, status }: S3Failure): string {
  return status === undefined ? name : `${name}, HTTP ${status}`;
}

/** Errors of the SDK carry the access key, the signed text and the whole answer: none of that may reach a log. */
function toSafeCause(error: unknown, failure: S3Failure, secrets: readonly string[]): Error {
  let text = error instanceof Error ? error.message : "";
  for (const secret of secrets) if (secret !== "") text = text.replaceAll(secret, "[redacted]");
  return new Error(`${describeFailure(failure)}: ${text}`);
}

function readFields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null
    ? { ...value, ...(value instanceof Error && { name: value.name }) }
    : {};
}
