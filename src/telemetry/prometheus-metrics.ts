import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { Metrics } from "./metrics.ts";

export interface PrometheusMetricsOptions {
  readonly version: string;
  /** Read at each scrape. */
  readonly queue: () => { readonly waiting: number; readonly running: number };
  /** Read at each scrape. */
  readonly sessions: () => number;
  /** Read at each scrape; `undefined` while it is not known. */
  readonly storage?: () => StorageReading | undefined;
  /** When no more picture can be signed; `undefined`: none is to be. */
  readonly signingEnd?: Date | undefined;
}

/** What is stored. */
export interface StorageReading {
  readonly images: number;
  readonly bytes: number;
  /** The part of it that is kept. */
  readonly keptImages: number;
  readonly keptBytes: number;
  readonly limitBytes: number | undefined;
  readonly evictedImages: number;
}

/** Metrics that can be scraped. */
export interface PrometheusMetrics extends Metrics {
  readonly contentType: string;
  /** The Prometheus text exposition format. */
  print(): Promise<string>;
}

const CIRCUIT_STATES = { closed: 0, half_open: 1, open: 2 };
const GENERATION_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300];

export function createPrometheusMetrics(options: PrometheusMetricsOptions): PrometheusMetrics {
  const registry = new Registry();
  const registers = [registry];
  const addReading = (name: string, help: string, read: () => number): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  };
  collectDefaultMetrics({ register: registry });

  const buildInfo = new Gauge({
    name: "build_info",
    help: "1, with the version of the server",
    labelNames: ["version"],
    registers,
  });
  buildInfo.set({ version: options.version }, 1);
  addReading("image_queue_depth", "Jobs that wait for the model server", () => options.queue().waiting);
  addReading("image_jobs_in_flight", "Jobs at the model server", () => options.queue().running);
  addReading("mcp_sessions", "Open MCP sessions of the 2025-11-25 protocol", () => options.sessions());
  if (options.storage !== undefined) addStorageMetrics(registry, options.storage);
  const { signingEnd } = options;
  if (signingEnd !== undefined) {
    addReading("c2pa_certificate_end_timestamp_seconds", "When C2PA_SIGN_CERT ends", () => signingEnd.getTime() / 1000);
  }
  const generations = new Counter({
    name: "image_generations_total",
    help: "Generations that ended, by outcome (ok or an error code)",
    labelNames: ["outcome"],
    registers,
  });
  const generationSeconds = new Histogram({
    name: "image_generation_duration_seconds",
    help: "From the end of the queue to the stored picture",
    buckets: GENERATION_BUCKETS,
    registers,
  });
  const queueSeconds = new Histogram({
    name: "image_queue_wait_seconds",
    help: "Time that a job waited for its turn",
    buckets: GENERATION_BUCKETS,
    registers,
  });
  const rejections = new Counter({
    name: "image_rejections_total",
    help: "Jobs that were not admitted, by reason (an error code)",
    labelNames: ["reason"],
    registers,
  });
  const served = new Counter({
    name: "image_requests_total",
    help: "Requests for pictures, by HTTP status",
    labelNames: ["status"],
    registers,
  });
  const cleanupRuns = new Counter({
    name: "cleanup_runs_total",
    help: "Cleanup cycles that ended, by outcome",
    labelNames: ["outcome"],
    registers,
  });
  const cleanupDeleted = new Counter({ name: "cleanup_deleted_total", help: "Expired pictures deleted", registers });
  const cleanupLastSuccess = new Gauge({
    name: "cleanup_last_success_timestamp_seconds",
    help: "When a cleanup cycle last succeeded",
    registers,
  });

  const upstreamRequests = new Counter({
    name: "upstream_requests_total",
    help: "Requests to the model server, by HTTP status (none: no answer)",
    labelNames: ["code"],
    registers,
  });
  const upstreamCircuit = new Gauge({
    name: "upstream_circuit_state",
    help: "Whether jobs are sent to the model server: 0 yes (closed), 1 on trial (half open), 2 no (open)",
    registers,
  });

  return {
    contentType: registry.contentType,
    print: async () => registry.metrics(),
    generationEnded(outcome, seconds) {
      generations.inc({ outcome });
      if (outcome === "ok") generationSeconds.observe(seconds);
    },
    queueLeft: (waitSeconds) => queueSeconds.observe(waitSeconds),
    rejected: (reason) => rejections.inc({ reason }),
    imageServed: (status) => served.inc({ status: String(status) }),
    cleanupEnded(outcome, deleted, nowMs) {
      cleanupRuns.inc({ outcome });
      cleanupDeleted.inc(deleted);
      if (outcome === "ok") cleanupLastSuccess.set(nowMs / 1000);
    },
    upstreamRequestEnded: (code) => upstreamRequests.inc({ code }),
    upstreamCircuitChanged: (state) => upstreamCircuit.set(CIRCUIT_STATES[state]),
  };
}

/** Nothing is told while nothing is known. */
function addStorageMetrics(registry: Registry, read: () => StorageReading | undefined): void {
  const addReading = (
    name: string,
    help: string,
    toValues: (reading: StorageReading) => { readonly kept: number; readonly other: number },
  ): void => {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ["kept"],
      registers: [],
      collect() {
        this.reset();
        const reading = read();
        if (reading === undefined) return;
        const { kept, other } = toValues(reading);
        this.set({ kept: "true" }, kept);
        this.set({ kept: "false" }, other);
      },
    });
    registry.registerMetric(gauge);
  };
  addReading("storage_bytes", "Bytes of stored pictures and their records", ({ bytes, keptBytes }) => ({
    kept: keptBytes,
    other: bytes - keptBytes,
  }));
  addReading("storage_images", "Stored pictures", ({ images, keptImages }) => ({
    kept: keptImages,
    other: images - keptImages,
  }));
  const limit = new Gauge({
    name: "storage_limit_bytes",
    help: "MAX_STORAGE_BYTES; +Inf without a limit",
    registers: [registry],
  });
  const evicted = new Counter({
    name: "storage_evicted_total",
    help: "Pictures that this process deleted to make room",
    registers: [],
    collect() {
      const reading = read();
      limit.set(reading?.limitBytes ?? Infinity);
      this.reset();
      this.inc(reading?.evictedImages ?? 0);
    },
  });
  registry.registerMetric(evicted);
}
