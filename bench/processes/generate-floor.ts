import { hash } from "node:crypto";
import { once } from "node:events";
import { open, rename, unlink, writeFile } from "node:fs/promises";
import { Agent, request as startRequest } from "node:http";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { drawPictures } from "./draw-pictures.ts";

// What nobody can save: the answer is received and dropped; as many bytes as a picture has are written and renamed.
// "durable": what a store cannot save either. The bytes have their checksum and their hash, and file and folder are flushed.
const [endpoint, folder = "", kind] = process.argv.slice(2);
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
    if (kind === "durable") await writeDurably(name);
    else {
      await writeFile(`${name}.tmp`, picture);
      await rename(`${name}.tmp`, name);
    }
    return { name, size };
  },
  remove: unlink,
});
agent.destroy();

async function writeDurably(name: string): Promise<void> {
  const facts = { crc: crc32(picture), sha256: hash("sha256", picture, "hex") };
  await writeAndFlush(`${name}.json`, Buffer.from(JSON.stringify(facts)));
  await writeAndFlush(name, picture);
  const directory = await open(folder);
  await directory.sync();
  await directory.close();
  await unlink(`${name}.json`);
}

async function writeAndFlush(name: string, bytes: Buffer): Promise<void> {
  const file = await open(`${name}.tmp`, "wx");
  await file.write(bytes);
  await file.datasync();
  await file.close();
  await rename(`${name}.tmp`, name);
}
