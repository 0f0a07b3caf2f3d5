let lastTurn: Promise<void> = Promise.resolve();

/**
 * Resolves in a later turn of the event loop that no other caller gets. Before a step that holds the loop for
 * milliseconds: however many pictures arrive together, between two such steps everybody else is served.
 */
export async function nextTurn(): Promise<void> {
  lastTurn = lastTurn.then(async () => new Promise((resolve) => setImmediate(resolve)));
  return lastTurn;
}
