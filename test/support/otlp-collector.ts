import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A span as it was sent, in OTLP's JSON. */
export interface OtlpSpan {
  readonly name: string;
  readonly kind: "server" | "client" | "other";
  readonly failed: boolean;
  readonly traceId: string;
  readonly parentSpanId: string | undefined;
  /** The trace ids of the spans that it is linked with. */
  readonly linkedTraces: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface SentSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly parentSpanId?: string;
  readonly links?: readonly { readonly traceId: string }[];
  readonly startTimeUnixNano: string;
  readonly status?: { readonly code?: number };
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}

const SERVER = 2;
const CLIENT = 3;
const ERROR = 2;

/** Takes what OpenTelemetry sends, and answers that all is well. */
export async function startOtlpCollector() {
  const received: Buffer[] = [];
  const news = new EventEmitter();
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push(Buffer.concat(chunks));
      response.writeHead(200, { "content-type": String(request.headers["content-type"]) }).end();
      news.emit("received");
    });
  }).listen(0, "127.0.0.1");
  await once(collector, "listening");
  const { port } = collector.address() as AddressInfo;
  const text = (): string => Buffer.concat(received).toString("latin1");
  const spans = (): OtlpSpan[] => received.flatMap(toSentSpans).toSorted(byStart).map(toSpan);
  return {
    url: `http://127.0.0.1:${port}`,
    text,
    waitFor: async (words: string): Promise<void> => {
      while (!text().includes(words)) await once(news, "received");
    },
    /** Every span so far in the order of their beginning, once there is one like this. Needs `http/json`. */
    waitForSpans: async (isLast: (span: OtlpSpan) => boolean): Promise<OtlpSpan[]> => {
      while (!spans().some(isLast)) await once(news, "received");
      return spans();
    },
    [Symbol.asyncDispose]: async () => {
      collector.closeAllConnections();
      collector.close();
    },
  };
}

function toSentSpans(body: Buffer): SentSpan[] {
  const { resourceSpans = [] } = JSON.parse(body.toString()) as {
    resourceSpans?: { scopeSpans: { spans: SentSpan[] }[] }[];
  };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

function byStart(one: SentSpan, other: SentSpan): number {
  return Number(BigInt(one.startTimeUnixNano) - BigInt(other.startTimeUnixNano));
}

function toSpan({ name, kind, status, traceId, parentSpanId, links = [], attributes }: SentSpan): OtlpSpan {
  return {
    name,
    kind: kind === SERVER ? "server" : kind === CLIENT ? "client" : "other",
    failed: status?.code === ERROR,
    traceId,
    parentSpanId,
    linkedTraces: links.map((link) => link.traceId),
    attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]])),
  };
}
