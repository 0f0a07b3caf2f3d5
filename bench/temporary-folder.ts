import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A temporary folder that is gone at the end. */
export class TemporaryFolder implements Disposable {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), "mcp-image-server-bench-")));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
