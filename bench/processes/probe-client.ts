import { once } from "node:events";
import { Agent, request as startRequest } from "node:http";
import { answerLines } from "./line-server.ts";

// Asks for one of the pictures (URLs with commas between) every few milliseconds, in turn, from "start" to "stop", and says
// how long the answers took.
const [list = "", pauseMs] = process.argv.slice(2);
const urls = list.split(",");
let turn = 0;
const agent = new Agent({ keepAlive: true });
let stop = new AbortController();
let probing: Promise<number[]> | undefined;

await answerLines(async (message) => {
  if (message["start"] === true) {
    stop = new AbortController();
    probing = probe(stop.signal);
    return {};
  }
  stop.abort();
  const times = ((await probing) ?? []).toSorted((one, other) => one - other);
  const at = (part: number): number | undefined => times[Math.min(Math.floor(times.length * part), times.length - 1)];
  return { count: times.length, p50Ms: at(0.5), p99Ms: at(0.99) };
});
agent.destroy();

async function probe(signal: AbortSignal): Promise<number[]> {
  const times: number[] = [];
  while (!signal.aborted) {
    const startedAt = performance.now();
    await get();
    times.push(performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, Number(pauseMs)));
  }
  return times;
}

async function get(): Promise<void> {
  const request = startRequest(urls[turn++ % urls.length] ?? "", { agent });
  request.end();
  const [response] = await once(request, "response");
  response.resume();
  await once(response, "end");
  if (response.statusCode !== 200) throw new Error(`Unexpected status ${response.statusCode}`);
}
