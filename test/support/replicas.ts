import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { FakeKServeRuntime } from "../../src/testing/fake-kserve-runtime.ts";
import { findFreePorts } from "./free-port.ts";
import { ServerProcess, TemporaryFolder } from "./server-process.ts";

/** The proxy, when this machine has it. */
export const NGINX = ["/usr/sbin/nginx", "/usr/bin/nginx"].find((path) => existsSync(path));
export const NO_NGINX = "NO NGINX HERE: install the package nginx to test several replicas behind it";

/** Three replicas on one folder behind nginx, which asks one after the other and knows nothing of sessions. */
export class Replicas implements AsyncDisposable {
  readonly runtime: FakeKServeRuntime;
  readonly url: string;
  readonly #home: TemporaryFolder;
  readonly #ports: readonly number[];
  readonly #settings: Readonly<Record<string, string>>;
  readonly #servers: (ServerProcess | undefined)[] = [];
  #stopProxy: () => Promise<void> = async () => undefined;

  private constructor(
    runtime: FakeKServeRuntime,
    ports: readonly number[],
    url: string,
    settings: Readonly<Record<string, string>>,
  ) {
    this.runtime = runtime;
    this.#ports = ports;
    this.url = url;
    this.#home = new TemporaryFolder();
    this.#settings = settings;
  }

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<Replicas> {
    const runtime = await FakeKServeRuntime.start();
    const [proxyPort = 0, ...ports] = await findFreePorts(4);
    const replicas = new Replicas(runtime, ports, `http://127.0.0.1:${proxyPort}`, settings);
    await Promise.all(ports.map(async (_, index) => replicas.#startOne(index)));
    await replicas.#startProxy(proxyPort);
    return replicas;
  }

  /** Ends one replica as a rollout does, and starts its successor. Gives the exit code. */
  async restart(index: number): Promise<number | null> {
    const exitCode = await this.#servers[index]?.stop();
    await this.#startOne(index);
    return exitCode ?? null;
  }

  get count(): number {
    return this.#ports.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopProxy();
    await Promise.all(this.#servers.map(async (server) => server?.stop("SIGKILL")));
    await this.runtime.close();
    this.#home[Symbol.dispose]();
  }

  async #startOne(index: number): Promise<void> {
    const settings = {
      HOST: "127.0.0.1",
      PORT: String(this.#ports[index]),
      STORAGE_PATH: join(this.#home.path, "images"),
      KSERVE_ENDPOINT: this.runtime.url,
      PUBLIC_BASE_URL: this.url,
      ...this.#settings,
    };
    this.#servers[index] = await ServerProcess.start({ home: this.#home.path, settings }, ["serve"]);
  }

  async #startProxy(port: number): Promise<void> {
    const folder = this.#home.path;
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${join(folder, name)};`)
      .join(" ");
    // A refused connection goes to the next replica anyway. Were it also counted, nginx would take all three for dead when they
    // restart within the time that it remembers.
    const servers = this.#ports.map((one) => `server 127.0.0.1:${one} max_fails=0;`).join(" ");
    const file = join(folder, "nginx.conf");
    writeFileSync(
      file,
      `daemon off; master_process off; pid ${join(folder, "nginx.pid")}; error_log ${join(folder, "nginx.log")};
events { worker_connections 512; }
http {
  access_log off; ${temporary}
  upstream replicas { ${servers} }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://replicas; proxy_http_version 1.1; proxy_set_header Host $http_host;
      proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 60s;
      proxy_next_upstream error timeout http_503;
    }
  }
}
`,
    );
    const child = spawn(NGINX ?? "", ["-p", folder, "-c", file], { stdio: ["ignore", "ignore", "inherit"] });
    this.#stopProxy = async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    };
    for (;;) {
      const answer = await fetch(`${this.url}/livez`).catch(() => undefined);
      if (answer?.status === 200) return;
      await delay(20);
    }
  }
}
