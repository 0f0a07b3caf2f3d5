import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Caller } from "../access/principal.ts";
import type { Answer } from "./answer.ts";
import { isLoopbackAddress } from "./host-name.ts";
import { ANSWER_HEADERS, toCorsHeaders } from "./response-headers.ts";
import type { ServerState } from "./server-state.ts";

const FORWARDING_HEADERS = ["forwarded", "x-forwarded-for", "x-real-ip", "via"] as const;

/** One request and the answer to it. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** The origin to which the answer may be shown, once the guard has let it pass. */
  allowedOrigin: string | undefined = undefined;
  /** Who asks: may do nothing until the policy has found it out. */
  caller: Caller;
  /** Until when the signed address of the request holds; `undefined` when it is not signed. */
  signedUntilMs: number | undefined = undefined;
  readonly #state: ServerState;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    { requestId, state, caller }: { requestId: string; state: ServerState; caller: Caller },
  ) {
    this.request = request;
    this.response = response;
    this.requestId = requestId;
    this.method = request.method ?? "GET";
    this.headers = request.headers;
    this.caller = caller;
    this.#state = state;
  }

  get hasBody(): boolean {
    const length = this.headers["content-length"];
    return (length !== undefined && length !== "0") || this.headers["transfer-encoding"] !== undefined;
  }

  /** True when the client runs on this machine and speaks for nobody else, as a proxy here would. */
  get isFromThisMachine(): boolean {
    return (
      isLoopbackAddress(this.request.socket.remoteAddress) &&
      FORWARDING_HEADERS.every((name) => this.headers[name] === undefined)
    );
  }

  /** A fresh list of the headers that every answer has, names and values in turn. */
  toHeaders(): string[] {
    const headers = ["X-Request-Id", this.requestId];
    if (this.allowedOrigin !== undefined) headers.push(...toCorsHeaders(this.allowedOrigin));
    if (this.#state.isDraining) headers.push("Connection", "close");
    return headers;
  }

  /** Sends the answer, without its body where the method is HEAD. Ends the connection when a body was not read. */
  send(answer: Answer): void {
    const headers = this.toHeaders();
    headers.push(...ANSWER_HEADERS, ...answer.headers);
    if (this.hasBody && !this.request.complete && !this.#state.isDraining) headers.push("Connection", "close");
    if (answer.status === 204 || answer.status === 304) {
      this.response.writeHead(answer.status, headers);
      this.response.end();
      return;
    }
    headers.push("Content-Type", answer.contentType, "Content-Length", String(Buffer.byteLength(answer.body)));
    this.response.writeHead(answer.status, headers);
    this.response.end(this.method === "HEAD" ? undefined : answer.body); // Node sends a text in one piece with the head
  }

  /** Leaves the answer to a handler that writes it itself, with the common headers set. */
  handOver(): void {
    this.#state.follow(this.response);
    const headers = [...this.toHeaders(), ...ANSWER_HEADERS];
    for (let i = 0; i + 1 < headers.length; i += 2) this.response.setHeader(headers[i] ?? "", headers[i + 1] ?? "");
  }
}
