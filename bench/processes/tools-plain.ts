import type { IncomingMessage, ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { GenerateImageParams, toGenerateImageRequest } from "../../src/images/generate-image-params.ts";
import { createInstantApp } from "./instant-app.ts";
import { listenPlain } from "./listen-plain.ts";

// What is left without MCP: bare node:http, the same check of the arguments, the same image service.
const { images } = await createInstantApp();
await listenPlain(serve);

async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = (await json(req)) as { readonly params: { readonly arguments: unknown } };
  const request = toGenerateImageRequest(GenerateImageParams.parse(body.params.arguments));
  const answer = Buffer.from(JSON.stringify(await images.generate(request, { clientId: "bench" })));
  res.writeHead(200, { "content-type": "application/json", "content-length": answer.length }).end(answer);
}
