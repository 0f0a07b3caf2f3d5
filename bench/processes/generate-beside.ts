import { readFile, writeFile } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createApp } from "../../src/app/create-app.ts";
import { loadSettings } from "../../src/config/load-settings.ts";
import { configureLogging } from "../../src/logging/logger.ts";
import { answerLines, repeat, tell } from "./line-server.ts";

// The whole server: pictures are generated in it as every transport does, while others ask it for one over HTTP.
const [endpoint, folder, concurrency] = process.argv.slice(2);
const { settings } = loadSettings({
  env: {
    HOST: "127.0.0.1",
    PORT: "0",
    KSERVE_ENDPOINT: endpoint,
    KSERVE_MODEL_NAME: "model",
    KSERVE_PROTOCOL: "v1",
    KSERVE_MAX_CONCURRENCY: concurrency,
    STORAGE_PATH: folder,
    LOG_LEVEL: "ERROR",
  },
});
configureLogging({ service: settings.service.name, level: settings.service.logLevel });
await using app = createApp(settings, { version: "0.0.0" });
const url = await app.listen();
const loopDelay = monitorEventLoopDelay({ resolution: 1 });
loopDelay.enable();

const draw = async (): Promise<string> => {
  const { image_id: id } = await app.images.generate({ prompt: "a red fox", seed: 7 }, { clientId: "bench" });
  return id;
};
tell({ url });
await answerLines(async (message) => {
  const ids: string[] = [];
  if (message["watch"] === true) {
    loopDelay.reset();
    // Sets the mark of the highest memory to what is held now: proc(5).
    await writeFile("/proc/self/clear_refs", "5");
    return { residentBytes: await readStatus("VmRSS") };
  }
  if (message["report"] === true) return { loopDelayMs: loopDelay.max / 1e6, peakBytes: await readStatus("VmHWM") };
  await repeat(Number(message["count"]), Number(message["concurrency"]), async () => void ids.push(await draw()));
  const kept = message["keeps"] === true ? ids : [];
  if (kept.length === 0) for (const id of ids) await app.images.deleteImage(id);
  return { ids: kept };
});

async function readStatus(name: string): Promise<number> {
  const [, kibibytes] =
    new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(await readFile("/proc/self/status", "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}
