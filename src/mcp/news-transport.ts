import {
  PROTOCOL_VERSION_META_KEY,
  ProtocolError,
  SUBSCRIPTION_ID_META_KEY,
  type JSONRPCMessage,
  type JSONRPCNotification,
  type MessageExtraInfo,
  type RequestId,
  type Transport,
  type TransportSendOptions,
} from "@modelcontextprotocol/server";
import type { Caller } from "../access/principal.ts";
import { isJsonObject } from "../core/json.ts";
import { addAgreed, findNews, toNotification, type News, type NewsSource } from "./news.ts";

export interface NewsTransportOptions {
  readonly transport: Transport;
  readonly sources: readonly NewsSource[];
  readonly caller: Caller;
}

const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

/** Adds to the subscriptions of one connection what the SDK, which keeps them, knows nothing of. */
export class NewsTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: JSONRPCMessage, extra?: MessageExtraInfo) => void) | undefined;
  readonly #options: NewsTransportOptions;
  /** Subscriptions that the SDK has not acknowledged. */
  readonly #asked = new Map<RequestId, News>();
  readonly #told = new Map<RequestId, AbortController>();

  constructor(options: NewsTransportOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { transport } = this.#options;
    // oxlint-disable unicorn/prefer-add-event-listener -- the SDK's transports have no listeners
    transport.onclose = () => {
      for (const id of this.#told.keys()) this.#end(id);
      this.onclose?.();
    };
    transport.onerror = (error) => this.onerror?.(error);
    transport.onmessage = (message, extra) => this.#receive(message, extra);
    // oxlint-enable unicorn/prefer-add-event-listener
    await transport.start();
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    if ("method" in message && message.method === ACKNOWLEDGED) return this.#acknowledge(message);
    if (!("method" in message) && message.id !== undefined) this.#end(message.id);
    return this.#options.transport.send(message, options);
  }

  async close(): Promise<void> {
    await this.#options.transport.close();
  }

  #receive(message: JSONRPCMessage, extra: MessageExtraInfo | undefined): void {
    if ("method" in message && "id" in message && isModern(message)) {
      const { sources, caller, transport } = this.#options;
      try {
        const news = findNews(sources, message, caller);
        if (news !== undefined) this.#asked.set(message.id, news);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        const { code, message: words, data } = error;
        void transport.send({ jsonrpc: "2.0", id: message.id, error: { code, message: words, data } });
        return;
      }
    }
    if ("method" in message && message.method === "notifications/cancelled") this.#end(message.params?.["requestId"]);
    this.onmessage?.(message, extra);
  }

  async #acknowledge(message: JSONRPCNotification): Promise<void> {
    const { transport } = this.#options;
    const id = message.params?._meta?.[SUBSCRIPTION_ID_META_KEY];
    const news = isRequestId(id) ? this.#asked.get(id) : undefined;
    if (news === undefined || !isRequestId(id)) return transport.send(message);
    this.#end(id);
    const ended = new AbortController();
    this.#told.set(id, ended);
    const { signal } = ended;
    const agreed = await news.agree(signal);
    await transport.send({ ...message, params: addAgreed(message.params, agreed) });
    void news.tell(async (item) => {
      if (!signal.aborted) await transport.send(toNotification(item, id));
    }, signal);
  }

  #end(id: unknown): void {
    if (!isRequestId(id)) return;
    this.#asked.delete(id);
    this.#told.get(id)?.abort();
    this.#told.delete(id);
  }
}

function isRequestId(id: unknown): id is RequestId {
  return typeof id === "string" || typeof id === "number";
}

/** What the older protocol has no word for is answered by the SDK. */
function isModern({ params }: { readonly params?: unknown }): boolean {
  const meta = isJsonObject(params) ? params["_meta"] : undefined;
  return isJsonObject(meta) && typeof meta[PROTOCOL_VERSION_META_KEY] === "string";
}
