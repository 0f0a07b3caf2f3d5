import { randomUUID } from "node:crypto";
import { systemClock, type Clock } from "../core/clock.ts";
import { parseImageId } from "../core/image-id.ts";
import type { Secret } from "../core/secret.ts";
import { getLogger } from "../logging/logger.ts";
import { connectRedis, type RedisConnection } from "../redis/redis-connection.ts";
import type { ChangeRelay, ImageChange, ImageChangeListener } from "./image-changes.ts";

export interface RedisChangeRelayOptions {
  /** `redis://` or `rediss://`, with a password if need be. Its database is part of the channel's name. */
  readonly url: Secret;
  readonly clock?: Clock;
}

const RETRY_MS = 250;
const CHANNEL_START = "mcp-image-server:changes";
const KINDS: readonly string[] = ["stored", "deleted", "updated"] satisfies ImageChange["kind"][];

const logger = getLogger("images");

/** Changes over a channel of Redis or Valkey. Nothing is kept there: a process that is cut off misses what happens meanwhile. */
export class RedisChangeRelay implements ChangeRelay {
  readonly #url: Secret;
  readonly #channel: string;
  /** Tells our own messages from those of others. */
  readonly #sender = randomUUID();
  readonly #closed = new AbortController();
  readonly #clock: Clock;
  #listener: ImageChangeListener = () => undefined;
  #publisher: Promise<RedisConnection> | undefined;
  #subscriber: Promise<RedisConnection> | undefined;

  constructor({ url, clock = systemClock }: RedisChangeRelayOptions) {
    this.#url = url;
    this.#clock = clock;
    this.#channel = `${CHANNEL_START}:${new URL(url.reveal()).pathname.slice(1) || "0"}`;
  }

  send({ kind, imageId }: ImageChange): void {
    if (this.#closed.signal.aborted) return;
    this.#publisher ??= this.#connect();
    void this.#publish(this.#publisher, JSON.stringify({ from: this.#sender, kind, image_id: imageId }));
  }

  onChange(listener: ImageChangeListener): void {
    this.#listener = listener;
  }

  start(): void {
    if (this.#subscriber !== undefined) return;
    this.#subscriber = this.#connect();
    void this.#listen(this.#subscriber);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    for (const connection of [this.#publisher, this.#subscriber]) {
      await connection?.then(
        (open) => open.destroy(),
        () => undefined,
      );
    }
  }

  #receive(message: string): void {
    const received = parseMessage(message);
    if (received === undefined || received.from === this.#sender || this.#closed.signal.aborted) return;
    this.#listener(received.change);
  }

  async #connect(): Promise<RedisConnection> {
    return connectRedis({
      url: this.#url,
      onError: (error) => logger.debug("redis_failed", { purpose: "changes", error }),
    });
  }

  async #publish(connecting: Promise<RedisConnection>, message: string): Promise<void> {
    try {
      const connection = await connecting;
      await connection.publish(this.#channel, message);
    } catch (error) {
      logger.debug("change_not_sent", { error });
    }
  }

  /** A subscription that has succeeded once is renewed by the client; one that waits for Redis fails with each attempt to connect. */
  async #listen(connecting: Promise<RedisConnection>): Promise<void> {
    try {
      const connection = await connecting;
      while (!this.#closed.signal.aborted && !(await this.#subscribe(connection))) {
        await this.#clock.sleep(RETRY_MS, this.#closed.signal);
      }
    } catch (error) {
      if (!this.#closed.signal.aborted) logger.warn("changes_not_heard", { error });
    }
  }

  async #subscribe(connection: RedisConnection): Promise<boolean> {
    try {
      await connection.subscribe(this.#channel, (message) => this.#receive(message));
      return true;
    } catch (error) {
      logger.debug("redis_failed", { purpose: "changes", error });
      return false;
    }
  }
}

/** `undefined` for what none of our kind has sent. */
function parseMessage(message: string): { readonly from: string; readonly change: ImageChange } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { from, kind, image_id: imageId } = value as Record<string, unknown>;
  if (typeof from !== "string" || !isKind(kind)) return undefined;
  if (typeof imageId !== "string" || parseImageId(imageId) === undefined) return undefined;
  return { from, change: { kind, imageId } };
}

function isKind(value: unknown): value is ImageChange["kind"] {
  return typeof value === "string" && KINDS.includes(value);
}
