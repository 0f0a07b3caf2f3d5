import { systemClock } from "../../core/clock.ts";
import { ask } from "./ask.ts";
import { ok, skip, warn, type Finding } from "./finding.ts";

/** HTTP dates are whole seconds, and S3 refuses at 15 minutes; time to live counts in seconds. */
const TOLERATED_SECONDS = 10;

/** Compares the clock of this machine with those of the servers that tell theirs. */
export async function checkClock(servers: Readonly<Record<string, string>>): Promise<Finding> {
  const told: string[] = [];
  for (const [name, url] of Object.entries(servers)) {
    const reply = await ask(url);
    if (reply?.dateMs === undefined) continue;
    const skewSeconds = Math.round((systemClock.nowMs() - reply.dateMs) / 1000);
    if (Math.abs(skewSeconds) > TOLERATED_SECONDS) {
      const message = `This machine's clock and that of the ${name} differ by ${skewSeconds} s`;
      return warn("clock", message, "Synchronise both clocks; expiry and signed requests depend on them.");
    }
    told.push(name);
  }
  if (told.length === 0) return skip("clock", "No server tells its time");
  return ok("clock", `The clock agrees with that of the ${told.join(" and the ")}`);
}
