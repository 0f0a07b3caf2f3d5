import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessPolicy } from "../src/access/access-policy.ts";
import { Secret } from "../src/core/secret.ts";
import { UrlSigner } from "../src/core/url-signer.ts";
import { configureLogging } from "../src/logging/logger.ts";
import { createFakeClock } from "../src/testing/fake-clock.ts";
import { MockStorage } from "../src/testing/mock-storage.ts";
import { drawTestPicture } from "../src/testing/test-picture.ts";
import { parseJson, startServer, type HttpAnswer, type TestServer } from "./http-support.ts";

const PICTURE = drawTestPicture({ prompt: "a cat", width: 640, height: 320 });
const signer = new UrlSigner([new Secret("k".repeat(32))]);
const BASE_URL = "https://images.example.com";

async function startSigned(options: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  const clock = createFakeClock();
  const storage = new MockStorage({ clock, baseUrl: BASE_URL });
  return startServer({ clock, storage, publicBaseUrl: BASE_URL, urlSigner: signer, ...options });
}

const pathOf = (url: unknown): string => String(url).slice(BASE_URL.length);
const errorOf = (answer: HttpAnswer): unknown[] => [answer.status, Reflect.get(Object(parseJson(answer)), "error")];

test("metadata and lists carry signed URLs, which give the picture and its thumbnails", async () => {
  await using server = await startSigned();
  const id = await server.save(PICTURE);
  const [listed] = parseJson(await server.get("/images/")) as { url: string }[];
  const metadata = parseJson(await server.get(`/images/${id}/metadata`)) as { url: string };
  assert.equal(listed?.url, metadata.url);
  const path = pathOf(metadata.url);
  assert.match(path, new RegExp(String.raw`^/images/${id}\?expires=\d+&signature=[\w-]{43}$`));
  for (let asked = 0; asked < 3; asked++) {
    const answer = await server.get(path);
    assert.deepEqual([answer.status, answer.body], [200, PICTURE]);
    assert.equal(answer.headers["cache-control"], "private, max-age=3600, immutable");
  }
  assert.equal((await server.call("HEAD", path)).status, 200);
  const thumbnail = await server.get(path.replace("?", "/thumbnail?size=64&"));
  assert.deepEqual([thumbnail.status, thumbnail.headers["content-type"]], [200, "image/webp"]);
  assert.match(thumbnail.headers["cache-control"] ?? "", /^private/);
  assert.equal((await server.get(`${path}&format=webp`)).headers["content-type"], "image/webp");
});

test("without a signature, with a wrong or with an expired one, a picture is 403 and says which", async () => {
  await using server = await startSigned();
  const [id, other] = [await server.save(PICTURE), await server.save(PICTURE)];
  const query = signer.sign(id, server.clock.nowMs() + 60_000);
  await server.get(`/images/${id}?${query}`); // is in memory now
  await server.get(`/images/${id}?${query}`);
  for (const path of [
    `/images/${id}`,
    `/images/${id}.png`,
    `/images/${id}/thumbnail`,
    `/images/${id}?format=webp`,
    `/images/${id}?${query}0`,
    `/images/${other}?${query}`,
    `/images/${other}/thumbnail?${query}`,
  ]) {
    const answer = await server.get(path);
    assert.deepEqual([path, ...errorOf(answer)], [path, 403, "url_signature_invalid"]);
    assert.equal(answer.headers["cache-control"], "no-store");
  }
  await server.clock.advance(60_000);
  assert.deepEqual(errorOf(await server.get(`/images/${id}?${query}`)), [403, "url_expired"]);
});

test("a signed URL holds no longer than its picture, nor longer than its own limit", async () => {
  await using server = await startSigned();
  const id = await server.save(PICTURE);
  const path = pathOf((parseJson(await server.get(`/images/${id}/metadata`)) as { url: string }).url);
  await server.clock.advance(3_599_000);
  assert.equal((await server.get(path)).headers["cache-control"], "private, max-age=1, immutable");
  await server.clock.advance(1_000);
  assert.deepEqual(errorOf(await server.get(path)), [403, "url_expired"]);

  await using lasting = await startSigned({ ttlSeconds: undefined });
  const kept = await lasting.save(PICTURE);
  const urlOf = async (): Promise<string> =>
    pathOf((parseJson(await lasting.get(`/images/${kept}/metadata`)) as { url: string }).url);
  const first = await urlOf();
  await lasting.clock.advance(60_000);
  assert.equal(await urlOf(), first);
  await lasting.clock.advance(86_400_000);
  assert.deepEqual(errorOf(await lasting.get(first)), [403, "url_expired"]);
  assert.equal((await lasting.get(await urlOf())).status, 200);
});

test("where callers say who they are, a signed URL opens its picture to whoever has it, and nothing else", async () => {
  const verifier = {
    verify: async (token: string) =>
      token === "right" ? { id: "alice", scopes: new Set(["images:read"] as const) } : undefined,
  };
  for (const sharing of ["private", "link", "shared"] as const) {
    await using server = await startSigned({ policy: new AccessPolicy({ verifier, sharing }) });
    const id = await server.save(PICTURE);
    const query = signer.sign(id, server.clock.nowMs() + 60_000);
    assert.equal((await server.get(`/images/${id}?${query}`)).status, 200);
    assert.equal((await server.get(`/images/${id}?${query}`, { authorization: "Bearer wrong" })).status, 200);
    assert.equal((await server.get(`/images/${id}`)).status, 401);
    assert.equal((await server.get(`/images/${id}/metadata?${query}`)).status, 401);
    const status = sharing === "shared" ? 200 : 404;
    assert.equal((await server.get(`/images/${id}`, { authorization: "Bearer right" })).status, status);
  }
});

test("signatures are in no log line", async () => {
  const lines: string[] = [];
  configureLogging({ service: "test", level: "DEBUG", destination: { write: (line) => void lines.push(line) } });
  await using server = await startSigned();
  const id = await server.save(PICTURE);
  const query = signer.sign(id, server.clock.nowMs() + 60_000);
  for (const path of [`/images/${id}?${query}`, `/images/${id}?${query}1`, `/images/${id}/thumbnail?${query}`]) {
    await server.get(path);
  }
  const [, signature = ""] = /signature=(.+)$/.exec(query) ?? [];
  assert.equal(
    lines.some((line) => line.includes(id)),
    true,
  );
  assert.equal(
    lines.some((line) => line.includes(signature)),
    false,
  );
});
