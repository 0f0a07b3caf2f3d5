import { ConfigurationError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`, with a password if need be. */
  readonly url: Secret;
  /** Told of each failure of the connection, which goes on trying. */
  readonly onError: (error: unknown) => void;
}

/** What is used of the client of the optional package `@redis/client`. */
export interface RedisConnection {
  eval(script: string, options: { readonly keys: string[]; readonly arguments: string[] }): Promise<unknown>;
  zRem(key: string, member: string): Promise<unknown>;
  publish(channel: string, message: string): Promise<number>;
  /** Again by itself whenever the connection is back. */
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  /** Ends it at once; what waits for an answer fails. */
  destroy(): void;
}

/** How long connecting may take, and what an answer should not take longer than. */
export const REDIS_TIMEOUT_MS = 1_000;
const MAX_RECONNECT_MS = 5_000;

/**
 * Resolves when Redis or Valkey is reached or the first attempt has failed. Cut off, it connects again by itself;
 * until then every question fails at once.
 *
 * @throws {ConfigurationError} `configuration_invalid` when `@redis/client` is not installed
 */
export async function connectRedis({ url, onError }: RedisConnectionOptions): Promise<RedisConnection> {
  const { createClient } = await import("./redis-client.ts").catch((error: unknown) => {
    throw new ConfigurationError("configuration_invalid", "REDIS_URL needs the package @redis/client", {
      cause: error,
    });
  });
  const client = createClient({
    url: url.reveal(),
    disableOfflineQueue: true,
    socket: {
      connectTimeout: REDIS_TIMEOUT_MS,
      reconnectStrategy: (retries) => Math.min(100 * 2 ** Math.min(retries, 6), MAX_RECONNECT_MS),
    },
  });
  client.on("error", onError);
  void client.connect().catch(() => undefined);
  await new Promise<void>((resolve) => {
    client.once("ready", resolve);
    client.once("error", resolve);
  });
  return client;
}
