import assert from "node:assert/strict";
import { test } from "node:test";
import sharp from "sharp";
import { createImageId } from "../src/core/image-id.ts";
import { PictureConverter } from "../src/images/picture-converter.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import { drawTestPicture } from "../src/testing/test-picture.ts";
import { parseJson, startServer } from "./http-support.ts";

const PICTURE = drawTestPicture({ prompt: "a cat", width: 640, height: 320 });

test("GET /images/{id}/thumbnail gives a WebP of 256 pixels, or what size and format say", async () => {
  await using server = await startServer();
  const id = await server.save(PICTURE);
  for (const [query, width, height, format, extension] of [
    ["", 256, 128, "webp", "webp"],
    ["?size=64", 64, 32, "webp", "webp"],
    ["?size=1024&format=jpeg", 640, 320, "jpeg", "jpg"],
    ["?format=png", 256, 128, "png", "png"],
  ] as const) {
    const { status, headers, body } = await server.get(`/images/${id}/thumbnail${query}`);
    assert.deepEqual([status, headers["content-type"]], [200, `image/${format}`]);
    assert.equal(headers["content-length"], String(body.length));
    assert.equal(headers["cache-control"], "public, max-age=3600, immutable");
    assert.equal(headers["content-security-policy"], "default-src 'none'; sandbox");
    assert.match(headers["content-disposition"] ?? "", new RegExp(String.raw`"${id}-\d+\.${extension}"$`));
    const made = await sharp(body).metadata();
    assert.deepEqual([made.width, made.height, made.format], [width, height, format]);
  }
});

test("GET /images/{id}?format=webp converts a picture, and gives one of that format as it is stored", async () => {
  await using server = await startServer();
  const id = await server.save(PICTURE);
  for (const path of [`/images/${id}?format=webp`, `/images/${id}.png?format=webp`]) {
    const { headers, body } = await server.get(path);
    assert.deepEqual([headers["content-type"], (await sharp(body).metadata()).width], ["image/webp", 640]);
    assert.equal(headers["content-disposition"], `inline; filename="${id}.webp"`);
  }
  assert.equal((await server.get(`/images/${id}.jpg?format=webp`)).status, 404);
  const stored = await server.get(`/images/${id}?format=png`);
  assert.deepEqual(stored.body, PICTURE);
  assert.deepEqual((await server.get(`/images/${id}?other=1`)).body, PICTURE);
});

test("thumbnails answer conditions without being made, and HEAD without a body", async () => {
  let made = 0;
  const converter = new PictureConverter();
  await using server = await startServer({
    converter: {
      isAvailable: async () => true,
      convert: async (load, request) => {
        made++;
        return converter.convert(load, request);
      },
    },
  });
  const id = await server.save(PICTURE);
  const path = `/images/${id}/thumbnail?size=64`;
  const head = await server.call("HEAD", path);
  assert.deepEqual([head.status, head.body.length, Number(head.headers["content-length"]) > 0], [200, 0, true]);
  const etag = head.headers.etag ?? "";
  assert.match(etag, /^W\/"[0-9a-f]{64}-64-webp"$/);
  for (const [headers, status] of [
    [{ "if-none-match": etag }, 304],
    [{ "if-none-match": '"other"' }, 200],
    [{ "if-modified-since": head.headers["last-modified"] ?? "" }, 304],
    [{ "if-match": etag }, 412],
    [{ range: "bytes=0-9" }, 200],
  ] as const) {
    assert.equal((await server.call("GET", path, { ...headers })).status, status);
  }
  assert.equal((await server.get(`/images/${id}/thumbnail`, { "if-none-match": etag })).status, 200);
  assert.equal(made, 2);
});

test("many who ask for one thumbnail have it made once", async () => {
  let made = 0;
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  await using server = await startServer({
    converter: {
      isAvailable: async () => true,
      convert: async () => {
        made++;
        return promise;
      },
    },
  });
  const id = await server.save(PICTURE);
  const asking = Array.from({ length: 20 }, async () => server.get(`/images/${id}/thumbnail`));
  resolve(Buffer.from("small"));
  for (const { status, body } of await Promise.all(asking)) assert.deepEqual([status, String(body)], [200, "small"]);
  assert.equal(made, 1);
});

test("a thumbnail of a picture that is unknown, deleted or expired is 404 image_not_found", async () => {
  await using server = await startServer();
  const id = await server.save(PICTURE);
  const other = await server.save(drawTestPicture({ prompt: "a dog" }));
  for (const one of [id, other]) assert.equal((await server.get(`/images/${one}/thumbnail`)).status, 200);
  await server.call("DELETE", `/images/${id}`);
  for (const path of [
    `/images/${id}/thumbnail`,
    `/images/${createImageId(0)}/thumbnail`,
    "/images/no-id/thumbnail",
    `/images/${other}.png/thumbnail`,
    "/images/..%2f/thumbnail",
  ]) {
    const answer = await server.get(path);
    assert.deepEqual(
      [path, answer.status, Reflect.get(Object(parseJson(answer)), "error")],
      [path, 404, "image_not_found"],
    );
  }
  await server.clock.advance(3_600_000);
  assert.equal((await server.get(`/images/${other}/thumbnail`)).status, 404);
});

test("a wrong size or format is 400 and names what is allowed", async () => {
  await using server = await startServer();
  const id = await server.save(PICTURE);
  for (const [path, field, value, allowed] of [
    ["thumbnail?size=0", "size", "0", ["64", "128", "256", "512", "1024"]],
    ["thumbnail?size=257", "size", "257", ["64", "128", "256", "512", "1024"]],
    ["thumbnail?size=", "size", "", ["64", "128", "256", "512", "1024"]],
    ["thumbnail?size=64&size=64", "size", "64,64", ["only one of it"]],
    ["thumbnail?format=avif", "format", "avif", ["webp", "jpeg", "png"]],
    ["?format=svg", "format", "svg", ["webp", "jpeg", "png"]],
  ] as const) {
    const answer = await server.get(`/images/${id}${path.startsWith("?") ? path : `/${path}`}`);
    assert.equal(answer.status, 400);
    assert.deepEqual(Reflect.get(Object(parseJson(answer)), "details"), { field, value, allowed });
  }
});

test("without sharp a thumbnail is 501 and says what to install, and pictures are served all the same", async () => {
  const loadSharp = async (): Promise<never> => Promise.reject(new Error("Cannot find package 'sharp'"));
  await using server = await startServer({ converter: new PictureConverter({ loadSharp }) });
  const id = await server.save(PICTURE);
  const answer = await server.get(`/images/${id}/thumbnail`);
  assert.equal(answer.status, 501);
  assert.match(String(answer.body), /thumbnails_unavailable.*sharp/);
  assert.equal((await server.get(`/images/${id}`)).status, 200);
});

test("a stored file that is no whole picture is 422 thumbnail_failed", async () => {
  await using server = await startServer();
  const id = await server.save(createSampleImage(2_000));
  const answer = await server.get(`/images/${id}/thumbnail`);
  assert.deepEqual([answer.status, answer.headers["cache-control"]], [422, "no-store"]);
});
