import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as SecureAgent, request as httpsRequest } from "node:https";
import type { SecureContext } from "node:tls";
import { isErrno } from "../core/errors.ts";
import { getLogger } from "../logging/logger.ts";
import { BearerToken } from "./bearer-token.ts";
import type { EndpointAccess } from "./endpoint-access.ts";
import type { Endpoint } from "./endpoint.ts";
import { Trust } from "./trust.ts";
import type { UpstreamObserver } from "./upstream-observer.ts";

export interface HttpTransportOptions {
  readonly endpoint: Endpoint;
  /** A Unix socket or named pipe that is connected to instead of the endpoint's host. */
  readonly socketPath: string | undefined;
  readonly access: EndpointAccess;
  readonly observer: UpstreamObserver;
}

export interface HttpCall {
  readonly method: "GET" | "POST";
  /** Behind the endpoint's prefix; begins with a slash. */
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  readonly requestId: string;
  /** W3C trace context. */
  readonly traceparent?: string | undefined;
  readonly signal: AbortSignal;
}

interface Credentials {
  readonly token: string | undefined;
  readonly secureContext: SecureContext | undefined;
}

/** Below the 5 s after which KServe's own server closes an idle connection, so that it never does so under a request. */
const IDLE_CONNECTION_MS = 4000;

const logger = getLogger("kserve");

/** The connection broke inside the head of the answer: the server had begun to answer, so it had read the job. */
export class BrokenHeadError extends Error {
  constructor(cause: unknown) {
    super("The connection broke inside the head of the answer", { cause });
  }
}

/** Sends one request over a kept connection; no retries, no redirects, no decompression. */
export class HttpTransport {
  readonly #endpoint: Endpoint;
  readonly #access: EndpointAccess;
  readonly #token: BearerToken;
  readonly #trust: Trust;
  readonly #observer: UpstreamObserver;
  readonly #agent: Agent;
  readonly #target: RequestOptions & { readonly servername?: string; readonly rejectUnauthorized?: boolean };

  constructor({ endpoint, socketPath, access, observer }: HttpTransportOptions) {
    this.#endpoint = endpoint;
    this.#access = access;
    this.#token = new BearerToken({ token: access.authToken, file: access.authTokenFile });
    this.#trust = new Trust(access);
    this.#observer = observer;
    const agentOptions = { keepAlive: true, timeout: IDLE_CONNECTION_MS };
    this.#agent = endpoint.isSecure
      ? // A resumed session would show the certificate that we had when it began.
        new SecureAgent({ ...agentOptions, maxCachedSessions: 0 })
      : new Agent(agentOptions);
    this.#target = {
      agent: this.#agent,
      host: endpoint.hostname,
      ...(endpoint.port !== undefined && { port: endpoint.port }),
      ...(socketPath !== undefined && { socketPath }),
      ...(access.servername !== undefined && { servername: access.servername }),
      ...(access.insecureSkipVerify && { rejectUnauthorized: false }),
    };
    if (access.insecureSkipVerify) {
      logger.warn("kserve_certificate_not_verified", {
        setting: "KSERVE_INSECURE_SKIP_VERIFY",
        risk: "anybody on the way can read the token and the prompts, and give other pictures",
      });
    }
  }

  /**
   * Resolves with the answer's head; the body has not been read then. Rejects with Node's error. A token that is refused
   * is read again and, when it has changed, sent once more: what was refused was not executed.
   *
   * @param onConnected called when the connection stands, that is when the request is sent
   * @throws {KServeError} `configuration_invalid` when a file with credentials cannot be used
   */
  async send(call: HttpCall, onConnected: () => void): Promise<IncomingMessage> {
    const [token, secureContext] = await Promise.all([this.#token.read(), this.#trust.read()]);
    const response = await this.#sendOnce(call, { token, secureContext }, onConnected);
    if (response.statusCode !== 401) return response;
    const otherToken = await this.#token.readOther(token);
    if (otherToken === undefined) return response;
    response.destroy();
    return this.#sendOnce(call, { token: otherToken, secureContext }, onConnected);
  }

  /** Closes every connection, those in use too. */
  close(): void {
    this.#agent.destroy();
  }

  async #sendOnce(call: HttpCall, credentials: Credentials, onConnected: () => void): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const send = this.#endpoint.isSecure ? httpsRequest : httpRequest;
    const { secureContext } = credentials;
    const options = {
      ...this.#target,
      method: call.method,
      path: this.#endpoint.pathPrefix + call.path,
      headers: this.#toHeaders(call, credentials.token),
      signal: call.signal,
      ...(secureContext && { secureContext }),
    };
    const request = send(options);
    let bytesBefore = 0;
    request.once("socket", (socket) => {
      bytesBefore = socket.bytesRead;
      if (request.reusedSocket) onConnected();
      else socket.once(this.#endpoint.isSecure ? "secureConnect" : "connect", onConnected);
    });
    // Stays for the life of the request: an error may come after the answer's head too.
    request.on("error", reject);
    request.once("response", resolve);
    request.end(call.body);
    try {
      const response = await promise;
      this.#observer.upstreamRequestEnded(String(response.statusCode));
      return response;
    } catch (error) {
      this.#observer.upstreamRequestEnded("none");
      const hasBegun = (request.socket?.bytesRead ?? 0) > bytesBefore;
      throw hasBegun && isErrno(error, "ECONNRESET", "EPIPE") ? new BrokenHeadError(error) : error;
    }
  }

  #toHeaders(call: HttpCall, token: string | undefined): Record<string, string | number> {
    const { headers = {}, hostHeader } = this.#access;
    return {
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()])),
      ...(hostHeader !== undefined && { host: hostHeader }),
      // A picture may also come as itself.
      accept: "application/json, image/*, */*;q=0.1",
      // A picture does not shrink, and a compressed answer could hide a bomb.
      "accept-encoding": "identity",
      "user-agent": "mcp-image-server",
      "x-request-id": call.requestId,
      ...(call.traceparent !== undefined && { traceparent: call.traceparent }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(call.body !== undefined && {
        // Exactly so: KServe compares the whole text and refuses a charset.
        "content-type": "application/json",
        "content-length": Buffer.byteLength(call.body),
      }),
    };
  }
}
