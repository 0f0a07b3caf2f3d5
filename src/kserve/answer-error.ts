import type { ErrorDetails } from "../core/errors.ts";
import { parseErrorText } from "../wire/error-text.ts";
import type { V1Instance } from "../wire/v1.ts";
import { explainMissingRoute, explainRedirect, explainRefusal } from "./access-hints.ts";
import type { Answer } from "./exchange.ts";
import { explainCut } from "./hop.ts";
import { MissingSchedulerError, RefusedSizeError } from "./repairable-error.ts";
import { parseRetryAfterMs } from "./retry-after.ts";
import { toSeconds } from "./transport-error.ts";
import { RefusedKeyError, toUpstreamCause, UpstreamError, type UpstreamErrorOptions } from "./upstream-error.ts";

/** What the error needs to know about the call that failed. */
export interface FailedCall {
  readonly modelName: string;
  /** What was sent; `undefined` for a GET, which draws nothing. */
  readonly instance: V1Instance | undefined;
  /** For `Retry-After` as a date. */
  readonly nowMs: number;
}

type Failure = Omit<UpstreamErrorOptions, "cause"> & { readonly code: UpstreamError["code"] };

const OUT_OF_MEMORY = /out ?of ?memory|can't allocate memory/i;
const DIVISIBLE_BY = /divisible by (\d{1,4})\b/i;
/** The words of a runtime whose handling of errors calls the blank picture's `save`, which it does not have. */
const BROKEN_HANDLER = /'numpy\.ndarray' object has no attribute 'save'/;
/** Statuses under which a model's own code speaks. */
const IS_FAULT_OF_CODE: ReadonlySet<number> = new Set([400, 422, 500]);
/** The words of Python, of OpenAI's API, and of pydantic (its `loc`) for a parameter that they do not know. */
const UNKNOWN_KEYWORDS: readonly RegExp[] = [
  /unexpected keyword argument '(\w+)'/,
  /^Unknown parameter: '(\w+)'/,
  /"type":"extra_forbidden","loc":\["body","(\w+)"\]/,
];
/** KServe, Triton, MLServer, OpenVINO Model Server and vLLM. */
const UNKNOWN_MODEL =
  /^Model with (?:requested )?name .*(?:does not exist|is not found)|^Request for unknown model|^Model \S+ not found|^Mediapipe graph definition with requested name is not found|^The model `.*` does not exist/;
/** Go and nginx. */
const PLAIN_TO_TLS = /HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port/;
const HTML = /^\s*</;
/** Envoy's words when it had sent the request on and then lost the server. */
const LOST_BEHIND_PROXY = /connection termination|remote reset|response timeout/i;
/** The error that an answer other than a picture means, by status and by the words of the hop that wrote it. */
export function toAnswerError(answer: Answer, call: FailedCall): UpstreamError {
  const words = parseErrorText(answer.text) ?? answer.text;
  const { prompt = "", negative_prompt = "" } = call.instance ?? {};
  const facts = { model_name: call.modelName, upstream_status: answer.status };
  const cause = words.trim() === "" ? undefined : toUpstreamCause(words, [prompt, negative_prompt]);
  const refusedKey = findRefusedKey(words);
  if (refusedKey !== undefined) return new RefusedKeyError(refusedKey, { details: facts, cause });
  if (answer.status === 500 && BROKEN_HANDLER.test(words)) return new MissingSchedulerError({ details: facts, cause });
  const multiple = IS_FAULT_OF_CODE.has(answer.status) ? Number(DIVISIBLE_BY.exec(words)?.[1] ?? 0) : 0;
  if (multiple > 1) return new RefusedSizeError(multiple, { ...refusedSize(multiple, call.instance, facts), cause });
  const { code, ...failure } = classify(answer, words, call);
  return new UpstreamError(code, {
    ...failure,
    details: { ...facts, ...failure.details },
    ...(failure.retry === "after_backoff" && {
      retryAfterMs: parseRetryAfterMs(answer.headers["retry-after"], call.nowMs),
    }),
    cause,
  });
}

function findRefusedKey(words: string): string | undefined {
  for (const pattern of UNKNOWN_KEYWORDS) {
    const key = pattern.exec(words)?.[1];
    if (key !== undefined) return key;
  }
  return undefined;
}

/** The error for words that came with status 200 and no picture. */
export function toErrorInsideAnswer(answer: Answer, words: string, call: FailedCall): UpstreamError {
  return toAnswerError({ ...answer, status: 500, text: words }, call);
}

