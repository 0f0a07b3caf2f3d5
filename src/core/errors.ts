import { constants } from "node:os";

/** The HTTP answer, the advice to retry, and the words a stranger may read, for one error code. */
export interface ErrorDefinition {
  readonly httpStatus: number;
  /** True when the same call may succeed later without a change by the caller. */
  readonly retryable: boolean;
  /** What leaves the process when the thrower gave no public message of its own. */
  readonly publicMessage: string;
  /** What an operator should look at; printed in `docs/errors.md`. */
  readonly remedy: string;
}

/** Every error code of the project. Callers branch on the code, never on text. */
export const ERROR_TABLE = {
  invalid_argument: {
    httpStatus: 400,
    retryable: false,
    publicMessage: "An argument is not valid",
    remedy: "Correct the named field; the message says what is allowed.",
  },
  invalid_image_id: {
    httpStatus: 400,
    retryable: false,
    publicMessage: "The image id is not valid",
    remedy: "Use an id exactly as generate_image returned it.",
  },
  image_not_found: {
    httpStatus: 404,
    retryable: false,
    publicMessage: "No image has this id, or its time to live is over",
    remedy: "Generate the picture again, or raise IMAGE_TTL.",
  },
  image_exists: {
    httpStatus: 409,
    retryable: false,
    publicMessage: "An image with this id is stored already",
    remedy: "Images are written once; save under a new id.",
  },
  generation_failed: {
    httpStatus: 410,
    retryable: false,
    publicMessage: "The picture could not be drawn",
    remedy: "Generate it again; details.reason is the code of what went wrong.",
  },
  generation_interrupted: {
    httpStatus: 410,
    retryable: false,
    publicMessage: "The server that was drawing this picture stopped before it was done",
    remedy: "Generate the picture again; a longer SHUTDOWN_TIMEOUT lets a server end its jobs.",
  },
  not_found: {
    httpStatus: 404,
    retryable: false,
    publicMessage: "There is nothing at this address",
    remedy: "See the list of routes in docs/http-api.md.",
  },
  method_not_allowed: {
    httpStatus: 405,
    retryable: false,
    publicMessage: "This address does not support the method",
    remedy: "The Allow header lists the methods that it supports.",
  },
  forbidden: {
    httpStatus: 403,
    retryable: false,
    publicMessage: "This operation is not allowed for this client",
    remedy:
      "Without authentication, drawing, keeping, deleting and cleaning up over HTTP are for clients on the same machine, " +
      "as callers of a container never are: set AUTH_MODE.",
  },
  unauthorized: {
    httpStatus: 401,
    retryable: false,
    publicMessage: "A valid token is needed: Authorization: Bearer <token>",
    remedy: "Send a key of API_KEYS, or an access token of OAUTH_ISSUER for this server; never in the address.",
  },
  insufficient_scope: {
    httpStatus: 403,
    retryable: false,
    publicMessage: "The token does not allow this",
    remedy: "Get a token with the scope that details.required_scope names, or add it to the key in API_KEYS.",
  },
  authorization_unavailable: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "Tokens cannot be checked now",
    remedy: "Check that OAUTH_ISSUER or OAUTH_JWKS_URL can be reached from the server.",
  },
  rate_limited: {
    httpStatus: 429,
    retryable: true,
    publicMessage: "You have asked for too many pictures in a short time",
    remedy: "Wait as long as details.retry_after_seconds says, or raise LIMIT_JOBS_PER_MINUTE.",
  },
  daily_limit_reached: {
    httpStatus: 429,
    retryable: true,
    publicMessage: "You have asked for as many pictures as one client may in a day",
    remedy: "Wait as long as details.retry_after_seconds says, or raise LIMIT_JOBS_PER_DAY.",
  },
  too_many_jobs: {
    httpStatus: 429,
    retryable: true,
    publicMessage: "Too many of your pictures are in the making",
    remedy: "Call again when one is done, or raise LIMIT_JOBS_AT_ONCE.",
  },
  limits_unavailable: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "The limits of this server cannot be checked now",
    remedy: "Check that REDIS_URL can be reached, or set LIMITS_ON_REDIS_FAILURE=local.",
  },
  url_signature_invalid: {
    httpStatus: 403,
    retryable: false,
    publicMessage: "The address of the picture has no valid signature",
    remedy:
      "Use the address whole, as generate_image, list or metadata gave it; after a change of URL_SIGNING_KEYS ask for it anew.",
  },
  url_expired: {
    httpStatus: 403,
    retryable: false,
    publicMessage: "The address of the picture has expired",
    remedy: "Ask for the picture's metadata or the list: they give an address that holds, while the picture is kept.",
  },
  forbidden_host: {
    httpStatus: 403,
    retryable: false,
    publicMessage: "The Host header is not allowed",
    remedy: "Add the host name to ALLOWED_HOSTS, or set PUBLIC_BASE_URL.",
  },
  forbidden_origin: {
    httpStatus: 403,
    retryable: false,
    publicMessage: "The Origin header is not allowed",
    remedy: "Add the origin to ALLOWED_ORIGINS, or set PUBLIC_BASE_URL.",
  },
  malformed_request: {
    httpStatus: 400,
    retryable: false,
    publicMessage: "The request is not valid HTTP",
    remedy: "Send exactly one Host header, and nothing that HTTP/1.1 does not allow.",
  },
  request_timeout: {
    httpStatus: 408,
    retryable: true,
    publicMessage: "The request did not arrive in time",
    remedy: "Send the whole request without pauses; a slow link needs a proxy that buffers.",
  },
  precondition_failed: {
    httpStatus: 412,
    retryable: false,
    publicMessage: "A condition of the request does not hold",
    remedy: "Leave out If-Match and If-Unmodified-Since, or ask with the ETag of the picture.",
  },
  range_not_satisfiable: {
    httpStatus: 416,
    retryable: false,
    publicMessage: "The picture has no such range",
    remedy: "The Content-Range header tells how many bytes the picture has.",
  },
  headers_too_large: {
    httpStatus: 431,
    retryable: false,
    publicMessage: "The headers of the request are too large",
    remedy: "Address and headers together are limited to 16 KiB.",
  },
  unsupported_media_type: {
    httpStatus: 415,
    retryable: false,
    publicMessage: "The body must be application/json",
    remedy: "Send Content-Type: application/json.",
  },
  payload_too_large: {
    httpStatus: 413,
    retryable: false,
    publicMessage: "The request body is too large",
    remedy: "Bodies are limited to 1 MiB.",
  },
  too_many_sessions: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "Too many MCP sessions are open",
    remedy: "Close unused sessions; idle ones end by themselves.",
  },
  too_many_watchers: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "Too many clients watch the jobs",
    remedy: "Close pages of the gallery that nobody looks at; GET /jobs tells the same once.",
  },
  shutting_down: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "The server is shutting down",
    remedy: "Call again; another replica or the restarted server will answer.",
  },
  queue_full: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "The image generator is busy",
    remedy: "Wait, add replicas of the model, or raise the depth of the queue.",
  },
  queue_timeout: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "The image generator stayed busy for too long",
    remedy: "Wait, or add replicas of the model.",
  },
  cancelled: {
    httpStatus: 499,
    retryable: false,
    publicMessage: "The call was cancelled",
    remedy: "Nothing to do: the caller gave up.",
  },
  model_not_found: {
    httpStatus: 502,
    retryable: false,
    publicMessage: "The model server does not serve the configured model",
    remedy: "Set KSERVE_MODEL_NAME to a name that GET /v1/models of the endpoint lists.",
  },
  model_not_ready: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "The model is still loading",
    remedy: "Wait until the InferenceService is ready.",
  },
  upstream_busy: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "The model server is busy",
    remedy: "Wait, or scale the InferenceService.",
  },
  upstream_unavailable: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "The model server cannot be reached",
    remedy: "Check KSERVE_ENDPOINT, the network policy and whether the InferenceService runs.",
  },
  upstream_timeout: {
    httpStatus: 504,
    retryable: false,
    publicMessage: "The model server did not answer in time; the job may still be running there",
    remedy: "Raise KSERVE_TIMEOUT, and the timeout of every proxy on the way (spec.predictor.timeout).",
  },
  upstream_connection_lost: {
    httpStatus: 502,
    retryable: false,
    publicMessage: "The connection to the model server was lost; the job may still be running there",
    remedy: "Look for a restart or an out-of-memory kill of the model server, or a proxy timeout.",
  },
  upstream_error: {
    httpStatus: 502,
    retryable: false,
    publicMessage: "The model server failed to draw the picture",
    remedy: "The log line generation_failed has the model server's own words.",
  },
  upstream_rejected: {
    httpStatus: 422,
    retryable: false,
    publicMessage: "The model server refused the parameters",
    remedy: "Use a size, steps and guidance that the model supports; the log has the model server's own words.",
  },
  upstream_auth_failed: {
    httpStatus: 502,
    retryable: false,
    publicMessage: "The model server refused our credentials",
    remedy: "The service account needs the right to get the InferenceService; set KSERVE_AUTH_TOKEN or its file.",
  },
  upstream_redirected: {
    httpStatus: 502,
    retryable: false,
    publicMessage: "The model server redirected the call instead of answering it",
    remedy: "Use the https form of KSERVE_ENDPOINT; redirects are never followed.",
  },
  not_a_kserve_endpoint: {
    httpStatus: 502,
    retryable: false,
    publicMessage: "The configured endpoint does not speak the KServe protocol",
    remedy: "Check KSERVE_ENDPOINT: it should be the base URL of the InferenceService.",
  },
  out_of_memory: {
    httpStatus: 507,
    retryable: true,
    publicMessage: "The model server ran out of memory",
    remedy: "Try a smaller width and height.",
  },
  no_image_in_response: {
    httpStatus: 502,
    retryable: false,
    publicMessage: "The model server answered without a picture",
    remedy: "Check that the model behind the endpoint is a text-to-image model.",
  },
  image_invalid: {
    httpStatus: 502,
    retryable: false,
    publicMessage: "The picture is damaged or of an unknown format",
    remedy: "PNG, JPEG and WebP are accepted when every part of the file is whole.",
  },
  image_too_large: {
    httpStatus: 502,
    retryable: false,
    publicMessage: "The picture is larger than this server stores",
    remedy: "Ask for a smaller picture, or raise MAX_IMAGE_SIZE.",
  },
  signing_failed: {
    httpStatus: 500,
    retryable: false,
    publicMessage: "The picture was drawn, but could not be signed",
    remedy:
      "Run `mcp-image-server doctor`; replace a certificate that has ended (C2PA_SIGN_CERT), and start the server anew.",
  },
  thumbnails_unavailable: {
    httpStatus: 501,
    retryable: false,
    publicMessage: "This server makes no thumbnails and converts no pictures: the optional package sharp is missing",
    remedy: "Run `npm install sharp` where mcp-image-server is installed, and ask again.",
  },
  thumbnails_busy: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "Too many thumbnails are waiting to be made",
    remedy: "Ask again after the seconds that Retry-After says; those that were made are kept in memory.",
  },
  thumbnail_failed: {
    httpStatus: 422,
    retryable: false,
    publicMessage: "The picture cannot be converted: it is damaged, or has more than 64 million pixels",
    remedy: "Ask for the picture as it is stored; the log line thumbnail_failed has the cause.",
  },
  storage_unavailable: {
    httpStatus: 503,
    retryable: true,
    publicMessage: "The image storage cannot be reached",
    remedy: "Check STORAGE_PATH or the bucket, its credentials and its permissions; the log has the cause.",
  },
  storage_full: {
    httpStatus: 507,
    retryable: true,
    publicMessage: "The image storage is full",
    remedy:
      "Free space, lower IMAGE_TTL, raise MAX_STORAGE_BYTES or the volume, or set STORAGE_FULL_POLICY=evict_oldest.",
  },
  storage_write_failed: {
    httpStatus: 500,
    retryable: true,
    publicMessage: "The picture could not be stored",
    remedy: "The log has the cause, such as the rights of STORAGE_PATH to write or the policy of the bucket.",
  },
  storage_read_failed: {
    httpStatus: 500,
    retryable: true,
    publicMessage: "The picture could not be read",
    remedy: "The log has the cause, such as the rights of STORAGE_PATH to read or the policy of the bucket.",
  },
  storage_delete_failed: {
    httpStatus: 500,
    retryable: true,
    publicMessage: "The picture could not be deleted",
    remedy: "The log has the cause, such as the rights of STORAGE_PATH to delete or the policy of the bucket.",
  },
  storage_list_failed: {
    httpStatus: 500,
    retryable: true,
    publicMessage: "The pictures could not be listed",
    remedy: "The log has the cause, such as the rights of STORAGE_PATH, or s3:ListBucket on the bucket.",
  },
  storage_timeout: {
    httpStatus: 504,
    retryable: true,
    publicMessage: "The image storage did not answer in time",
    remedy: "Check the network path to the bucket.",
  },
  configuration_invalid: {
    httpStatus: 500,
    retryable: false,
    publicMessage: "The server is not configured correctly",
    remedy: "Run `mcp-image-server config check`.",
  },
  internal: {
    httpStatus: 500,
    retryable: false,
    publicMessage: "An internal error occurred",
    remedy: "Report it with the request id; the log has the detail.",
  },
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof ERROR_TABLE;

