import { createApp } from "../../src/app/create-app.ts";
import { loadSettings } from "../../src/config/load-settings.ts";
import { configureLogging } from "../../src/logging/logger.ts";
import { answerLines, repeat, tell } from "./line-server.ts";

// The whole server with the built-in engine: pictures are drawn in it, while others ask it how it is.
const { settings } = loadSettings({
  env: { HOST: "127.0.0.1", PORT: "0", KSERVE_ENDPOINT: "embedded", STORAGE_PATH: process.argv[2], LOG_LEVEL: "ERROR" },
});
configureLogging({ service: settings.service.name, level: settings.service.logLevel });
await using app = createApp(settings, { version: "0.0.0" });
tell({ url: await app.listen() });
await answerLines(async (message) => {
  await repeat(Number(message["count"]), 1, async () => {
    const { image_id: id } = await app.images.generate({ prompt: "the sea at sunset" }, { clientId: "bench" });
    await app.images.deleteImage(id);
  });
  return {};
});
