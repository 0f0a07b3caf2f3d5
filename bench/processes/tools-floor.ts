import type { IncomingMessage, ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import {
  GenerateImageParams,
  GenerateImageResponse,
  toGenerateImageRequest,
} from "../../src/images/generate-image-params.ts";
import { memoSchema } from "../../src/mcp/advertised-schema.ts";
import { describeGenerateImage } from "../../src/mcp/generate-image-description.ts";
import { ImageResults } from "../../src/mcp/image-results.ts";
import { createInstantApp } from "./instant-app.ts";
import { listenPlain } from "./listen-plain.ts";

// The least that the SDK asks of a server of the newer era: one tool, schemas converted once, an adapter by hand, the
// body parsed beforehand; no guard, no sessions, no limits, no progress.
const { images } = await createInstantApp();
const results = new ImageResults();
const config = {
  title: "Generate image",
  description: describeGenerateImage("stable-diffusion", images.ttlSeconds),
  inputSchema: memoSchema(GenerateImageParams),
  outputSchema: memoSchema(GenerateImageResponse),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
};
const handler = createMcpHandler(
  () => {
    const server = new McpServer({ name: "mcp-image-server", version: "0.0.0" });
    server.registerTool("generate_image", config, async (params, { mcpReq: { signal } }) =>
      results.toImageResult(await images.generate(toGenerateImageRequest(params), { clientId: "bench", signal })),
    );
    return server;
  },
  { legacy: "reject" },
);
await listenPlain(serve);

async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const parsedBody = await json(req);
  const headers = Object.entries(req.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const request = new Request("http://mcp.invalid/mcp", { method: "POST", headers });
  const response = await handler.fetch(request, { parsedBody });
  const body = Buffer.from(await response.arrayBuffer());
  res.writeHead(response.status, { ...Object.fromEntries(response.headers), "content-length": body.length }).end(body);
}
