import type { Clock } from "../core/clock.ts";
import type { LimitStore, WindowLimit } from "./limit-store.ts";

interface Window {
  readonly endsAtMs: number;
  count: number;
}

/** Far more than one process serves in a window; beyond it the oldest is forgotten. */
const MAX_WINDOWS = 20_000;

/** Counts of this process alone. */
export class MemoryLimitStore implements LimitStore {
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();
  readonly #held = new Map<string, Set<string>>();

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  async take(limit: WindowLimit, client: string): Promise<number | undefined> {
    const nowMs = this.#clock.nowMs();
    const key = `${limit.name}:${client}`;
    let window = this.#windows.get(key);
    if (window === undefined || window.endsAtMs <= nowMs) {
      window = { endsAtMs: nowMs + limit.windowSeconds * 1000, count: 0 };
      this.#windows.delete(key);
      this.#windows.set(key, window);
      for (const oldest of this.#windows.keys()) {
        if (this.#windows.size <= MAX_WINDOWS) break;
        this.#windows.delete(oldest);
      }
    }
    if (window.count >= limit.most) return window.endsAtMs - nowMs;
    window.count++;
    return undefined;
  }

  async giveBack(limit: WindowLimit, client: string): Promise<void> {
    const window = this.#windows.get(`${limit.name}:${client}`);
    if (window !== undefined && window.count > 0) window.count--;
  }

  async hold(client: string, jobId: string, most: number): Promise<boolean> {
    const held = this.#held.get(client) ?? new Set();
    if (held.size >= most) return false;
    this.#held.set(client, held.add(jobId));
    return true;
  }

  async letGo(client: string, jobId: string): Promise<void> {
    const held = this.#held.get(client);
    held?.delete(jobId);
    if (held?.size === 0) this.#held.delete(client);
  }

  async close(): Promise<void> {}
}
