import {
  context,
  metrics,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Histogram,
  type Span,
  type Tracer,
} from "@opentelemetry/api";
import { MCPImageError } from "../core/errors.ts";
import type { SentCall, ServedCall, Tracing } from "./tracing.ts";

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

  async serve<Result>({ name, traceparent, attributes }: ServedCall, work: () => Promise<Result>): Promise<Result> {
    const parent =
      traceparent === undefined ? context.active() : propagation.extract(context.active(), { traceparent });
    const run = async (): Promise<Result> => work();
    return this.#run({ name, kind: SpanKind.SERVER, attributes, parent, durations: this.#served }, run);
  }

  async send<Result>(
    { name, attributes }: SentCall,
    work: (traceparent: string | undefined) => Promise<Result>,
  ): Promise<Result> {
    const call = { name, kind: SpanKind.CLIENT, attributes, parent: context.active(), durations: this.#sent };
    return this.#run(call, async () => {
      const carrier: Record<string, string> = {};
      propagation.inject(context.active(), carrier);
      return work(carrier["traceparent"]);
    });
  }

  async close(): Promise<void> {
    await this.#shutDown();
  }

  async #run<Result>(
    call: { name: string; kind: SpanKind; attributes: Attributes; parent: Context; durations: Histogram },
    work: () => Promise<Result>,
  ): Promise<Result> {
    const { name, kind, attributes, parent, durations } = call;
    const span = this.#tracer.startSpan(name, { kind, attributes }, parent);
    const startedAtMs = performance.now();
    let outcome: Attributes = {};
    try {
      return await context.with(trace.setSpan(parent, span), work);
    } catch (error) {
      outcome = fail(span, error);
      throw error;
    } finally {
      durations.record((performance.now() - startedAtMs) / 1000, { ...attributes, ...outcome });
      span.end();
    }
  }
}

/** An error's code alone: its text may hold what a stranger wrote. */
function fail(span: Span, error: unknown): Attributes {
  const type = error instanceof MCPImageError ? error.code : "internal";
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.setAttribute("error.type", type);
  return { "error.type": type };
}
