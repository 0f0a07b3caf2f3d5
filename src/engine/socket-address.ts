import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { ConfigurationError } from "../core/errors.ts";

/** A place for a socket that only this user can reach, and how to remove it. */
export interface PrivateSocket extends AsyncDisposable {
  readonly path: string;
}

/** The shortest limit of the systems we run on (macOS: 104 bytes with the closing zero). */
const MAX_PATH_BYTES = 103;
const SOCKET_NAME = "engine.sock";

const PREFIX = "mcp-image-engine-";
/** In a pod with a read-only root, memory can be written though no folder was given for temporary files. */
const OTHER_FOLDERS = ["/tmp", "/dev/shm"] as const;

/**
 * A Unix socket's path in a fresh folder of mode 0700, or the name of a Windows pipe.
 *
 * @throws {ConfigurationError} `configuration_invalid` when there is no folder for temporary files
 */
export async function createPrivateSocket(temporaryFolder: string = tmpdir()): Promise<PrivateSocket> {
  if (process.platform === "win32") {
    return { path: `\\\\.\\pipe\\mcp-image-engine-${randomUUID()}`, [Symbol.asyncDispose]: async () => undefined };
  }
  const folder = await makeFolder(new Set([temporaryFolder, ...OTHER_FOLDERS]));
  return {
    path: join(folder, SOCKET_NAME),
    [Symbol.asyncDispose]: async () => rm(folder, { recursive: true, force: true }),
  };
}

async function makeFolder(parents: ReadonlySet<string>): Promise<string> {
  const causes: unknown[] = [];
  for (const parent of parents) {
    if (Buffer.byteLength(join(parent, `${PREFIX}XXXXXX`, SOCKET_NAME)) > MAX_PATH_BYTES) continue;
    try {
      return await mkdtemp(join(parent, PREFIX));
    } catch (error) {
      causes.push(error);
    }
  }
  const tried = [...parents].map((parent) => `"${parent}"`).join(", ");
  const message = `Cannot make the engine's socket in any of ${tried}; set TMPDIR to a folder that can be written`;
  throw new ConfigurationError("configuration_invalid", message, { cause: causes[0] });
}
