import type { JSONRPCMessage, MessageExtraInfo, Transport, TransportSendOptions } from "@modelcontextprotocol/server";
import { isJsonObject } from "../core/json.ts";
import type { ServedCall, Tracing } from "../telemetry/tracing.ts";

export interface TracedTransportOptions {
  readonly transport: Transport;
  readonly tracing: Tracing;
  readonly toServedCall: (message: JSONRPCMessage) => ServedCall;
}

type RequestId = string | number;

/** Makes each request of a connection a served call, which lasts until its answer is sent or nobody waits for one. */
export class TracedTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: JSONRPCMessage, extra?: MessageExtraInfo) => void) | undefined;
  readonly #options: TracedTransportOptions;
  readonly #unanswered = new Map<RequestId, () => void>();

  constructor(options: TracedTransportOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { transport } = this.#options;
    // oxlint-disable unicorn/prefer-add-event-listener -- the SDK's transports have no listeners
    transport.onclose = () => {
      for (const end of this.#unanswered.values()) end();
      this.#unanswered.clear();
      this.onclose?.();
    };
    transport.onerror = (error) => this.onerror?.(error);
    transport.onmessage = (message, extra) => this.#receive(message, extra);
    // oxlint-enable unicorn/prefer-add-event-listener
    await transport.start();
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    try {
      await this.#options.transport.send(message, options);
    } finally {
      if (!("method" in message)) this.#end(message.id);
    }
  }

  async close(): Promise<void> {
    await this.#options.transport.close();
  }

  setProtocolVersion(version: string): void {
    this.#options.transport.setProtocolVersion?.(version);
  }

  #receive(message: JSONRPCMessage, extra: MessageExtraInfo | undefined): void {
    if ("method" in message && "id" in message) {
      const { tracing, toServedCall } = this.#options;
      const { promise: answered, resolve } = Promise.withResolvers<void>();
      this.#end(message.id);
      this.#unanswered.set(message.id, resolve);
      void tracing.serve(toServedCall(message), async () => {
        this.onmessage?.(message, extra);
        await answered;
      });
      return;
    }
    this.onmessage?.(message, extra);
    // What is cancelled gets no answer.
    if ("method" in message && message.method === "notifications/cancelled" && isJsonObject(message.params)) {
      this.#end(message.params["requestId"]);
    }
  }

  #end(id: unknown): void {
    if (typeof id !== "string" && typeof id !== "number") return;
    this.#unanswered.get(id)?.();
    this.#unanswered.delete(id);
  }
}
