import { AsyncLocalStorage } from "node:async_hooks";

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface ServedCall {
  /** Such as `tools/call generate_image`. */
  readonly name: string;
  /** W3C trace context of the caller. */
  readonly traceparent: string | undefined;
  /** Trace contexts of whoever else had a part in it, such as a gateway that brought it. */
  readonly linked?: readonly string[];
  /** Few values each: durations are counted by them as well. */
  readonly attributes: SpanAttributes;
  /** What is told of this one call. */
  readonly details?: SpanAttributes;
}

export type SentCall = Omit<ServedCall, "traceparent" | "linked">;

/** What is known of a call once it is answered. */
export interface CallOutcome {
  /** Why it failed: a code or a word of ours, never the text of an error. */
  readonly errorType?: string;
  readonly details?: SpanAttributes;
}

export type TellOutcome = (outcome: CallOutcome) => void;

/** Makes calls visible to whoever follows them from one service to the next. */
export interface Tracing {
  /** Does the work of a call that came in. Where nobody records, there is nobody to tell the outcome to. */
  serve<Result>(call: ServedCall, work: (tell?: TellOutcome) => Promise<Result>): Promise<Result>;
  /** Does a call to another service, which is to be sent the trace context. */
  send<Result>(
    call: SentCall,
    work: (traceparent: string | undefined, tell?: TellOutcome) => Promise<Result>,
  ): Promise<Result>;
  close(): Promise<void>;
}

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace context, when it has its form. */
export function parseTraceparent(value: unknown): string | undefined {
  return typeof value === "string" && TRACEPARENT.test(value) ? value : undefined;
}

/** Records nothing and hands the caller's trace context on: what a server does that nobody told where to report. */
export class PassThroughTracing implements Tracing {
  readonly #context = new AsyncLocalStorage<string | undefined>();

  async serve<Result>({ traceparent }: ServedCall, work: () => Promise<Result>): Promise<Result> {
    return this.#context.run(traceparent, work);
  }

  async send<Result>(_call: SentCall, work: (traceparent: string | undefined) => Promise<Result>): Promise<Result> {
    return work(this.#context.getStore());
  }

  async close(): Promise<void> {}
}
