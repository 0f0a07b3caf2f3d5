import { once } from "node:events";
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

/** What came of the calls of a crowd. */
export interface CrowdOutcome {
  readonly drawn: number;
  /** Told that the queue is full, and when to come again. */
  readonly refused: number;
  /** Every other answer. */
  readonly unexpected: readonly string[];
  /** Until the last answer. */
  readonly seconds: number;
}

// A process of callers that ask for a picture, and for the next one when they have it; who is refused pauses:
// `URL CALLERS DURATION_MS PAUSE_MS`. It speaks HTTP by hand, so that callers cost the machine next to nothing.
const [url = "", ...numbers] = process.argv.slice(2);
const [callers = 1, durationMs = 0, pauseMs = 0] = numbers.map(Number);
const agent = new Agent({ keepAlive: true });
const startedAtMs = performance.now();
let asked = 0;
let drawn = 0;
let refused = 0;
const unexpected: string[] = [];

async function call(): Promise<string> {
  const id = ++asked;
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "crowd", version: "1.0.0" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const args = { prompt: "x", width: 64, height: 64, seed: Math.floor(startedAtMs) + id };
  const params = { name: "generate_image", arguments: args, _meta: meta };
  const body = JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params });
  const headers = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "generate_image",
    "content-length": Buffer.byteLength(body),
  };
  const sent = request(url, { method: "POST", agent, headers }).end(body);
  const [response] = await once(sent, "response");
  return text(response);
}

async function visit(index: number): Promise<void> {
  await delay((pauseMs * index) / callers);
  while (performance.now() - startedAtMs < durationMs) {
    const answer = await call();
    if (answer.includes('"image_id"')) drawn++;
    else {
      if (/queue_full.*retry_after_seconds/.test(answer)) refused++;
      else unexpected.push(answer);
      await delay(pauseMs);
    }
  }
}

await Promise.all(Array.from({ length: callers }, async (_, index) => visit(index)));
const seconds = (performance.now() - startedAtMs) / 1000;
const outcome: CrowdOutcome = { drawn, refused, unexpected, seconds };
process.stdout.write(JSON.stringify(outcome));
agent.destroy();