function classify(answer: Answer, words: string, call: FailedCall): Failure {
  const { status } = answer;
  if ((status === 400 || status === 404) && UNKNOWN_MODEL.test(words)) {
    return { code: "model_not_found", state: "the server does not know the model" };
  }
  if (status >= 300 && status < 400) {
    return {
      code: "upstream_redirected",
      state: `the server answered with a redirect (${status})`,
      details: { hint: explainRedirect(answer) },
    };
  }
  switch (status) {
    case 401:
    case 403:
      return refusedCredentials(answer);
    case 404:
    case 405:
    case 501:
      return {
        code: "not_a_kserve_endpoint",
        state: `the server has no route for pictures there (${status})`,
        details: { hint: explainMissingRoute(answer) },
      };
    case 408:
    case 504:
      return cutByHop(answer, call);
    case 429:
      return { code: "upstream_busy", state: "the server has too many requests", retry: "after_backoff" };
    case 502:
      return badGateway(answer, words, call);
    case 503:
      return unavailable(answer, words, call);
    default:
      return refusedOrFailed(status, words);
  }
}

function refusedCredentials(answer: Answer): Failure {
  const isLoginPage = HTML.test(answer.text);
  return {
    code: "upstream_auth_failed",
    state: isLoginPage ? "the server showed a login page" : `the server refused our credentials (${answer.status})`,
    details: { hint: explainRefusal(answer) },
  };
}

function cutByHop(answer: Answer, call: FailedCall): Failure {
  const state = `a proxy on the way gave up after ${toSeconds(answer.elapsedMs)} s`;
  const details = jobDetails(answer, call);
  // A GET draws nothing, so it may be repeated.
  if (call.instance === undefined) return { code: "upstream_unavailable", state, details, retry: "after_backoff" };
  return { code: "upstream_timeout", state, details };
}

function badGateway(answer: Answer, words: string, call: FailedCall): Failure {
  if (/refused|no such host/i.test(words) || call.instance === undefined) {
    return { code: "upstream_unavailable", state: "a proxy could not reach the server", retry: "after_backoff" };
  }
  return {
    code: "upstream_connection_lost",
    state: "a proxy on the way lost the server",
    details: jobDetails(answer, call),
  };
}

function unavailable(answer: Answer, words: string, call: FailedCall): Failure {
  if (/^Model with name .* is not ready/.test(words)) {
    return { code: "model_not_ready", state: "the model is still loading", retry: "after_backoff" };
  }
  if (LOST_BEHIND_PROXY.test(words) && call.instance !== undefined) {
    return {
      code: "upstream_connection_lost",
      state: "a proxy on the way lost the server",
      details: jobDetails(answer, call),
    };
  }
  const isQueueFull =
    /queue full|context deadline exceeded|overflow/i.test(words) ||
    answer.headers["x-llm-d-request-dropped-reason"] !== undefined;
  return isQueueFull
    ? { code: "upstream_busy", state: "the queue before the server is full", retry: "after_backoff" }
    : { code: "upstream_unavailable", state: "the server is not available (503)", retry: "after_backoff" };
}

function refusedOrFailed(status: number, words: string): Failure {
  if (OUT_OF_MEMORY.test(words)) {
    return {
      code: "out_of_memory",
      state: "the server ran out of memory",
      retry: "after_memory_pause",
      details: { hint: "Try a smaller width and height" },
    };
  }
  if (status >= 500) return { code: "upstream_error", state: `the server failed (${status})` };
  if (PLAIN_TO_TLS.test(words)) {
    return {
      code: "not_a_kserve_endpoint",
      state: "the server speaks TLS",
      details: { hint: "Begin KSERVE_ENDPOINT with https://" },
    };
  }
  if (/^invalid payload$|v2 protocol not implemented/.test(words)) {
    return { code: "not_a_kserve_endpoint", state: "the server does not take requests of this protocol" };
  }
  return { code: "upstream_rejected", state: `the server refused the parameters (${status})` };
}

function refusedSize(
  multiple: number,
  instance: V1Instance | undefined,
  facts: ErrorDetails,
): Pick<UpstreamErrorOptions, "publicMessage" | "details"> {
  const isWidthWrong = instance?.width !== undefined && instance.width % multiple !== 0;
  return {
    publicMessage: `The model draws only pictures whose width and height are multiples of ${multiple}`,
    details: { ...facts, field: isWidthWrong ? "width" : "height", allowed: `multiples of ${multiple}` },
  };
}

function jobDetails(answer: Answer, call: FailedCall): NonNullable<Failure["details"]> {
  const elapsedSeconds = toSeconds(answer.elapsedMs);
  const hint = explainCut(answer);
  return {
    elapsed_seconds: elapsedSeconds,
    ...(call.instance !== undefined && { maybe_running: true }),
    ...(hint !== undefined && { hint }),
  };
}
