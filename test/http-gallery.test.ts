import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { createImageId } from "../src/core/image-id.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import { startServer, type TestServer } from "./http-support.ts";

const HTML = { accept: "text/html" };
const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(2)'>`;

async function getPage(server: TestServer, path: string): Promise<string> {
  const answer = await server.get(path, HTML);
  assert.equal(answer.headers["content-type"], "text/html; charset=utf-8");
  return answer.body.toString();
}

test("the gallery and the pages of pictures allow nothing inline and nothing from elsewhere", async () => {
  await using server = await startServer();
  const id = await server.save();
  for (const path of ["/", `/gallery/${id}`, "/gallery/none"]) {
    const { headers, body } = await server.get(path, HTML);
    assert.equal(
      headers["content-security-policy"],
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    assert.doesNotMatch(
      body.toString(),
      /<script(?! type="module" src="\/assets\/)|<style|\sstyle=|\son\w+=|javascript:/,
    );
  }
});

test("hostile metadata is escaped wherever the pages show it", async () => {
  await using server = await startServer();
  const id = createImageId(server.clock.nowMs());
  await server.storage.saveImage(createSampleImage(), id, {
    prompt: HOSTILE,
    negative_prompt: HOSTILE,
    model_name: HOSTILE,
    warnings: [HOSTILE],
    width: HOSTILE,
    seed: { toString: HOSTILE },
    [HOSTILE]: HOSTILE,
  });
  for (const path of ["/", `/gallery/${id}`]) {
    const page = await getPage(server, path);
    assert.doesNotMatch(page, /<script>|<img src=x|"><script|onerror='/);
    assert.ok(page.includes("&quot;&gt;&lt;script&gt;alert(1)"));
  }
});

test("links of the gallery stay below the path of the public base", async () => {
  await using server = await startServer({ publicBaseUrl: "https://example.com/pictures" });
  const id = await server.save();
  for (const path of ["/pictures/", `/pictures/gallery/${id}`]) {
    const page = await getPage(server, path);
    const links = [...page.matchAll(/(?:href|src|data-base)="([^"]*)"/g)].map(([, link = ""]) => link);
    assert.deepEqual(
      links.filter((link) => !/^(?:\/pictures|#)/.test(link)),
      [],
    );
    assert.ok(links.length > 5);
  }
  assert.equal((await server.get("/pictures/assets/gallery.css")).status, 200);
});

test("the gallery gives 48 pictures and a link to the next page, and refuses a cursor that no page gave", async () => {
  await using server = await startServer();
  for (let count = 0; count < 49; count++) {
    await server.save(createSampleImage(100 + count));
    await server.clock.advance(1000);
  }
  const first = await server.get("/", HTML);
  assert.equal(first.body.toString().match(/data-id=/g)?.length, 48);
  const [, next = ""] = /^<(.+)>; rel="next"$/.exec(String(first.headers["link"])) ?? [];
  assert.match(next, /^\/\?cursor=img_/);
  assert.equal((await getPage(server, next)).match(/data-id=/g)?.length, 1);
  const refused = await server.get("/?cursor=../..", HTML);
  assert.equal(refused.status, 400);
  assert.match(refused.body.toString(), /cursor that no page gave/);
});

test("the page of a picture that is unknown or expired is a page with status 404", async () => {
  await using server = await startServer();
  const id = await server.save();
  await server.clock.advance(3_600_000);
  for (const path of [`/gallery/${id}`, "/gallery/none", "/gallery/%2e%2e"]) {
    const answer = await server.get(path, HTML);
    assert.equal(answer.status, 404);
    assert.match(answer.body.toString(), /This picture is gone/);
  }
});

test("assets are revalidated by their tag and packed for those who unpack", async () => {
  await using server = await startServer();
  const plain = await server.get("/assets/gallery.css");
  assert.equal(plain.headers["content-type"], "text/css; charset=utf-8");
  assert.equal(plain.headers["cache-control"], "no-cache");
  const packed = await server.get("/assets/gallery.css", { "accept-encoding": "br, gzip;q=0.5" });
  assert.equal(packed.headers["content-encoding"], "gzip");
  assert.deepEqual(gunzipSync(packed.body), plain.body);
  const refused = await server.get("/assets/gallery.css", { "accept-encoding": "gzip;q=0" });
  assert.equal(refused.headers["content-encoding"], undefined);
  const again = await server.get("/assets/gallery.css", { "if-none-match": String(plain.headers.etag) });
  assert.deepEqual([again.status, again.body.length], [304, 0]);
  for (const name of ["package.json", "..%2f..%2fpackage.json", "constructor", "toString"]) {
    assert.equal((await server.get(`/assets/${name}`)).status, 404, name);
  }
});

test("pages are packed as well", async () => {
  await using server = await startServer();
  const answer = await server.get("/", { ...HTML, "accept-encoding": "gzip" });
  assert.equal(answer.headers["content-encoding"], "gzip");
  assert.match(gunzipSync(answer.body).toString(), /^<!doctype html>/);
});
