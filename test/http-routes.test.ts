import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { StorageError } from "../src/core/errors.ts";
import { createImageId } from "../src/core/image-id.ts";
import { listRoutes } from "../src/http/route-table.ts";
import type { AbstractStorage } from "../src/storage/abstract-storage.ts";
import { FileStorage } from "../src/storage/file-storage.ts";
import { createFakeClock, type FakeClock } from "../src/testing/fake-clock.ts";
import { MockStorage } from "../src/testing/mock-storage.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import { drawTestPicture } from "../src/testing/test-picture.ts";
import { assertError, parseJson, startServer, type HttpAnswer, type TestServer } from "./http-support.ts";

const BASE_URL = "https://pictures.example.com/base";
const UNKNOWN = createImageId(Date.UTC(2026, 0, 1));

interface StorageKind {
  readonly name: string;
  readonly create: (clock: FakeClock) => Promise<AbstractStorage & { remove?(): Promise<void> }>;
}

const STORAGES: readonly StorageKind[] = [
  { name: "MockStorage", create: async (clock) => new MockStorage({ clock, baseUrl: BASE_URL }) },
  {
    name: "FileStorage",
    create: async (clock) => {
      const basePath = await mkdtemp(join(tmpdir(), "http-routes-"));
      const storage = new FileStorage({ basePath, baseUrl: BASE_URL, clock });
      return Object.assign(storage, { remove: async () => rm(basePath, { recursive: true }) });
    },
  },
];

