import { once } from "node:events";
import { Agent, request as startRequest } from "node:http";
import { text } from "node:stream/consumers";
import { answerLines, repeat } from "./line-server.ts";

/** Sends requests over kept connections, in turn, and says how long it took. */
interface LoadJob {
  readonly url: string;
  readonly method: string;
  readonly requests: readonly { readonly path: string; readonly headers: Readonly<Record<string, string>> }[];
  /** `$ID` in it is a number that no other request has: JSON-RPC knows the calls of one session by it. */
  readonly body: string | undefined;
  readonly expectedStatus: number;
  /** A text that every answer must contain. */
  readonly expectedText: string | undefined;
  readonly count: number;
  readonly connections: number;
}

const agent = new Agent({ keepAlive: true });
let turn = 0;

await answerLines(async (message) => {
  const job = message as unknown as LoadJob;
  const startedAt = performance.now();
  await repeat(job.count, job.connections, async () => send(job));
  return { count: job.count, seconds: (performance.now() - startedAt) / 1000 };
});
agent.destroy();

async function send(job: LoadJob): Promise<void> {
  const { path = "", headers = {} } = job.requests[turn++ % job.requests.length] ?? {};
  const body = job.body?.replace("$ID", String(turn));
  const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
  const request = startRequest(job.url + path, { agent, method: job.method, headers: { ...headers, ...length } });
  request.end(body);
  const [response] = await once(request, "response");
  if (job.expectedText === undefined) {
    response.resume();
    await once(response, "end");
  } else {
    const answer = await text(response);
    if (!answer.includes(job.expectedText)) throw new Error(`Unexpected answer: ${answer.slice(0, 500)}`);
  }
  if (response.statusCode !== job.expectedStatus) throw new Error(`Unexpected status ${response.statusCode}`);
}
