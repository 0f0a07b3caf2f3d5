import { closeSync, fstatSync, openSync, read, statSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { listenPlain } from "./listen-plain.ts";

// What nobody can save who sends files with `node:http`: no router, no access, no metadata, no limits. A name is looked up
// once, its file read into memory that is used again, and sent with as many headers as ours.
const [folder = ""] = process.argv.slice(2);
const HEADERS = [
  "ETag",
  `"${"0".repeat(64)}"`,
  "Last-Modified",
  "Sun, 01 Mar 2026 00:00:00 GMT",
  "Accept-Ranges",
  "bytes",
];
const SHARED = ["X-Request-Id", "AAAAAAAAAAAA-1", "Cache-Control", "public, max-age=3599, immutable", "Vary", "Origin"];
const POLICIES = ["X-Content-Type-Options", "nosniff", "Referrer-Policy", "no-referrer", "X-Frame-Options", "DENY"];
const PICTURE = [
  "Cross-Origin-Resource-Policy",
  "cross-origin",
  "Content-Security-Policy",
  "default-src 'none'; sandbox",
];
const COMMON = [...SHARED, ...POLICIES, ...PICTURE];
const NOT_FOUND = JSON.stringify({
  error: "image_not_found",
  message: "There is no image with this id; it may have expired",
});

const readBytes = promisify(read);
const free: Buffer[] = [];

await listenPlain(async ({ url = "" }, response) => {
  const path = join(folder, url.slice("/images/".length));
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    response.writeHead(404, [...COMMON, "Content-Length", String(NOT_FOUND.length)]);
    response.end(NOT_FOUND);
    return;
  }
  const fd = openSync(path, "r");
  const { size } = fstatSync(fd);
  const memory = take(size);
  await readBytes(fd, memory, 0, size, 0);
  closeSync(fd);
  response.writeHead(200, [...COMMON, ...HEADERS, "Content-Type", "image/png", "Content-Length", String(size)]);
  response.end(memory);
  giveBack(memory, response);
});

function take(size: number): Buffer {
  const index = free.findLastIndex(({ length }) => length === size);
  return (index === -1 ? undefined : free.splice(index, 1)[0]) ?? Buffer.allocUnsafeSlow(size);
}

function giveBack(memory: Buffer, response: ServerResponse): void {
  if (response.writableLength === 0) free.push(memory);
  else response.once("close", () => free.push(memory));
}
