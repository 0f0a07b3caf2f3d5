const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** What must not outlive the benchmark: processes that it started, folders that it made. */
const undoings = new Set<() => void>();

for (const signal of SIGNALS) {
  process.once(signal, () => {
    for (const undo of [...undoings].toReversed()) undo();
    process.kill(process.pid, signal); // whoever waits for the benchmark learns what ended it
  });
}

/** Runs the function should somebody end the benchmark; what comes back takes that back. */
export function undoWhenKilled(undo: () => void): () => void {
  undoings.add(undo);
  return () => void undoings.delete(undo);
}
