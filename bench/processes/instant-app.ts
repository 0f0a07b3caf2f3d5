import { createApp, type App } from "../../src/app/create-app.ts";
import type { Generator } from "../../src/app/create-generator.ts";
import { loadSettings } from "../../src/config/load-settings.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { SavedImage } from "../../src/storage/abstract-storage.ts";
import { configureLogging } from "../../src/logging/logger.ts";
import { MockKServeClient } from "../../src/testing/mock-kserve-client.ts";
import { MockStorage } from "../../src/testing/mock-storage.ts";

const MAX_KEPT = 1000;

/** Memory that grows with every call would let the garbage collector decide who is faster. */
class ForgetfulStorage extends MockStorage {
  override async storeImage(imageData: Uint8Array, imageId: string, metadata: JsonObject): Promise<SavedImage> {
    const [oldest] = this.images.keys();
    if (oldest !== undefined && this.images.size >= MAX_KEPT) await this.deleteImage(oldest);
    return super.storeImage(imageData, imageId, metadata);
  }
}

/** The whole server with a model that draws at once and a storage in memory. Errors alone are logged. */
export async function createInstantApp(): Promise<App> {
  const { settings } = loadSettings({
    env: { HOST: "127.0.0.1", PORT: "0", KSERVE_ENDPOINT: "http://model.invalid", LOG_LEVEL: "ERROR" },
  });
  configureLogging({ service: settings.service.name, level: settings.service.logLevel });
  return createApp(settings, {
    version: "0.0.0",
    overrides: { generator: await createInstantGenerator(), storage: new ForgetfulStorage() },
  });
}

async function createInstantGenerator(): Promise<Generator> {
  const client = new MockKServeClient();
  // Drawn once: the drawing is not what is measured.
  const image = await client.generateImage({ prompt: "a red fox", width: 64, height: 64, seed: 7 });
  const close = async (): Promise<void> => client.close();
  return {
    images: {
      generateImage: async () => image,
      healthCheck: async () => true,
    },
    modelName: () => "stable-diffusion",
    warmUp: async () => undefined,
    close,
    [Symbol.asyncDispose]: close,
  };
}
