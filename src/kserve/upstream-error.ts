import { KServeError, type ErrorCode, type ErrorDetails } from "../core/errors.ts";

/**
 * What may follow a failed call, by what provably happened to the job:
 * `after_backoff` it was not executed; `after_memory_pause` it ended, out of memory; `never` anything else.
 */
export type RetryRule = "never" | "after_backoff" | "after_memory_pause";

export interface UpstreamErrorOptions {
  /** What happened, in our words; ends the sentence "Cannot generate the image: …". */
  readonly state: string;
  /** Default `never`. */
  readonly retry?: RetryRule;
  /** What the server asked for in `Retry-After`. */
  readonly retryAfterMs?: number | undefined;
  readonly details?: ErrorDetails;
  readonly publicMessage?: string;
  /** The server's own words, or the system's error: for the log alone. */
  readonly cause?: unknown;
}

/** A call to the model server failed; says whether it may be sent again. */
export class UpstreamError extends KServeError {
  readonly retry: RetryRule;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, options: UpstreamErrorOptions) {
    const { state, retry = "never", retryAfterMs, details = {}, publicMessage, cause } = options;
    super(code, `Cannot generate the image: ${state}`, {
      details: {
        ...details,
        ...(retryAfterMs !== undefined && { retry_after_seconds: Math.ceil(retryAfterMs / 1000) }),
      },
      ...(publicMessage !== undefined && { publicMessage }),
      ...(cause !== undefined && { cause }),
    });
    this.retry = retry;
    this.retryAfterMs = retryAfterMs;
  }

  /** The same error with more facts for the reader. */
  withDetails(details: ErrorDetails): UpstreamError {
    const error = new UpstreamError(this.code, {
      state: "",
      retry: this.retry,
      retryAfterMs: this.retryAfterMs,
      details: { ...this.details, ...details },
      publicMessage: this.publicMessage,
      cause: this.cause,
    });
    error.message = this.message;
    return error;
  }
}

/** The model's code has no such keyword argument; it refused before it drew anything. */
export class RefusedKeyError extends UpstreamError {
  readonly key: string;

  constructor(key: string, options: Omit<UpstreamErrorOptions, "state">) {
    super("upstream_rejected", {
      ...options,
      state: `the model does not take "${key}"`,
      details: { ...options.details, field: key },
    });
    this.key = key;
  }
}

const MAX_EXCERPT = 300;
/** Base64 and other long runs: pictures, never words. */
const LONG_RUN = /[A-Za-z0-9+/_=\\-]{64,}/g;

/** The server's own words as the cause of an error: cut to 300 characters, without pictures and private texts. */
export function toUpstreamCause(text: string, privateTexts: readonly string[] = []): Error {
  let excerpt = text.slice(0, 64 * 1024);
  for (const privateText of privateTexts) {
    if (privateText !== "") excerpt = excerpt.replaceAll(privateText, "[prompt]");
  }
  // oxlint-disable-next-line no-control-regex
  excerpt = excerpt.replace(LONG_RUN, "[data]").replace(/[\u0000-\u001f\u007f]+/g, " ");
  return new Error(`The model server said: ${excerpt.slice(0, MAX_EXCERPT)}`);
}
