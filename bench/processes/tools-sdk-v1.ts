import type { IncomingMessage, ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { describeGenerateImage } from "../../src/mcp/generate-image-description.ts";
import {
  GenerateImageParams,
  GenerateImageResponse,
  toGenerateImageRequest,
} from "../../src/images/generate-image-params.ts";
import { ImageResults } from "../../src/mcp/image-results.ts";
import { loadSdkV1, type SdkV1Server } from "../sdk-v1.ts";
import { createInstantApp } from "./instant-app.ts";
import { listenPlain } from "./listen-plain.ts";

// SDK v1 as its stateless example has it: a server and a transport per request, the body parsed beforehand.
const { McpServer, StreamableHTTPServerTransport } = await loadSdkV1();
const { images } = await createInstantApp();
const description = describeGenerateImage("stable-diffusion", images.ttlSeconds);
await listenPlain(serve);

async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await json(req);
  const server = createServer();
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  res.on("close", () => {
    void transport.close();
    void server.close();
  });
  await server.connect(transport);
  await transport.handleRequest(req, res, body);
}

function createServer(): SdkV1Server {
  const server = new McpServer({ name: "mcp-image-server", version: "0.0.0" }, { capabilities: { tools: {} } });
  server.registerTool(
    "generate_image",
    {
      title: "Generate image",
      description,
      inputSchema: GenerateImageParams.shape,
      outputSchema: GenerateImageResponse.shape,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    },
    async (params, { signal }) =>
      new ImageResults().toImageResult(
        await images.generate(toGenerateImageRequest(params), { clientId: "bench", signal }),
      ),
  );
  return server;
}
