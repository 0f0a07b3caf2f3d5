import { constants } from "node:os";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * Resolves with the first SIGTERM or SIGINT. The second one ends the process at once, as if nobody listened:
 * a person who presses Ctrl-C twice means it.
 */
export async function waitForSignal(signal?: AbortSignal): Promise<NodeJS.Signals | undefined> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals | undefined>();
  const onSignal = (name: NodeJS.Signals): void => {
    for (const other of SIGNALS) process.off(other, onSignal);
    // The first process of a container is spared by every signal that it does not listen to.
    if (process.pid === 1) for (const other of SIGNALS) process.once(other, () => process.exit(toExitCode(other)));
    resolve(name);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  signal?.addEventListener("abort", () => {
    for (const name of SIGNALS) process.off(name, onSignal);
    resolve(undefined);
  });
  return promise;
}

/** What a shell tells of a process that a signal has ended. */
function toExitCode(name: NodeJS.Signals): number {
  return 128 + constants.signals[name];
}
