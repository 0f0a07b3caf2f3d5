import type { RateLimiterRedis } from "rate-limiter-flexible";
import type { Clock } from "../core/clock.ts";
import { OnFirstUse } from "../core/on-first-use.ts";
import type { Secret } from "../core/secret.ts";
import { getLogger } from "../logging/logger.ts";
import { connectRedis, REDIS_TIMEOUT_MS, type RedisConnection } from "../redis/redis-connection.ts";
import type { LimitStore, WindowLimit } from "./limit-store.ts";

export interface RedisLimitStoreOptions {
  /** `redis://` or `rediss://`, with a password if need be. */
  readonly url: Secret;
  /** After this time a place is free though nobody gave it back: longer than any job takes. */
  readonly holdSeconds: number;
  readonly clock: Clock;
}

interface Connection {
  readonly client: RedisConnection;
  readonly limiterOf: (limit: WindowLimit) => RateLimiterRedis;
}

const KEY_START = "mcp-image-server:limits";

/** Frees what is overdue, and takes a place if there is one: one step, so that replicas cannot both take the last. */
const HOLD_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

const logger = getLogger("access");

/** Counts that every replica shares, in Redis or Valkey. Connects at the first use, and again when it was cut off. */
export class RedisLimitStore implements LimitStore {
  readonly #options: RedisLimitStoreOptions;
  readonly #connection = new OnFirstUse(async () => this.#open());
  #client: RedisConnection | undefined;

  constructor(options: RedisLimitStoreOptions) {
    this.#options = options;
  }

  async take(limit: WindowLimit, client: string): Promise<number | undefined> {
    return this.#ask(async ({ limiterOf }) => {
      const limiter = limiterOf(limit);
      try {
        await limiter.consume(client);
        return undefined;
      } catch (refusal) {
        if (!isRefusal(refusal)) throw refusal;
        await limiter.reward(client);
        return Math.max(1, refusal.msBeforeNext);
      }
    });
  }

  async giveBack(limit: WindowLimit, client: string): Promise<void> {
    await this.#ask(async ({ limiterOf }) => limiterOf(limit).reward(client));
  }

  async hold(client: string, jobId: string, most: number): Promise<boolean> {
    const { holdSeconds } = this.#options;
    const options = { keys: [toHoldKey(client)], arguments: [jobId, String(most), String(holdSeconds * 1000)] };
    return this.#ask(async (connection) => (await connection.client.eval(HOLD_SCRIPT, options)) === 1);
  }

  async letGo(client: string, jobId: string): Promise<void> {
    await this.#ask(async (connection) => connection.client.zRem(toHoldKey(client), jobId));
  }

  async close(): Promise<void> {
    await this.#connection.settle();
    this.#client?.destroy();
    this.#client = undefined;
  }

  /** A limit never makes a call wait for long. @throws whatever the connection does, or an error when the answer is late */
  async #ask<Answer>(question: (connection: Connection) => Promise<Answer>): Promise<Answer> {
    // Has its own limit, and loads a package at the first use.
    const connection = await this.#connection.load();
    const answered = new AbortController();
    const late = this.#options.clock.sleep(REDIS_TIMEOUT_MS, answered.signal).then(() => {
      throw new Error("Redis did not answer in time");
    });
    try {
      return await Promise.race([question(connection), late]);
    } finally {
      answered.abort();
      late.catch(() => undefined);
    }
  }

  async #open(): Promise<Connection> {
    const [client, { RateLimiterRedis }] = await Promise.all([
      connectRedis({
        url: this.#options.url,
        onError: (error) => logger.debug("redis_failed", { purpose: "limits", error }),
      }),
      import("./redis-rate-limiter.ts"),
    ]);
    this.#client = client;
    const limiters = new Map<string, RateLimiterRedis>();
    return {
      client,
      limiterOf: ({ name, most, windowSeconds }) => {
        const known = limiters.get(name);
        if (known !== undefined) return known;
        const limiter = new RateLimiterRedis({
          storeClient: client,
          useRedisPackage: true,
          keyPrefix: `${KEY_START}:${name}`,
          points: most,
          duration: windowSeconds,
        });
        limiters.set(name, limiter);
        return limiter;
      },
    };
  }
}

function toHoldKey(client: string): string {
  return `${KEY_START}:held:${client}`;
}

function isRefusal(value: unknown): value is { readonly msBeforeNext: number } {
  return !(value instanceof Error) && typeof value === "object" && value !== null && "msBeforeNext" in value;
}