for (const { name, create } of STORAGES) {
  describe(`The routes over ${name}`, () => {
    const withServer = async (work: (server: TestServer) => Promise<void>, options = {}): Promise<void> => {
      const clock = createFakeClock();
      const storage = await create(clock);
      const server = await startServer({ storage, clock, publicBaseUrl: BASE_URL, ...options });
      try {
        await work(server);
      } finally {
        await server[Symbol.asyncDispose]();
        await storage.close();
        await storage.remove?.();
      }
    };

    // Proves: HTTP-1, HTTP-12
    test("GET /images/{id} gives the stored bytes with the type of their format, with or without its extension", async () =>
      withServer(async (server) => {
        for (const [format, extension, contentType] of [
          ["png", "png", "image/png"],
          ["jpeg", "jpg", "image/jpeg"],
          ["webp", "webp", "image/webp"],
        ] as const) {
          const picture = createSampleImage(3_000, format);
          const id = await server.save(picture);
          for (const path of [`/images/${id}`, `/images/${id}.${extension}`, `/images/${id}/`, `/base/images/${id}`]) {
            const answer = await server.get(path);
            assert.deepEqual([path, answer.status, answer.headers["content-type"]], [path, 200, contentType]);
            assert.deepEqual(answer.body, picture);
            assert.equal(answer.headers["content-disposition"], `inline; filename="${id}.${extension}"`);
            assert.equal(answer.headers["cross-origin-resource-policy"], "cross-origin");
            assert.equal(answer.headers["content-security-policy"], "default-src 'none'; sandbox");
          }
          for (const wrong of ["png", "jpg", "webp", "jpeg", "gif", "", "PNG", "png.png"]) {
            if (wrong === extension) continue;
            assertError(await server.get(`/images/${id}.${wrong}`), 404, "image_not_found");
          }
        }
      }));

    // Proves: HTTP-2
    test("an unknown id is 404 image_not_found on every route, and no cache keeps that", async () =>
      withServer(async (server) => {
        for (const [method, path] of [
          ["GET", `/images/${UNKNOWN}`],
          ["HEAD", `/images/${UNKNOWN}`],
          ["GET", `/images/${UNKNOWN}.png`],
          ["GET", `/images/${UNKNOWN}/metadata`],
          ["DELETE", `/images/${UNKNOWN}`],
          ["GET", "/images/no-id"],
        ] as const) {
          const answer = await server.call(method, path);
          assert.equal(answer.headers["cache-control"], "no-store");
          if (method === "HEAD") assert.equal(answer.status, 404);
          else assertError(answer, 404, "image_not_found");
        }
      }));

    // Proves: HTTP-3
    test("GET /images/ lists metadata newest first, and the Link header leads through all pages", async () =>
      withServer(async (server) => {
        const ids: string[] = [];
        for (let count = 0; count < 7; count++) {
          ids.unshift(await server.save(createSampleImage(100 + count)));
          await server.clock.advance(1_000);
        }
        const listed: Record<string, unknown>[] = [];
        let path: string | undefined = "/images/?limit=3&prefix=img_";
        const pages: number[] = [];
        while (path !== undefined) {
          const answer: HttpAnswer = await server.get(path);
          assert.equal(answer.status, 200);
          const page = parseJson(answer) as Record<string, unknown>[];
          pages.push(page.length);
          listed.push(...page);
          const [, next] = /^<(.+)>; rel="next"$/.exec(answer.headers["link"] as string) ?? [];
          if (next !== undefined)
            assert.equal(next.startsWith(`${BASE_URL}/images/?prefix=img_&limit=3&cursor=`), true);
          path = next?.slice("https://pictures.example.com".length);
        }
        assert.deepEqual(pages, [3, 3, 1]);
        assert.deepEqual(
          listed.map(({ image_id }) => image_id),
          ids,
        );
        const [newest] = listed;
        assert.deepEqual(
          [newest?.["url"], newest?.["created_at"], newest?.["size"], newest?.["prompt"]],
          [`${BASE_URL}/images/${ids[0]}`, "2026-01-01T00:00:06.000Z", 106, "a cat"],
        );
        for (const bare of ["/images", "/images/", "/base/images/"]) {
          assert.equal((parseJson(await server.get(bare)) as unknown[]).length, 7);
        }
        const prefix = ids[3] ?? "";
        assert.deepEqual(
          (parseJson(await server.get(`/images/?prefix=${prefix}`)) as { image_id: string }[]).map(
            (one) => one.image_id,
          ),
          [prefix],
        );
      }));

    // Proves: HTTP-5, HTTP-13
    test("GET /images/{id}/metadata gives the record with url, type and end of life", async () =>
      withServer(async (server) => {
        const id = await server.save(createSampleImage(500));
        const { sha256, ...metadata } = parseJson(await server.get(`/images/${id}/metadata`)) as Record<
          string,
          unknown
        >;
        assert.equal(typeof sha256, "string");
        assert.deepEqual(metadata, {
          prompt: "a cat",
          image_id: id,
          created_at: "2026-01-01T00:00:00.000Z",
          size: 500,
          format: "png",
          url: `${BASE_URL}/images/${id}`,
          mime_type: "image/png",
          expires_at: "2026-01-01T01:00:00.000Z",
        });
      }));

    // Proves: HTTP-6
    test("DELETE /images/{id} deletes, and the picture is gone at once though it was in memory", async () =>
      withServer(async (server) => {
        const id = await server.save();
        assert.equal((await server.get(`/images/${id}`)).status, 200);
        const answer = await server.call("DELETE", `/images/${id}`);
        assert.deepEqual(parseJson(answer), { message: "Image deleted", image_id: id, deleted: true });
        assertError(await server.get(`/images/${id}`), 404, "image_not_found");
        assertError(await server.call("DELETE", `/images/${id}`), 404, "image_not_found");
        assert.deepEqual(parseJson(await server.get("/images/")), []);
      }));

    test("POST and DELETE /images/{id}/keep keep a picture from expiring and release it, also one in memory", async () =>
      withServer(async (server) => {
        const id = await server.save();
        assert.equal((await server.get(`/images/${id}`)).status, 200);
        const kept = parseJson(await server.call("POST", `/images/${id}/keep`));
        assert.partialDeepStrictEqual(kept, { image_id: id, kept: true, expires_at: null });
        await server.clock.advance(3_600_001);
        assert.equal((await server.get(`/images/${id}`)).status, 200);
        const released = parseJson(await server.call("DELETE", `/images/${id}/keep`));
        assert.partialDeepStrictEqual(released, { image_id: id, expires_at: "2026-01-01T01:00:00.000Z" });
        assertError(await server.get(`/images/${id}`), 404, "image_not_found");
        assertError(await server.call("POST", `/images/${id}/keep`), 404, "image_not_found");
        assertError(await server.call("DELETE", "/images/nothing/keep"), 404, "image_not_found");
      }));

    // Proves: HTTP-15
    test("an expired picture is 404 and not listed before any cleanup, though it was in memory", async () =>
      withServer(async (server) => {
        const id = await server.save();
        assert.equal((await server.get(`/images/${id}`)).status, 200);
        await server.clock.advance(3_599_999);
        assert.equal((await server.get(`/images/${id}`)).status, 200);
        await server.clock.advance(1);
        assertError(await server.get(`/images/${id}`), 404, "image_not_found");
        assertError(await server.get(`/images/${id}`, { "if-none-match": "*" }), 404, "image_not_found");
        assertError(await server.get(`/images/${id}/metadata`), 404, "image_not_found");
        assert.deepEqual(parseJson(await server.get("/images/")), []);
      }));

    // Proves: HTTP-7
    test("POST /images/cleanup deletes what has expired and tells how many", async () =>
      withServer(async (server) => {
        await server.save();
        await server.clock.advance(3_601_000);
        const kept = await server.save();
        assert.deepEqual(parseJson(await server.call("POST", "/images/cleanup")), {
          message: "1 expired images deleted",
          deleted_count: 1,
          ttl_seconds: 3_600,
        });
        assert.equal((await server.get(`/images/${kept}`)).status, 200);
      }));
  });
}

