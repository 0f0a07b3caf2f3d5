import type { ImageProgress } from "../images/image-job.ts";

const BAR_CHARACTERS = 24;
const REFRESH_MS = 200;

/** One line on a terminal that tells how far a generation is; writes nothing anywhere else. */
export class ProgressLine implements Disposable {
  readonly #stream: NodeJS.WriteStream;
  readonly #startedAtMs = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #progress: ImageProgress | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    if (stream.isTTY) this.#timer = setInterval(() => this.#draw(), REFRESH_MS).unref();
  }

  report(progress: ImageProgress): void {
    this.#progress = progress;
    this.#draw();
  }

  /** Clears the line. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.#stream.isTTY) this.#stream.write("\r\u001B[K");
  }

  #draw(): void {
    if (!this.#stream.isTTY || this.#progress === undefined) return;
    const seconds = ((performance.now() - this.#startedAtMs) / 1000).toFixed(1);
    const line = `${toWords(this.#progress)} ${seconds} s`;
    this.#stream.write(`\r\u001B[K${line.slice(0, Math.max(0, this.#stream.columns - 1))}`);
  }
}

/** What a person reads of a phase. */
export function toWords(progress: ImageProgress): string {
  switch (progress.phase) {
    case "queued":
      return `waiting, ${progress.ahead} ahead`;
    case "waking":
      return "waking the model";
    case "retrying":
      return `trying again (${progress.attempt})`;
    case "generating": {
      const { step, totalSteps } = progress;
      if (step === undefined || totalSteps === undefined) return "drawing";
      const filled = Math.round((BAR_CHARACTERS * step) / totalSteps);
      return `drawing [${"#".repeat(filled).padEnd(BAR_CHARACTERS, "-")}] step ${step} of ${totalSteps}`;
    }
    case "saving":
      return "saving";
  }
}
