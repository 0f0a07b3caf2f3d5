import type { Clock } from "../../core/clock.ts";
import { MCPImageError } from "../../core/errors.ts";

export interface HubConnectionOptions {
  /** Shown to the hub alone, never to the host that it redirects to. */
  readonly token?: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** An answer whose body has not been read. */
export interface HubAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Ends with an error when nothing comes for a while. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

const MAX_REDIRECTS = 5;
const IDLE_LIMIT_MS = 30_000;

/** Questions to a hub: redirects are followed a few times, and silence ends them. */
export class HubConnection {
  readonly #options: HubConnectionOptions;

  constructor(options: HubConnectionOptions) {
    this.#options = options;
  }

  /**
   * Resolves with any answer of 200 or 206.
   *
   * @throws {MCPImageError} `not_found` for 404, `upstream_auth_failed` for 401 and 403, `upstream_unavailable` when
   *   another attempt may help, `upstream_error` for anything else
   */
  async get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<HubAnswer> {
    const origin = new URL(url).origin;
    let target = url;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const { response, idle } = await this.#send(target, origin, headers);
      const { status } = response;
      if (status === 200 || status === 206)
        return { status, headers: response.headers, chunks: readChunks(response, idle) };
      await response.body?.cancel();
      idle.stop();
      const location = response.headers.get("location");
      if (status < 300 || status >= 400 || location === null) throw toStatusError(status, url);
      target = toTarget(location, target);
    }
    throw new MCPImageError("upstream_error", `${url} redirects more than ${MAX_REDIRECTS} times`);
  }

  /** A short body, and the next page of it when there is one. */
  async getText(url: string, maxBytes: number): Promise<{ readonly text: string; readonly next: string | undefined }> {
    const { headers, chunks } = await this.get(url);
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of chunks) {
      length += chunk.length;
      if (length > maxBytes)
        throw new MCPImageError("upstream_error", `${url} answers with more than ${maxBytes} bytes`);
      parts.push(chunk);
    }
    const [, next] = /<([^>]+)>;\s*rel="next"/.exec(headers.get("link") ?? "") ?? [];
    const isSameHost =
      next !== undefined && URL.canParse(next, url) && new URL(next, url).origin === new URL(url).origin;
    return { text: Buffer.concat(parts).toString("utf8"), next: isSameHost ? new URL(next, url).href : undefined };
  }

  async #send(
    target: string,
    origin: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<{ readonly response: Response; readonly idle: IdleLimit }> {
    const { token, clock, signal } = this.#options;
    const idle = new IdleLimit(clock);
    const isHub = new URL(target).origin === origin;
    try {
      const response = await fetch(target, {
        redirect: "manual",
        signal: AbortSignal.any([signal, idle.signal]),
        headers: {
          ...headers,
          "accept-encoding": "identity",
          "user-agent": "mcp-image-server",
          ...(token !== undefined && isHub && { authorization: `Bearer ${token}` }),
        },
      });
      return { response, idle };
    } catch (error) {
      idle.stop();
      signal.throwIfAborted();
      throw unreachable(target, error);
    }
  }
}

/** Aborts when nothing has come for a while. */
class IdleLimit {
  readonly #clock: Clock;
  readonly #silence = new AbortController();
  #timer = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.touch();
  }

  get signal(): AbortSignal {
    return this.#silence.signal;
  }

  touch(): void {
    this.stop();
    this.#timer = new AbortController();
    const over = (): void => this.#silence.abort(new Error(`Nothing came for ${IDLE_LIMIT_MS / 1000} s`));
    this.#clock.sleep(IDLE_LIMIT_MS, this.#timer.signal).then(over, () => undefined);
  }

  stop(): void {
    this.#timer.abort();
  }
}

async function* readChunks(response: Response, idle: IdleLimit): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) {
      idle.touch();
      yield chunk;
    }
  } catch (error) {
    throw unreachable(response.url, error);
  } finally {
    idle.stop();
  }
}

/** Never from https to http: the content could be changed on the way. */
function toTarget(location: string, from: string): string {
  const target = URL.canParse(location, from) ? new URL(location, from) : undefined;
  const isAllowed = target?.protocol === "https:" || (target?.protocol === "http:" && from.startsWith("http:"));
  if (target === undefined || !isAllowed) {
    throw new MCPImageError("upstream_redirected", `${from} redirects to where no model is fetched from`);
  }
  return target.href;
}

function toStatusError(status: number, url: string): MCPImageError {
  if (status === 404) return new MCPImageError("not_found", `There is nothing at ${url}`);
  if (status === 401 || status === 403) {
    const hint = "the model may be private, or its terms not accepted; set HUB_TOKEN to a token that may read it";
    return new MCPImageError("upstream_auth_failed", `${url} is refused with status ${status}: ${hint}`);
  }
  const mayHelp = status === 429 || status >= 500;
  return new MCPImageError(mayHelp ? "upstream_unavailable" : "upstream_error", `${url} answers with status ${status}`);
}

function unreachable(url: string, error: unknown): MCPImageError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const host = URL.canParse(url) ? new URL(url).host : url;
  const message = `Cannot reach ${host}, or the connection broke; without a network, copy the folder of a model by other means and set MODEL_PATH`;
  return new MCPImageError("upstream_unavailable", message, { cause });
}
