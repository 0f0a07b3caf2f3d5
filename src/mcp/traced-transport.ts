import type {
  JSONRPCMessage,
  JSONRPCResponse,
  MessageExtraInfo,
  Transport,
  TransportSendOptions,
} from "@modelcontextprotocol/server";
import { isJsonObject } from "../core/json.ts";
import type { CallOutcome, ServedCall, Tracing } from "../telemetry/tracing.ts";
import { toCallOutcome } from "./call-outcome.ts";

export interface TracedTransportOptions {
  readonly transport: Transport;
  readonly tracing: Tracing;
  /** @param protocolVersion what was agreed on for the whole connection, if it was */
  readonly toServedCall: (message: JSONRPCMessage, protocolVersion: string | undefined) => ServedCall;
}

type RequestId = string | number;

/** Makes each request of a connection a served call, which lasts until its answer is sent or nobody waits for one. */
export class TracedTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: JSONRPCMessage, extra?: MessageExtraInfo) => void) | undefined;
  readonly #options: TracedTransportOptions;
  readonly #unanswered = new Map<RequestId, (outcome?: CallOutcome) => void>();
  #protocolVersion: string | undefined;

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
      if (!("method" in message)) this.#answered(message);
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
      const { promise: answered, resolve } = Promise.withResolvers<CallOutcome | undefined>();
      this.#end(message.id);
      this.#unanswered.set(message.id, resolve);
      void tracing.serve(toServedCall(message, this.#protocolVersion), async (tell) => {
        this.onmessage?.(message, extra);
        const outcome = await answered;
        if (outcome !== undefined) tell?.(outcome);
      });
      return;
    }
    this.onmessage?.(message, extra);
    // What is cancelled gets no answer.
    if ("method" in message && message.method === "notifications/cancelled" && isJsonObject(message.params)) {
      this.#end(message.params["requestId"]);
    }
  }

  #answered(message: JSONRPCResponse): void {
    const outcome = toCallOutcome(message);
    // Only the answer to `initialize` names a version.
    const version = outcome?.details?.["mcp.protocol.version"];
    if (typeof version === "string") this.#protocolVersion = version;
    this.#end(message.id, outcome);
  }

  #end(id: unknown, outcome?: CallOutcome): void {
    if (typeof id !== "string" && typeof id !== "number") return;
    this.#unanswered.get(id)?.(outcome);
    this.#unanswered.delete(id);
  }
}
