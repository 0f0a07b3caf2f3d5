import {
  context,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Histogram,
  type Link,
  type Tracer,
} from "@opentelemetry/api";
import { MCPImageError } from "../core/errors.ts";
import type { SentCall, ServedCall, TellOutcome, Tracing } from "./tracing.ts";

export interface OpenTelemetryTracingOptions {
  readonly version: string;
  /** Sends what is still here. */
  readonly shutDown: () => Promise<void>;
}

const SCOPE = "mcp-image-server";
const SECONDS_BUCKETS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];

/** Spans and durations by OpenTelemetry's conventions for MCP and generative AI, to whatever SDK was started. */
export class OpenTelemetryTracing implements Tracing {
  readonly #tracer: Tracer;
  readonly #served: Histogram;
  readonly #sent: Histogram;
  readonly #shutDown: () => Promise<void>;

  constructor({ version, shutDown }: OpenTelemetryTracingOptions) {
    this.#tracer = trace.getTracer(SCOPE, version);
    const meter = metrics.getMeter(SCOPE, version);
    const options = { unit: "s", advice: { explicitBucketBoundaries: SECONDS_BUCKETS } };
    this.#served = meter.createHistogram("mcp.server.operation.duration", options);
    this.#sent = meter.createHistogram("gen_ai.client.operation.duration", options);
    this.#shutDown = shutDown;
  }

  async serve<Result>(call: ServedCall, work: (tell: TellOutcome) => Promise<Result>): Promise<Result> {
    const { traceparent, linked = [] } = call;
    const parent =
      traceparent === undefined ? context.active() : propagation.extract(context.active(), { traceparent });
    const links = linked.flatMap((other) => toLink(other) ?? []);
    return this.#run(call, { kind: SpanKind.SERVER, links, parent, durations: this.#served }, work);
  }

  async send<Result>(
    call: SentCall,
    work: (traceparent: string | undefined, tell: TellOutcome) => Promise<Result>,
  ): Promise<Result> {
    const span = { kind: SpanKind.CLIENT, links: [], parent: context.active(), durations: this.#sent };
    return this.#run(call, span, async (tell) => {
      const carrier: Record<string, string> = {};
      propagation.inject(context.active(), carrier);
      return work(carrier["traceparent"], tell);
    });
  }

  async close(): Promise<void> {
    await this.#shutDown();
  }

  async #run<Result>(
    { name, attributes, details }: SentCall,
    { kind, links, parent, durations }: { kind: SpanKind; links: Link[]; parent: Context; durations: Histogram },
    work: (tell: TellOutcome) => Promise<Result>,
  ): Promise<Result> {
    const span = this.#tracer.startSpan(name, { kind, links, attributes: { ...details, ...attributes } }, parent);
    const startedAtMs = performance.now();
    let failure: Attributes = {};
    const fail = (errorType: string): void => {
      failure = { "error.type": errorType };
      span.setAttributes(failure).setStatus({ code: SpanStatusCode.ERROR });
    };
    try {
      return await context.with(trace.setSpan(parent, span), async () =>
        work(({ errorType, details: more = {} }) => {
          span.setAttributes(more);
          if (errorType !== undefined) fail(errorType);
        }),
      );
    } catch (error) {
      // The code alone: the text may hold what a stranger wrote.
      fail(error instanceof MCPImageError ? error.code : "internal");
      throw error;
    } finally {
      durations.record((performance.now() - startedAtMs) / 1000, { ...attributes, ...failure });
      span.end();
    }
  }
}

function toLink(traceparent: string): Link | undefined {
  const spanContext = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, { traceparent }));
  return spanContext && { context: spanContext };
}
