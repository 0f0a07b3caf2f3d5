import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** What requests must know of the server that they came to. */
export class ServerState {
  #isDraining = false;
  #isRetiring = false;
  /** Answers that somebody else writes, at a time that we do not choose. */
  readonly #foreign = new Set<ServerResponse>();
  readonly #drainListeners = new Set<() => void>();

  /** True from the moment the server began to shut down: answers then end their connection. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** True from the moment that nobody should send clients here any more, though work is still taken. */
  get isRetiring(): boolean {
    return this.#isRetiring || this.#isDraining;
  }

  retire(): void {
    this.#isRetiring = true;
  }

  drain(): void {
    this.#isDraining = true;
    for (const response of this.#foreign) {
      if (!response.headersSent) response.setHeader("Connection", "close");
    }
    for (const listener of this.#drainListeners) listener();
    this.#drainListeners.clear();
  }

  /** Calls the listener when the server begins to shut down, for what would never end by itself; gives its undoing. */
  onDrain(listener: () => void): () => void {
    this.#drainListeners.add(listener);
    return () => void this.#drainListeners.delete(listener);
  }

  /** Follows an answer that a handler writes itself, until it is sent or broken off. */
  follow(response: ServerResponse): void {
    this.#foreign.add(response);
    response.once("close", () => this.#foreign.delete(response));
  }

  /** True when part of an answer may be on the socket already. */
  isHalfAnswered(socket: Duplex): boolean {
    for (const response of this.#foreign) {
      if (response.socket === socket && response.headersSent) return true;
    }
    return false;
  }
}
