import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";

/** A place for a socket that only this user can reach, and how to remove it. */
export interface PrivateSocket extends AsyncDisposable {
  readonly path: string;
}

/** The shortest limit of the systems we run on (macOS: 104 bytes with the closing zero). */
const MAX_PATH_BYTES = 103;
const SOCKET_NAME = "engine.sock";

/** A Unix socket's path in a fresh folder of mode 0700, or the name of a Windows pipe. */
export async function createPrivateSocket(): Promise<PrivateSocket> {
  if (process.platform === "win32") {
    return { path: `\\\\.\\pipe\\mcp-image-engine-${randomUUID()}`, [Symbol.asyncDispose]: async () => undefined };
  }
  const prefix = "mcp-image-engine-";
  const length = Buffer.byteLength(join(tmpdir(), `${prefix}XXXXXX`, SOCKET_NAME));
  const folder = await mkdtemp(join(length > MAX_PATH_BYTES ? "/tmp" : tmpdir(), prefix));
  return {
    path: join(folder, SOCKET_NAME),
    [Symbol.asyncDispose]: async () => rm(folder, { recursive: true, force: true }),
  };
}
