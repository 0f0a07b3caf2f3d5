import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BenchProcess, type Core } from "./bench-process.ts";

export interface WebServer {
  readonly process: BenchProcess;
  readonly baseUrl: string;
}

const START_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

/** The command `serve` on a folder of pictures. Errors alone are logged. */
export async function startOurs(storagePath: string, core: Core = "server"): Promise<WebServer> {
  const port = await findFreePort();
  const process_ = await BenchProcess.start({
    core,
    command: process.execPath,
    args: [resolve(import.meta.dirname, "../src/cli/bin.ts"), "serve"],
    env: {
      HOME: storagePath,
      HOST: "127.0.0.1",
      PORT: String(port),
      STORAGE_PATH: storagePath,
      // Nothing listens there, and nothing is asked of it.
      KSERVE_ENDPOINT: "http://127.0.0.1:9",
      KSERVE_MODEL_NAME: "model",
      LOG_LEVEL: "ERROR",
    },
  });
  return waitUntilUp(process_, `http://127.0.0.1:${port}`, "/livez");
}

/** The least that a server of files can do with `node:http`, on `pictures/` in the folder. */
export async function startByHand(folder: string): Promise<WebServer> {
  const process_ = await BenchProcess.script("server", "read-and-send.ts", [join(folder, "pictures")]);
  return { process: process_, baseUrl: String((await process_.read())["url"]) };
}

/** nginx with one worker and sendfile on `pictures/` in the folder, with the headers of our answers. */
export async function startNginx(folder: string, headers: ReadonlyMap<string, string>): Promise<WebServer> {
  const port = await findFreePort();
  await mkdir(join(folder, "temp"), { recursive: true });
  const configuration = join(folder, "nginx.conf");
  await writeFile(configuration, toConfiguration(folder, port, headers));
  const process_ = await BenchProcess.start({
    core: "server",
    command: "nginx",
    args: ["-p", folder, "-e", "error.log", "-c", configuration],
  });
  return waitUntilUp(process_, `http://127.0.0.1:${port}`, "/livez");
}

function toConfiguration(folder: string, port: number, headers: ReadonlyMap<string, string>): string {
  const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path temp/${name};`);
  const added = Array.from(headers, ([name, value]) => `add_header ${name} ${JSON.stringify(value)} always;`);
  return `daemon off;
${process.getuid?.() === 0 ? "user root;" : ""}
worker_processes 1;
pid nginx.pid;
error_log error.log crit;
events { worker_connections 256; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  server_tokens off;
  types {}
  default_type image/png;
  ${temps.join("\n  ")}
  server {
    listen 127.0.0.1:${port};
    add_header X-Request-Id $request_id always;
    ${added.join("\n    ")}
    location /images/ { alias ${folder}/pictures/; }
    location = /livez { return 200; }
  }
}
`;
}

async function waitUntilUp(server: BenchProcess, baseUrl: string, path: string): Promise<WebServer> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const response = await fetch(baseUrl + path).catch(() => undefined);
    if (response?.ok === true) return { process: server, baseUrl };
    if (performance.now() > deadline) {
      await server.stop();
      throw new Error(`Nothing answers at ${baseUrl}`);
    }
    await sleep(POLL_MS);
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
