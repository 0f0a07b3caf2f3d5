/** `half_open`: the server answered a question again, and the next job will tell. */
export type CircuitState = "closed" | "half_open" | "open";

/** Who counts what happens on the way to the model server. */
export interface UpstreamObserver {
  /** A request ended: an HTTP status, or `none` when there was no answer. */
  upstreamRequestEnded(code: string): void;
  upstreamCircuitChanged(state: CircuitState): void;
}

export const noObserver: UpstreamObserver = {
  upstreamRequestEnded: () => undefined,
  upstreamCircuitChanged: () => undefined,
};
