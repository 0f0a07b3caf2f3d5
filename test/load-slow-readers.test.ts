import assert from "node:assert/strict";
import { link, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createImageId } from "../src/core/image-id.ts";
import { FileStorage } from "../src/storage/file-storage.ts";
import { createFakeClock } from "../src/testing/fake-clock.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import { startServer } from "./http-support.ts";
import { IS_PROOF, report } from "./support/loaded-server.ts";

const MIB = 1024 * 1024;
const READERS = IS_PROOF ? 200 : 50;
/** More than the system itself takes from a server before the client reads. */
const PICTURE_BYTES = 8_000_000;
const ALLOWED_BYTES = 64 * MIB;
const SETTLE_MS = 500;

test(`${READERS} slow readers of as many pictures take less than ${ALLOWED_BYTES / MIB} MiB`, async () => {
  const root = await mkdtemp(join(tmpdir(), "slow-readers-"));
  const clock = createFakeClock();
  const storage = new FileStorage({ basePath: root, baseUrl: "", clock });
  try {
    await using server = await startServer({ storage, clock });
    const picture = createSampleImage(PICTURE_BYTES);
    const ids = await storeMany(storage, picture, clock.nowMs());
    const before = process.memoryUsage();
    const sockets = await Promise.all(ids.map(async (id) => startSlowReader(server.port, `/images/${id}`)));
    await delay(SETTLE_MS);
    const { arrayBuffers, rss } = process.memoryUsage();
    const takenBytes = arrayBuffers - before.arrayBuffers;
    report(
      `${READERS} slow readers of pictures of ${PICTURE_BYTES / 1e6} MB: ${(takenBytes / MIB).toFixed(1)} MiB of ` +
        `buffers, ${((rss - before.rss) / MIB).toFixed(1)} MiB of resident memory, clients included`,
    );
    assert.ok(takenBytes < ALLOWED_BYTES, `${takenBytes} bytes`);

    const answer = await server.get(`/images/${ids.at(-1)}`);
    assert.deepEqual(answer.body, picture);

    for (const socket of sockets) socket.destroy();
    while ((await countOpenFiles(root)) > 0) await delay(10);
  } finally {
    await storage.close();
    await rm(root, { recursive: true });
  }
});

/** One picture under many ids: its file once more under other names, to spare the disk. */
async function storeMany(storage: FileStorage, picture: Buffer, createdAtMs: number): Promise<string[]> {
  const first = createImageId(createdAtMs);
  const path = await storage.saveImage(picture, first, {});
  const record = await readFile(path.replace(/png$/, "json"), "utf8");
  const others = Array.from({ length: READERS - 1 }, () => createImageId(createdAtMs));
  for (const id of others) {
    await writeFile(join(dirname(path), `${id}.json`), record.replace(first, id));
    await link(path, join(dirname(path), `${id}.png`));
  }
  return [first, ...others];
}

/** Resolves when the answer has begun; reads no more than that. */
async function startSlowReader(port: number, path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      onread: {
        buffer: Buffer.alloc(1024),
        callback: () => {
          resolve(socket);
          return false;
        },
      },
    });
    socket.on("error", reject);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  });
}

/** Files below the folder that this process has open; 0 where the system does not tell. */
async function countOpenFiles(folder: string): Promise<number> {
  const links = await readdir("/proc/self/fd").catch(() => []);
  const paths = await Promise.all(links.map(async (link) => readlink(`/proc/self/fd/${link}`).catch(() => "")));
  return paths.filter((path) => path.startsWith(folder)).length;
}
