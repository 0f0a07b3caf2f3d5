import { UpstreamError, type UpstreamErrorOptions } from "./upstream-error.ts";

type Options = Omit<UpstreamErrorOptions, "state">;

/** The model draws only sizes that are multiples of a number; it refused before it drew anything. */
export class RefusedSizeError extends UpstreamError {
  readonly multiple: number;

  constructor(multiple: number, options: Options) {
    super("upstream_rejected", { ...options, state: `the model draws sizes divisible by ${multiple} only` });
    this.multiple = multiple;
  }
}

/**
 * A runtime failed in its own handling of errors, as one does that insists on a scheduler. Whatever it did has ended,
 * since it answered.
 */
export class MissingSchedulerError extends UpstreamError {
  constructor(options: Options) {
    super("upstream_error", { ...options, state: "the runtime failed while it handled a failure" });
  }
}