// Proves: HTTP-4
test("GET /images/?q= finds pictures by words of their prompt, page by page", async () => {
  await using server = await startServer();
  const ids: string[] = [];
  for (let index = 0; index < 6; index++) {
    const id = createImageId(server.clock.nowMs() - index);
    await server.storage.saveImage(createSampleImage(), id, { prompt: index % 2 === 0 ? "A Red fox" : "a cat" });
    if (index % 2 === 0) ids.push(id);
  }
  const toIds = (answer: HttpAnswer): unknown[] =>
    (parseJson(answer) as Record<string, unknown>[]).map((image) => image["image_id"]);
  const first = await server.get("/images/?q=fox%20red&limit=2");
  assert.deepEqual(toIds(first), ids.slice(0, 2));
  const [, next = ""] = /<[^>]*(\/images\/\?[^>]+)>; rel="next"/.exec(String(first.headers["link"])) ?? [];
  assert.match(next, /[?&]q=fox\+red&/);
  assert.deepEqual(toIds(await server.get(next)), ids.slice(2));
  assertError(await server.get(`/images/?q=${"x".repeat(201)}`), 400, "invalid_argument");
  assertError(await server.get("/images/?q=a&q=b"), 400, "invalid_argument");
});

test("GET /images/ refuses what is no limit, prefix or cursor, and names field, value and what is allowed", async () => {
  await using server = await startServer();
  const allowed = "an integer from 1 to 1000";
  for (const value of [
    "0",
    "1001",
    "-1",
    "abc",
    "1e2",
    "1.5",
    "0x10",
    "+5",
    "010",
    " 5",
    "",
    "99999999999999999999",
    "１",
  ]) {
    const answer = await server.get(`/images/?limit=${encodeURIComponent(value)}`);
    assertError(answer, 400, "invalid_argument");
    assert.deepEqual((parseJson(answer) as { details: unknown }).details, { field: "limit", value, allowed });
  }
  for (const query of ["limit=5&limit=5", "prefix=a&prefix=b", "cursor=a&cursor=a"]) {
    const answer = await server.get(`/images/?${query}`);
    assertError(answer, 400, "invalid_argument");
    assert.equal(
      (parseJson(answer) as { details: { field: string } }).details.field,
      query.slice(0, query.indexOf("=")),
    );
  }
  for (const cursor of ["", "x", "../..", "img_"]) {
    assertError(await server.get(`/images/?cursor=${encodeURIComponent(cursor)}`), 400, "invalid_argument");
  }
  for (const query of ["limit=1", "limit=1000", "prefix=", "other=1&other=2", "%", "limit=5&"]) {
    assert.equal((await server.get(`/images/?${query}`)).status, 200, query);
  }
});

