import { setImmediate as nextTurn } from "node:timers/promises";
import { JobServer } from "./job-server.ts";
import type { ProcessMessage } from "./worker-messages.ts";

/** The first file of the engine's child process, which runs native code that may crash without harm to the server. */

if (process.send === undefined) throw new Error("This file runs in a child process only");

let cancelledJob: number | undefined;
const server = new JobServer({
  send: (message) => void process.send?.(message),
  isCancelled: (jobId) => cancelledJob === jobId,
});

process.on("message", (message: ProcessMessage) => {
  switch (message.kind) {
    case "setup":
      void server.load(message.setup);
      return;
    case "generate":
      void nextTurn().then(async () => server.generate(message));
      return;
    case "cancel":
      cancelledJob = message.jobId;
      return;
  }
});
// Nobody is left to draw for.
process.on("disconnect", () => process.exit(0));
// A terminal sends its signals to the whole group; the server ends this process when it is done with it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);
