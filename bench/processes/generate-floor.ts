import { once } from "node:events";
import { rename, unlink, writeFile } from "node:fs/promises";
import { Agent, request as startRequest } from "node:http";
import { join } from "node:path";
import { drawPictures } from "./draw-pictures.ts";

// What nobody can save: the answer is received and dropped; as many bytes as a picture has are written and renamed.
const [endpoint, folder = ""] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });
const body = JSON.stringify({ instances: [{ prompt: "a red fox", seed: 7 }] });
const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
let picture = Buffer.alloc(0);
let count = 0;

await drawPictures({
  draw: async () => {
    const request = startRequest(`${endpoint}/v1/models/model:predict`, { agent, method: "POST", headers });
    request.end(body);
    const [response] = await once(request, "response");
    let received = 0;
    response.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    await once(response, "end");
    const size = Math.floor((received / 4) * 3);
    if (picture.length !== size) picture = Buffer.alloc(size, 1);
    const name = join(folder, `floor-${count++}.png`);
    await writeFile(`${name}.tmp`, picture);
    await rename(`${name}.tmp`, name);
    return { name, size };
  },
  remove: unlink,
});
agent.destroy();
