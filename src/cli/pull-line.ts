import type { PullProgress } from "../engine/models/pull-model.ts";
import { toBytes } from "./size-in-words.ts";

const BAR_CHARACTERS = 24;
const REFRESH_MS = 100;

/** Tells how far a download is: one line that is drawn anew on a terminal, one line per file anywhere else. */
export class PullLine implements Disposable {
  readonly #stream: NodeJS.WriteStream;
  readonly #startedAtMs = performance.now();
  #drawnAtMs = -Infinity;
  #firstBytes: number | undefined;
  #file = "";

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  report(progress: PullProgress): void {
    const { file, doneBytes, totalBytes } = progress;
    this.#firstBytes ??= doneBytes;
    if (!this.#stream.isTTY) {
      if (file !== this.#file) this.#stream.write(`${file}\n`);
      this.#file = file;
      return;
    }
    const nowMs = performance.now();
    if (nowMs - this.#drawnAtMs < REFRESH_MS && doneBytes < totalBytes) return;
    this.#drawnAtMs = nowMs;
    const seconds = (nowMs - this.#startedAtMs) / 1000;
    const line = toPullWords(progress, (doneBytes - this.#firstBytes) / seconds);
    this.#stream.write(`\r\u001B[K${line.slice(0, Math.max(0, this.#stream.columns - 1))}`);
  }

  /** Clears the line. */
  [Symbol.dispose](): void {
    if (this.#stream.isTTY) this.#stream.write("\r\u001B[K");
  }
}

/** What a person reads of a download. */
export function toPullWords({ file, doneBytes, totalBytes }: PullProgress, bytesPerSecond: number): string {
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const bar = "#".repeat(Math.round(BAR_CHARACTERS * share)).padEnd(BAR_CHARACTERS, "-");
  const speed = Number.isFinite(bytesPerSecond) && bytesPerSecond > 0 ? `, ${toBytes(bytesPerSecond)}/s` : "";
  return `[${bar}] ${Math.floor(share * 100)} %, ${toBytes(doneBytes)} of ${toBytes(totalBytes)}${speed}, ${file}`;
}
