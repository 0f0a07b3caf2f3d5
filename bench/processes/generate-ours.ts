import { createApp } from "../../src/app/create-app.ts";
import { loadSettings } from "../../src/config/load-settings.ts";
import { configureLogging } from "../../src/logging/logger.ts";
import { drawPictures } from "./draw-pictures.ts";

// From the KServe wire to the stored file by our image service, as every transport calls it.
const [endpoint, folder] = process.argv.slice(2);
const { settings } = loadSettings({
  env: {
    KSERVE_ENDPOINT: endpoint,
    KSERVE_MODEL_NAME: "model",
    KSERVE_MAX_CONCURRENCY: "4",
    STORAGE_PATH: folder,
    PUBLIC_BASE_URL: "http://127.0.0.1",
    LOG_LEVEL: "ERROR",
  },
});
configureLogging({ service: settings.service.name, level: settings.service.logLevel });
await using app = createApp(settings, { version: "0.0.0" });

await drawPictures({
  draw: async () => {
    const { image_id, metadata } = await app.images.generate({ prompt: "a red fox", seed: 7 }, { clientId: "bench" });
    return { name: image_id, size: Number(metadata["size"]) };
  },
  remove: async (name) => void (await app.images.deleteImage(name)),
});
