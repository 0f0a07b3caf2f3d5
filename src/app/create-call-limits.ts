import { CallLimits } from "../access/call-limits.ts";
import { RedisLimitStore } from "../access/redis-limit-store.ts";
import type { Settings } from "../config/settings.ts";
import { systemClock } from "../core/clock.ts";

/** After a job's two waits a place is surely free; a minute more for what saves it. */
const MARGIN_SECONDS = 60;

/** How many jobs one client may begin, as the settings say. Does no I/O. */
export function createCallLimits({ limits, kserve }: Pick<Settings, "limits" | "kserve">): CallLimits {
  const { perMinute, perDay, atOnce, redisUrl, onRedisFailure } = limits;
  const holdSeconds = Math.ceil(kserve.queueTimeoutSeconds + kserve.timeoutSeconds + MARGIN_SECONDS);
  return new CallLimits({
    perMinute,
    perDay,
    atOnce,
    onFailure: onRedisFailure,
    ...(redisUrl && { store: new RedisLimitStore({ url: redisUrl, holdSeconds, clock: systemClock }) }),
  });
}