// Proves: HTTP-6, HTTP-7
test("deleting, keeping and cleaning up are for clients on this machine, not for those behind a proxy on it", async () => {
  await using server = await startServer();
  const id = await server.save();
  for (const name of ["x-forwarded-for", "forwarded", "x-real-ip", "via"]) {
    const headers = { [name]: "127.0.0.1" };
    assertError(await server.call("DELETE", `/images/${id}`, headers), 403, "forbidden");
    assertError(await server.call("POST", `/images/${id}/keep`, headers), 403, "forbidden");
    assertError(await server.call("DELETE", `/images/${id}/keep`, headers), 403, "forbidden");
    assertError(await server.call("POST", "/images/cleanup", headers), 403, "forbidden");
    assert.equal((await server.get(`/images/${id}`, headers)).status, 200);
  }
});

const OWN_ADDRESS = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === "IPv4" && !address.internal)?.address;

// Proves: HTTP-6, HTTP-7, HTTP-14
test(
  "a client that comes in on another address may name it as Host and read, but not delete or clean up",
  { skip: OWN_ADDRESS === undefined && "this machine has no other address" },
  async () => {
    await using server = await startServer({ host: "0.0.0.0", address: OWN_ADDRESS ?? "" });
    const id = await server.save();
    assert.equal((await server.get(`/images/${id}`)).status, 200);
    assertError(await server.call("DELETE", `/images/${id}`), 403, "forbidden");
    assertError(await server.call("POST", "/images/cleanup"), 403, "forbidden");
    assertError(await server.get("/livez", { host: "10.255.255.1" }), 403, "forbidden_host");
  },
);

