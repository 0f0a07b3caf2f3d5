// Parts of mcp-image-server in routes of one's own: a Hono app that draws, shows and speaks MCP, on any runtime's fetch.
import { createMcpHandler } from "@modelcontextprotocol/server";
import { Hono } from "hono";
import { createApp, parseSettings, UNNAMED } from "mcp-image-server";

const settings = parseSettings({
  ...process.env,
  KSERVE_ENDPOINT: "embedded",
  PUBLIC_BASE_URL: "http://localhost:3000",
});
export const images = createApp(settings, { version: "1.0.0" });

export const hono = new Hono();

hono.post("/draw", async (context) => {
  const { prompt } = await context.req.json();
  const request = { prompt, width: 256, height: 256 };
  const picture = await images.images.generate(request, { clientId: "me" });
  return context.json(picture, 201);
});

hono.get("/images/:id", async (context) => {
  const image = await images.images.getImage(context.req.param("id"));
  if (image === undefined) return context.notFound();
  return context.body(image.imageData, 200, { "Content-Type": `image/${image.record.format}` });
});

// Who calls, and what they may do, is for this app to know; here everybody may do everything.
const mcp = createMcpHandler(({ era }) =>
  images.buildMcpServer({
    era,
    isLasting: false,
    clientId: "me",
    caller: () => ({ principal: UNNAMED, limitId: "me" }),
    mayManage: () => true,
  }),
);
hono.all("/mcp", async (context) => mcp.fetch(context.req.raw));