/** Facts about an error that a stranger may read, in snake_case (`field`, `allowed`, `retry_after_seconds`). */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export interface MCPImageErrorOptions extends ErrorOptions {
  /** Words of ours for a stranger; the table's words when absent. Never upstream text, never a prompt. */
  readonly publicMessage?: string;
  readonly details?: ErrorDetails;
}

/** Base class of every error that this project throws on purpose. */
export class MCPImageError extends Error {
  override readonly name: string = "MCPImageError";
  readonly code: ErrorCode;
  readonly publicMessage: string;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: MCPImageErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.publicMessage = options.publicMessage ?? ERROR_TABLE[code].publicMessage;
    this.details = options.details ?? {};
  }

  get httpStatus(): number {
    return ERROR_TABLE[this.code].httpStatus;
  }

  get retryable(): boolean {
    return ERROR_TABLE[this.code].retryable;
  }
}

/** A storage operation failed. */
export class StorageError extends MCPImageError {
  override readonly name = "StorageError";
}

/** The model server, or the way to it, failed. */
export class KServeError extends MCPImageError {
  override readonly name = "KServeError";
}

/** What the caller gave is not valid. */
export class ValidationError extends MCPImageError {
  override readonly name = "ValidationError";
}

/** The configuration is not valid. */
export class ConfigurationError extends MCPImageError {
  override readonly name = "ConfigurationError";
}

/** The error as one of ours: anything unknown becomes `internal`, with the original as its cause. */
export function toMcpImageError(error: unknown): MCPImageError {
  if (error instanceof MCPImageError) return error;
  return new MCPImageError("internal", "Unexpected error", { cause: error });
}

/** The JSON body that leaves the process for an error: `error` is the code. */
export interface PublicError {
  readonly error: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly details?: ErrorDetails;
}

export function toPublicError(error: MCPImageError): PublicError {
  const { code, publicMessage: message, retryable, details } = error;
  return { error: code, message, retryable, ...(Object.keys(details).length > 0 && { details }) };
}

/** True for a Node system error with this code, such as `ENOENT`. */
export function isErrno(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return false;
  return codes.includes(error.code) || ("errno" in error && codes.some((code) => hasNumber(code, error.errno)));
}

/** Some have a number alone, as libuv has no name for them: EDQUOT and ESTALE come as "Unknown system error -122". */
function hasNumber(code: string, errno: unknown): boolean {
  const numbers: Readonly<Record<string, number>> = constants.errno;
  return typeof errno === "number" && numbers[code] === -errno;
}