// Proves: HTTP-10
test("GET /openapi.json and GET /docs describe every route of the table", async () => {
  await using server = await startServer({ publicBaseUrl: BASE_URL });
  const document = parseJson(await server.get("/openapi.json")) as {
    openapi: string;
    servers: unknown;
    paths: Record<string, Record<string, { operationId: string; responses: object }>>;
  };
  assert.equal(document.openapi, "3.1.0");
  assert.deepEqual(document.servers, [{ url: BASE_URL }]);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(
    operations.sort(),
    listRoutes()
      .map(({ name, method, path }) => `${name} ${method} ${path}`)
      .sort(),
  );
  const list = document.paths["/images/"]?.["get"] as unknown as { parameters: unknown[] };
  assert.deepEqual(list.parameters[1], {
    name: "limit",
    in: "query",
    required: false,
    description: "The most pictures to list",
    schema: { default: 100, type: "integer", minimum: 1, maximum: 1000 },
  });
  const page = await server.get("/docs");
  const html = page.body.toString();
  for (const { method, path } of listRoutes()) assert.equal(html.includes(`<h3>${method} ${path}</h3>`), true, path);
  assert.match(page.headers["content-security-policy"] as string, /^default-src 'none'; style-src 'sha256-/);
  assert.equal(/<script|src=|https?:\/\//.test(html), false);
  assert.equal(html.includes('href="/base/openapi.json"'), true);
});

test("GET / gives the gallery to browsers and links to others", async () => {
  await using server = await startServer();
  assert.deepEqual(parseJson(await server.get("/")), {
    name: "mcp-image-server",
    version: "0.0.0-test",
    mcp: `http://127.0.0.1:${server.port}/mcp`,
    images: `http://127.0.0.1:${server.port}/images/`,
    docs: `http://127.0.0.1:${server.port}/docs`,
    openapi: `http://127.0.0.1:${server.port}/openapi.json`,
    health: `http://127.0.0.1:${server.port}/health`,
  });
  const page = await server.get("/", { accept: "text/html,*/*" });
  assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
  assert.equal(page.body.toString().includes('<ol class="tiles"'), true);
});

test("an address that nobody knows is 404 and a method that a route has not is 405 with what it has", async () => {
  await using server = await startServer({ publicBaseUrl: BASE_URL });
  for (const path of [
    "/nothing",
    "/images/a/b",
    "/images/a/metadata/b",
    "/images//metadata",
    "/basement/images/",
    "/%",
  ]) {
    assertError(await server.get(path), 404, "not_found");
  }
  for (const [method, path, allow] of [
    ["PUT", `/images/${UNKNOWN}`, "GET, HEAD, DELETE, OPTIONS"],
    ["PUT", "/images/", "GET, HEAD, POST, OPTIONS"],
    ["GET", "/images/cleanup", "POST, OPTIONS"],
    ["GET", `/images/${UNKNOWN}/keep`, "POST, DELETE, OPTIONS"],
    ["DELETE", "/health", "GET, HEAD, OPTIONS"],
    ["PUT", "/mcp", "POST, GET, DELETE, OPTIONS"],
    ["HEAD", "/mcp", "POST, GET, DELETE, OPTIONS"],
    ["TRACE", "/", "GET, HEAD, OPTIONS"],
  ] as const) {
    const answer = await server.call(method, path);
    assert.deepEqual([method, path, answer.status], [method, path, 405]);
    assert.equal(answer.headers.allow, allow);
  }
});

test("every answer has a request id of its own and the security headers, those of MCP too", async () => {
  await using server = await startServer();
  const id = await server.save();
  const ids = new Set<string>();
  const paths = [
    `/images/${id}`,
    `/images/${id}`,
    `/images/${UNKNOWN}`,
    "/images/",
    "/health",
    "/docs",
    "/",
    "/mcp",
    "/no",
  ];
  for (const path of paths) {
    const { headers } = await server.get(path, { "x-request-id": "mine" });
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["referrer-policy"], "no-referrer");
    assert.equal(headers["x-frame-options"], "DENY");
    assert.match(headers["x-request-id"] as string, /^[\w-]{12}-[0-9a-z]+$/);
    ids.add(headers["x-request-id"] as string);
  }
  assert.equal(ids.size, paths.length);
});

test("a failing store is told in public words, with Retry-After when it knows one, and never with a stack", async () => {
  await using server = await startServer();
  const id = await server.save();
  server.storage.readRecord = async () => {
    throw new StorageError("storage_unavailable", "Bucket secret-bucket is away", {
      details: { retry_after_seconds: 2.5 },
      cause: new Error("ECONNREFUSED 10.0.0.7"),
    });
  };
  const answer = await server.get(`/images/${id}/metadata`);
  assertError(answer, 503, "storage_unavailable");
  assert.equal(answer.headers["retry-after"], "3");
  server.storage.readRecord = async () => {
    throw new TypeError("secret is undefined");
  };
  const internal = await server.get(`/images/${id}/metadata`);
  assertError(internal, 500, "internal");
  assert.equal(/secret|10\.0\.0\.7|at /.test(`${answer.body.toString()}${internal.body.toString()}`), false);
});

test("every curl line of docs/http-api.md works", async () => {
  const text = await readFile(new URL("../docs/http-api.md", import.meta.url), "utf8");
  const calls = [...text.matchAll(/^curl (?:.*-X (\w+) )?.*http:\/\/localhost:8000([^\s']*)/gm)];
  assert.equal(calls.length, 9);
  for (const [line, method = "GET", path = ""] of calls) {
    await using server = await startServer();
    const id = await server.save(drawTestPicture({ prompt: "a cat" }));
    const answer = await server.call(method, path.replace(/img_[0-9a-z]{26}/, id));
    assert.deepEqual([line, answer.status], [line, 200]);
  }
});
