import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { BenchProcess, canPin, hasCommand } from "./bench-process.ts";

/** GET requests that are sent in turn. */
export interface LoadPlan {
  /** Names the plan; a word. */
  readonly name: string;
  readonly baseUrl: string;
  readonly requests: readonly LoadRequest[];
  readonly expectedStatus: number;
}

export interface LoadRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface LoadResult {
  readonly count: number;
  readonly seconds: number;
}

/** Puts load on a server from one thread and 8 kept connections. */
export interface LoadGenerator extends AsyncDisposable {
  /** Sends at least `count` requests. */
  run(plan: LoadPlan, count: number): Promise<LoadResult>;
}

const CONNECTIONS = 8;
/** On a machine that is busy with other things, fewer requests have to do. */
const MAX_RUNS = 3;
const runFile = promisify(execFile);

/** wrk where it is installed, else a slower client of our own. */
export async function createLoadGenerator(folder: string): Promise<LoadGenerator> {
  if (hasCommand("wrk", ["-v"]) || hasCommand("which", ["wrk"])) return new Wrk(folder);
  console.log("wrk is not installed (apt-get install wrk): our own client sends the requests, and is the slower side");
  return new OwnClient(await BenchProcess.script("client", "load-client.ts"));
}

class Wrk implements LoadGenerator {
  readonly #folder: string;
  /** How often each server was asked: a run goes on where the one before it stopped. */
  readonly #asked = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async run(plan: LoadPlan, count: number): Promise<LoadResult> {
    const script = join(this.#folder, "wrk.lua");
    let done = { count: 0, seconds: 0 };
    // wrk counts in seconds, not in requests.
    for (let run = 0; done.count < count && run < MAX_RUNS; run++) {
      const asked = this.#asked.get(plan.baseUrl) ?? 0;
      await writeFile(script, toLua(plan, asked));
      const part = await runWrk(script, plan);
      this.#asked.set(plan.baseUrl, asked + part.count + CONNECTIONS);
      done = { count: done.count + part.count, seconds: done.seconds + part.seconds };
    }
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
  }
}

async function runWrk(script: string, plan: LoadPlan): Promise<LoadResult> {
  const words = ["wrk", "-t1", `-c${CONNECTIONS}`, "-d1s", "--timeout", "10s", "-s", script, plan.baseUrl];
  const [command = "", ...args] = canPin ? ["taskset", "-c", "1", ...words] : words;
  const { stdout } = await runFile(command, args);
  const [, count, micros, broken, refused] = /^RESULT (\d+) (\d+) (\d+) (\d+)$/m.exec(stdout) ?? [];
  const expectedRefused = plan.expectedStatus >= 400 ? count : "0";
  if (count === undefined || broken !== "0" || refused !== expectedRefused) {
    throw new Error(`wrk met errors in ${plan.name}: ${stdout}`);
  }
  return { count: Number(count), seconds: Number(micros) / 1e6 };
}

function toLua({ requests }: LoadPlan, asked: number): string {
  const entries = requests.map(({ path, headers }) => {
    const pairs = Object.entries(headers).map(([name, value]) => `[${JSON.stringify(name)}]=${JSON.stringify(value)}`);
    return `{${JSON.stringify(path)},{${pairs.join(",")}}}`;
  });
  return `local wanted = {${entries.join(",\n")}}
local texts, turn = {}, ${asked % requests.length}
function init() for i, w in ipairs(wanted) do texts[i] = wrk.format("GET", w[1], w[2]) end end
function request() turn = turn % #texts + 1 return texts[turn] end
function done(summary)
  local e = summary.errors
  print(string.format("RESULT %d %d %d %d", summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout, e.status))
end
`;
}

class OwnClient implements LoadGenerator {
  readonly #client: BenchProcess;

  constructor(client: BenchProcess) {
    this.#client = client;
  }

  async run({ baseUrl, requests, expectedStatus }: LoadPlan, count: number): Promise<LoadResult> {
    const job = { url: baseUrl, method: "GET", requests, expectedStatus, count, connections: CONNECTIONS };
    return { count, seconds: Number((await this.#client.ask(job))["seconds"]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.stop();
  }
}
