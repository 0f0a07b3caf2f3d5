// Everything of mcp-image-server below /pictures of a Fastify server: MCP, pictures, the gallery.
import Fastify from "fastify";
import { createApp, parseSettings } from "mcp-image-server";

const port = Number(process.env.PORT ?? 3000);
const settings = parseSettings({
  ...process.env,
  KSERVE_ENDPOINT: "embedded",
  PUBLIC_BASE_URL: `http://localhost:${port}/pictures`,
});
const images = createApp(settings, { version: "1.0.0" });

const fastify = Fastify();
fastify.get("/", async () => ({ hello: "world" }));
fastify.register(async (pictures) => {
  // Bodies are read by mcp-image-server, with its own limits.
  pictures.removeAllContentTypeParsers();
  pictures.addContentTypeParser("*", (_request, _body, done) => done(null));
  const handle = (request, reply) => {
    reply.hijack();
    images.handle(request.raw, reply.raw);
  };
  pictures.all("/pictures", handle);
  pictures.all("/pictures/*", handle);
});

images.cleanup.start();
await fastify.listen({ port });
console.log(`http://localhost:${port}/pictures/mcp`);

const stop = async () => {
  await fastify.close();
  await images.close();
};
process.once("SIGTERM", () => void stop());
