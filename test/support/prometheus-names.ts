import { createPrometheusMetrics } from "../../src/telemetry/prometheus-metrics.ts";

const KEYWORDS = new Set(["and", "or", "unless", "bool", "offset"]);

/** The names that a scrape of this server finds, with those of histograms. */
export async function listMetricNames(): Promise<Set<string>> {
  const metrics = createPrometheusMetrics({
    version: "1",
    queue: () => ({ waiting: 0, running: 0 }),
    sessions: () => 0,
    storage: () => undefined,
    signingEnd: new Date(0),
  });
  // What the client library itself tells of the process is known after a first turn of the event loop.
  const names = Array.from((await metrics.print()).matchAll(/^# TYPE (\w+) (\w+)$/gm), ([, name = "", kind]) =>
    kind === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  return new Set(names.flat());
}

/** The metrics that a PromQL expression reads. */
export function readMetricNames(expression: string): string[] {
  const bare = expression
    .replaceAll(/"[^"]*"/g, "")
    .replaceAll(/\{[^}]*\}/g, "")
    .replaceAll(/\[[^\]]*\]|\b\d[\w.]*/g, "")
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, "");
  return Array.from(bare.matchAll(/[a-z_:][\w:]*(?!\w)(?!\s*\()/gi), ([name]) => name).filter(
    (name) => !KEYWORDS.has(name),
  );
}
