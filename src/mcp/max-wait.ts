/** How long a tool keeps its client waiting before it answers that the picture is still being drawn. */
export interface MaxWait {
  /** For a client that hears nothing meanwhile; `Infinity`: to the end. */
  readonly silentSeconds: number;
  /** For a client that is sent progress notifications. */
  readonly withProgressSeconds: number;
}

/**
 * Clients give up after 45 seconds at the earliest, and most after 60: some although they are told of progress.
 * A client that waits longer loses nothing but a second call.
 */
export const DEFAULT_MAX_WAIT: MaxWait = { silentSeconds: 40, withProgressSeconds: 55 };

/** The limit of one call, as the image service takes it. */
export function toMaxWait(maxWait: MaxWait, hasProgress: boolean): { readonly maxWaitMs?: number } {
  const seconds = hasProgress ? maxWait.withProgressSeconds : maxWait.silentSeconds;
  return seconds === Infinity ? {} : { maxWaitMs: seconds * 1000 };
}
