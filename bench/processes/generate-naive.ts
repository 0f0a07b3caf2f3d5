import { unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { drawPictures } from "./draw-pictures.ts";

// The shortest way to write it: no limits, no check of the picture, no marks, no durability.
const [endpoint, folder = ""] = process.argv.slice(2);
let count = 0;

await drawPictures({
  draw: async () => {
    const response = await fetch(`${endpoint}/v1/models/model:predict`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ instances: [{ prompt: "a red fox", seed: 7 }] }),
    });
    const answer = (await response.json()) as { predictions: [{ image: { b64: string } }] };
    const imageData = Buffer.from(answer.predictions[0].image.b64, "base64");
    const name = join(folder, `naive-${count++}.png`);
    await writeFile(name, imageData);
    return { name, size: imageData.length };
  },
  remove: unlink,
});
