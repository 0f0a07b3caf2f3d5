import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { undoWhenKilled } from "./when-killed.ts";

/** A temporary folder that is gone at the end, also when the benchmark is ended early. */
export class TemporaryFolder implements Disposable {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), "mcp-image-server-bench-")));
  readonly #forget = undoWhenKilled(() => this.#remove());

  [Symbol.dispose](): void {
    this.#forget();
    this.#remove();
  }

  #remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 });
  }
}
