// Everything of mcp-image-server below /pictures of an Express server: MCP, pictures, the gallery.
import express from "express";
import { createApp, parseSettings } from "mcp-image-server";

const port = Number(process.env.PORT ?? 3000);
const settings = parseSettings({
  ...process.env,
  KSERVE_ENDPOINT: "embedded",
  PUBLIC_BASE_URL: `http://localhost:${port}/pictures`,
});
const images = createApp(settings, { version: "1.0.0" });

const app = express();
app.get("/", (_request, response) => response.send('My own page, and <a href="/pictures/">pictures</a>'));
// Before anything that reads bodies, such as express.json().
app.use("/pictures", images.handle);

images.cleanup.start();
const server = app.listen(port, () => console.log(`http://localhost:${port}/pictures/mcp`));

const stop = async () => {
  server.close();
  await images.close();
};
process.once("SIGTERM", () => void stop());
