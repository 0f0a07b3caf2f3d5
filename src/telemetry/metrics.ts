/** What the parts of the server tell about themselves. No label ever holds an id, a prompt or a URL. */
export interface Metrics {
  /** One generation ended: `ok` or an error code. */
  generationEnded(outcome: string, seconds: number): void;
  /** A job left the queue for the model server. */
  queueLeft(waitSeconds: number): void;
  /** A job was not admitted: an error code. */
  rejected(reason: string): void;
  imageServed(status: number): void;
  cleanupEnded(outcome: "ok" | "failed", deleted: number, nowMs: number): void;
  /** A request to the model server ended: an HTTP status, or `none` when there was no answer. */
  upstreamRequestEnded(code: string): void;
  upstreamCircuitChanged(state: "closed" | "half_open" | "open"): void;
}

/** For servers that nobody scrapes. */
export const noMetrics: Metrics = {
  generationEnded: () => undefined,
  queueLeft: () => undefined,
  rejected: () => undefined,
  imageServed: () => undefined,
  cleanupEnded: () => undefined,
  upstreamRequestEnded: () => undefined,
  upstreamCircuitChanged: () => undefined,
};

/** Tells those of `find`, once they are there; until then nobody can have asked for any. */
export function lateMetrics(find: () => Metrics | undefined): Metrics {
  const metrics = (): Metrics => find() ?? noMetrics;
  return {
    generationEnded: (outcome, seconds) => metrics().generationEnded(outcome, seconds),
    queueLeft: (waitSeconds) => metrics().queueLeft(waitSeconds),
    rejected: (reason) => metrics().rejected(reason),
    imageServed: (status) => metrics().imageServed(status),
    cleanupEnded: (outcome, deleted, nowMs) => metrics().cleanupEnded(outcome, deleted, nowMs),
    upstreamRequestEnded: (code) => metrics().upstreamRequestEnded(code),
    upstreamCircuitChanged: (state) => metrics().upstreamCircuitChanged(state),
  };
}
