import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Secret } from "../src/core/secret.ts";
import { S3Storage } from "../src/storage/s3-storage.ts";
import { FAKE_S3_ACCESS_KEY_ID, FAKE_S3_SECRET_ACCESS_KEY, startFakeS3Server } from "../src/testing/fake-s3-server.ts";
import { createFakeClock } from "../src/testing/fake-clock.ts";
import { drawTestPicture } from "../src/testing/test-picture.ts";
import { parseJson, startServer, type TestServer } from "./http-support.ts";

const PICTURE = drawTestPicture({ prompt: "a cat", width: 64, height: 64 });
const TTL_SECONDS = 3_600;

async function startOnS3(t: TestContext, urlMode: "redirect" | "presigned"): Promise<TestServer> {
  const clock = createFakeClock({ nowMs: Date.now() });
  const s3 = await startFakeS3Server({ buckets: ["pictures"] });
  t.after(async () => s3.close());
  const storage = new S3Storage({
    bucket: "pictures",
    prefix: "mcp/",
    endpointUrl: s3.url,
    accessKeyId: FAKE_S3_ACCESS_KEY_ID,
    secretAccessKey: new Secret(FAKE_S3_SECRET_ACCESS_KEY),
    baseUrl: "https://images.example.com",
    clock,
  });
  t.after(async () => storage.close());
  const server = await startServer({ clock, storage, urlMode, ttlSeconds: TTL_SECONDS });
  t.after(async () => server[Symbol.asyncDispose]());
  return server;
}

const secondsOf = (url: string): number => Number(new URL(url).searchParams.get("X-Amz-Expires"));

test("with IMAGE_URL_MODE=redirect URLs are ours, and lead to an address in the bucket that ends with the picture", async (t) => {
  const server = await startOnS3(t, "redirect");
  const id = await server.save(PICTURE);
  const { url } = parseJson(await server.get(`/images/${id}/metadata`)) as { url: string };
  assert.equal(url, `https://images.example.com/images/${id}`);
  for (const method of ["GET", "HEAD"]) {
    const answer = await server.call(method, `/images/${id}`);
    assert.deepEqual([answer.status, answer.body.length], [302, 0]);
    assert.match(answer.headers["cache-control"] ?? "", /^private, max-age=(3600|359\d), immutable$/);
    const location = answer.headers.location ?? "";
    assert.ok(secondsOf(location) <= TTL_SECONDS && secondsOf(location) > TTL_SECONDS - 10);
    const picture = await fetch(location);
    assert.deepEqual(Buffer.from(await picture.arrayBuffer()), PICTURE);
  }
  assert.equal((await server.get(`/images/${id}.jpg`)).status, 404);
  const { sha256 } = parseJson(await server.get(`/images/${id}/metadata`)) as { sha256: string };
  assert.equal((await server.get(`/images/${id}`, { "if-none-match": `"${sha256}"` })).status, 304);
  assert.equal((await server.get(`/images/${id}`, { "if-match": '"other"' })).status, 412);
  assert.equal((await server.get(`/images/${id}/thumbnail`)).status, 200);
});

test("a redirect never outlives its picture, and an unknown or expired picture is 404", async (t) => {
  const server = await startOnS3(t, "redirect");
  const id = await server.save(PICTURE);
  await server.clock.advance((TTL_SECONDS - 5) * 1000);
  const seconds = secondsOf((await server.get(`/images/${id}`)).headers.location ?? "");
  assert.ok(seconds <= 5, String(seconds));
  await server.clock.advance(5_000);
  assert.equal((await server.get(`/images/${id}`)).status, 404);
  assert.equal((await server.get(`/images/${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}`)).status, 404);
});

test("with IMAGE_URL_MODE=presigned lists and metadata carry the address in the bucket", async (t) => {
  const server = await startOnS3(t, "presigned");
  const id = await server.save(PICTURE);
  const [listed] = parseJson(await server.get("/images/")) as { url: string }[];
  const { url } = parseJson(await server.get(`/images/${id}/metadata`)) as { url: string };
  for (const address of [url, listed?.url ?? ""]) {
    assert.ok(secondsOf(address) <= TTL_SECONDS);
    const picture = await fetch(address);
    assert.deepEqual(Buffer.from(await picture.arrayBuffer()), PICTURE);
  }
  assert.equal((await server.get(`/images/${id}`)).status, 302);
});

test("the gallery may show pictures of the bucket where that serves them, and of nobody else", async (t) => {
  for (const mode of ["redirect", "presigned"] as const) {
    const server = await startOnS3(t, mode);
    const id = await server.save(PICTURE);
    const { location = "" } = (await server.get(`/images/${id}`)).headers;
    for (const path of ["/", `/gallery/${id}`]) {
      const { headers } = await server.get(path, { accept: "text/html" });
      const [, sources] = /img-src ([^;]+);/.exec(String(headers["content-security-policy"])) ?? [];
      assert.equal(sources, `'self' ${new URL(location).origin}`);
    }
  }
});
