import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { findFreePort } from "./free-port.ts";
import { TemporaryFolder } from "./server-process.ts";

/** `undefined` where none is installed. */
export const REDIS_SERVER = ["/usr/bin/redis-server", "/usr/bin/valkey-server"].find((path) => existsSync(path));
export const NO_REDIS = "NO REDIS HERE: install the package redis-server to test what replicas share";

/** A real server with nothing in it, on this port or a free one of this machine. */
export async function startRedis(port?: number) {
  const folder = new TemporaryFolder();
  const chosen = port ?? (await findFreePort());
  const options = ["--port", String(chosen), "--bind", "127.0.0.1", "--save", "", "--dir", folder.path];
  const child = spawn(REDIS_SERVER ?? "", options, { stdio: ["ignore", "pipe", "inherit"] });
  let isReady = false;
  for await (const chunk of child.stdout) {
    isReady = String(chunk).includes("Ready to accept connections");
    if (isReady) break;
  }
  if (!isReady) throw new Error(`Redis does not start on port ${chosen}`);
  child.stdout.resume();
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
    folder[Symbol.dispose]();
  };
  return { port: chosen, url: `redis://127.0.0.1:${chosen}`, stop, [Symbol.asyncDispose]: stop };
}
