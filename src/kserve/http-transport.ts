import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as SecureAgent, request as httpsRequest } from "node:https";
import type { Secret } from "../core/secret.ts";
import type { Endpoint } from "./endpoint.ts";
import type { UpstreamObserver } from "./upstream-observer.ts";

export interface HttpTransportOptions {
  readonly endpoint: Endpoint;
  /** A Unix socket or named pipe that is connected to instead of the endpoint's host. */
  readonly socketPath: string | undefined;
  readonly authToken: Secret | undefined;
  readonly observer: UpstreamObserver;
}

export interface HttpCall {
  readonly method: "GET" | "POST";
  /** Behind the endpoint's prefix; begins with a slash. */
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/** Below the 5 s after which KServe's own server closes an idle connection, so that it never does so under a request. */
const IDLE_CONNECTION_MS = 4000;

/** Sends one request over a kept connection; no retries, no redirects, no decompression. */
export class HttpTransport {
  readonly #endpoint: Endpoint;
  readonly #authToken: Secret | undefined;
  readonly #observer: UpstreamObserver;
  readonly #agent: Agent;
  readonly #target: RequestOptions;

  constructor(options: HttpTransportOptions) {
    this.#endpoint = options.endpoint;
    this.#authToken = options.authToken;
    this.#observer = options.observer;
    const agentOptions = { keepAlive: true, timeout: IDLE_CONNECTION_MS };
    this.#agent = options.endpoint.isSecure ? new SecureAgent(agentOptions) : new Agent(agentOptions);
    this.#target = {
      agent: this.#agent,
      host: options.endpoint.hostname,
      ...(options.endpoint.port !== undefined && { port: options.endpoint.port }),
      ...(options.socketPath !== undefined && { socketPath: options.socketPath }),
    };
  }

  /**
   * Resolves with the answer's head; the body has not been read then. Rejects with Node's error.
   *
   * @param onConnected called when the connection stands, that is when the request is sent
   */
  async send(call: HttpCall, onConnected: () => void): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const send = this.#endpoint.isSecure ? httpsRequest : httpRequest;
    const request = send({
      ...this.#target,
      method: call.method,
      path: this.#endpoint.pathPrefix + call.path,
      headers: this.#toHeaders(call),
      signal: call.signal,
    });
    request.once("socket", (socket) => {
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
      throw error;
    }
  }

  /** Closes every connection, those in use too. */
  close(): void {
    this.#agent.destroy();
  }

  #toHeaders(call: HttpCall): Record<string, string | number> {
    return {
      accept: "application/json",
      // A picture does not shrink, and a compressed answer could hide a bomb.
      "accept-encoding": "identity",
      "user-agent": "mcp-image-server",
      "x-request-id": call.requestId,
      ...(this.#authToken && { authorization: `Bearer ${this.#authToken.reveal()}` }),
      ...(call.body !== undefined && {
        // Exactly so: KServe compares the whole text and refuses a charset.
        "content-type": "application/json",
        "content-length": Buffer.byteLength(call.body),
      }),
    };
  }
}
