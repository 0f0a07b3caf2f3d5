import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { randomFillSync } from "node:crypto";
import { encodePng } from "../../src/core/png.ts";
import { listenPlain } from "./listen-plain.ts";

// A KServe runtime that has its answer ready: one PNG of as many bytes as it is told, in V1 JSON.
const [bytes] = process.argv.slice(2);

// Noise does not shrink, so that the size of the file is known.
const side = Math.round(Math.sqrt(Number(bytes) / 3));
const rgb = randomFillSync(new Uint8Array(side * side * 3));
const base64 = encodePng({ width: side, height: side, rgb }).toString("base64");
const prediction = { model_name: "model", prompt: "a red fox", image: { format: "PNG", b64: base64 } };
const answer = Buffer.from(JSON.stringify({ predictions: [prediction] }));
await listenPlain(serve);

async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
  await buffer(req);
  const body = req.method === "POST" ? answer : Buffer.from(JSON.stringify({ name: "model", ready: true }));
  res.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body);
}
