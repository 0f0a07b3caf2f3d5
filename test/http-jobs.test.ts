import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { AccessPolicy } from "../src/access/access-policy.ts";
import { KServeError } from "../src/core/errors.ts";
import { SteppedGenerator } from "../src/testing/image-service-bench.ts";
import { parseJson, startServer, type HttpAnswer, type TestServer } from "./http-support.ts";

const JSON_TYPE = { "content-type": "application/json" };

async function post(
  server: TestServer,
  path: string,
  body: unknown,
  headers: Record<string, string> = JSON_TYPE,
): Promise<HttpAnswer> {
  return server.call("POST", path, headers, typeof body === "string" ? body : JSON.stringify(body));
}

interface JobLine {
  readonly image_id: string;
  readonly status: string;
  readonly phase: string;
  readonly error?: string;
}

/** The stream of jobs, event by event. */
async function watch(
  server: TestServer,
  headers: Record<string, string> = {},
): Promise<{ next(): Promise<JobLine>; end(): void; ended: Promise<unknown> }> {
  const outgoing = request({ host: "127.0.0.1", port: server.port, path: "/jobs/events", headers });
  outgoing.end();
  const [incoming] = await once(outgoing, "response");
  assert.equal(incoming.headers["content-type"], "text/event-stream");
  assert.equal(incoming.headers["cache-control"], "no-store");
  // An end that the test itself makes is none to speak of.
  incoming.on("error", () => undefined);
  outgoing.on("error", () => undefined);
  const closed = once(incoming, "close");
  const lines = createInterface({ input: incoming })[Symbol.asyncIterator]();
  return {
    next: async () => {
      for (;;) {
        const { value, done } = await lines.next();
        assert.ok(done !== true, "the stream ended");
        if (value.startsWith("data: ")) return JSON.parse(value.slice("data: ".length));
      }
    },
    end: () => void incoming.destroy(),
    ended: closed,
  };
}

test("POST /images/ accepts a picture at once, and the jobs tell where it is until it is stored", async () => {
  const generator = new SteppedGenerator();
  const gate = Promise.withResolvers<void>();
  generator.gate = gate.promise;
  await using server = await startServer({ generator });
  const early = await watch(server);
  const answer = await post(server, "/images/", { prompt: "a cat", seed: 7, width: 512, height: 256 });
  assert.equal(answer.status, 202);
  const { image_id: imageId, metadata } = parseJson(answer) as { image_id: string; metadata: { status: string } };
  assert.equal(metadata.status, "running");
  assert.equal(answer.headers.location?.endsWith(`/images/${imageId}`), true);

  assert.equal((await early.next()).image_id, imageId);
  const [job] = parseJson(await server.get("/jobs")) as (JobLine & Record<string, unknown>)[];
  assert.deepEqual(
    [job?.image_id, job?.status, job?.["prompt"], job?.["seed"], job?.["url"]],
    [imageId, "running", "a cat", 7, `http://127.0.0.1:${server.port}/images/${imageId}`],
  );
  const late = await watch(server);
  assert.equal((await late.next()).image_id, imageId);

  gate.resolve();
  let last = await late.next();
  while (last.status === "running") last = await late.next();
  assert.deepEqual([last.image_id, last.status], [imageId, "succeeded"]);
  assert.deepEqual(parseJson(await server.get("/jobs")), []);
  assert.equal((await server.get(`/images/${imageId}`)).status, 200);
  early.end();
  late.end();
});

test("POST /images/ waits when the client prefers it, and answers 201", async () => {
  await using server = await startServer({ generator: new SteppedGenerator() });
  const answer = await post(server, "/images/", { prompt: "a cat" }, { ...JSON_TYPE, prefer: "wait=60" });
  assert.equal(answer.status, 201);
  const { metadata } = parseJson(answer) as { metadata: { status?: string; prompt: string } };
  assert.deepEqual([metadata.status, metadata.prompt], [undefined, "a cat"]);
});

test("a job that fails ends its stream with the public words of its error", async () => {
  const generator = new SteppedGenerator();
  generator.failure = new KServeError("out_of_memory", "CUDA out of memory at 0x1234");
  await using server = await startServer({ generator });
  const stream = await watch(server);
  await post(server, "/images/", { prompt: "a cat" });
  let last = await stream.next();
  while (last.status === "running") last = await stream.next();
  assert.deepEqual([last.status, last.error], ["failed", "out_of_memory"]);
  assert.equal(JSON.stringify(last).includes("0x1234"), false);
  stream.end();
});

test("POST /images/{id}/variations draws a stored picture again with new seeds or other words", async () => {
  const generator = new SteppedGenerator();
  await using server = await startServer({ generator });
  const id = await server.save();
  const many = await post(server, `/images/${id}/variations`, { count: 3 }, { ...JSON_TYPE, prefer: "wait=60" });
  assert.equal(many.status, 201);
  const { images } = parseJson(many) as { images: { metadata: Record<string, unknown> }[] };
  assert.deepEqual(
    images.map(({ metadata }) => [metadata["prompt"], metadata["varied_from"]]),
    Array.from({ length: 3 }, () => ["a cat", id]),
  );
  await post(server, `/images/${id}/variations`, { prompt: "a dog", seeds: [5] });
  assert.deepEqual([generator.requests.at(-1)?.prompt, generator.requests.at(-1)?.seed], ["a dog", 5]);
  const unknown = await post(server, "/images/img_00000000000000000000000000/variations", { count: 1 });
  assert.equal(unknown.status, 404);
});

test("a call that is not valid is refused with the field, the value and what is allowed, and draws nothing", async () => {
  const generator = new SteppedGenerator();
  await using server = await startServer({ generator });
  const id = await server.save();
  for (const [path, body, field] of [
    ["/images/", {}, "prompt"],
    ["/images/", { prompt: "a", width: 1 }, "width"],
    ["/images/", { prompt: "a", nothing: 1 }, "nothing"],
    [`/images/${id}/variations`, { count: 9 }, "count"],
    [`/images/${id}/variations`, { count: "2" }, "count"],
    [`/images/${id}/variations`, { seeds: [-1] }, "seeds"],
    [`/images/${id}/variations`, { height: 63 }, "height"],
    [`/images/${id}/variations`, [], "body"],
  ] as const) {
    const answer = await post(server, path, body);
    const { error, details } = parseJson(answer) as { error: string; details: { field: string } };
    assert.deepEqual([path, answer.status, error, details.field], [path, 400, "invalid_argument", field]);
  }
  assert.equal((await post(server, "/images/", "{")).status, 400);
  assert.equal((await post(server, "/images/", "[".repeat(200_000))).status, 400);
  assert.equal((await post(server, "/images/", "x", { "content-type": "text/plain" })).status, 415);
  assert.equal((await post(server, "/images/", `"${"x".repeat(300_000)}"`)).status, 413);
  assert.deepEqual(generator.requests, []);
});

test("who comes through a proxy may watch, and neither draw nor vary", async () => {
  const generator = new SteppedGenerator();
  await using server = await startServer({ generator });
  const id = await server.save();
  const forwarded = { ...JSON_TYPE, "x-forwarded-for": "192.0.2.1" };
  for (const path of ["/images/", `/images/${id}/variations`]) {
    assert.equal((await post(server, path, { prompt: "a" }, forwarded)).status, 403);
  }
  assert.equal((await server.get("/jobs", forwarded)).status, 200);
  assert.deepEqual(generator.requests, []);
});

test("streams of jobs end when the server shuts down, so that it need not wait for them", async () => {
  await using server = await startServer({ generator: new SteppedGenerator() });
  const stream = await watch(server);
  server.http.drain();
  await stream.ended;
});

test("a stream of jobs says every 15 seconds that it is still there", async () => {
  await using server = await startServer({ generator: new SteppedGenerator() });
  const outgoing = request({ host: "127.0.0.1", port: server.port, path: "/jobs/events" });
  outgoing.end();
  const [incoming] = await once(outgoing, "response");
  incoming.setEncoding("utf8");
  let text = "";
  incoming.on("data", (chunk: string) => (text += chunk));
  await once(incoming, "data");
  await server.clock.advance(15_000);
  while (!text.includes(": still here")) await once(incoming, "data");
  outgoing.destroy();
});

test("callers who must say who they are see their own jobs alone, in the list and in the stream", async () => {
  const verifier = {
    verify: async (token: string) => ({
      id: `key:${token}`,
      scopes: new Set(["images:generate", "images:read"] as const),
    }),
  };
  const policy = new AccessPolicy({ verifier });
  const generator = new SteppedGenerator();
  const gate = Promise.withResolvers<void>();
  generator.gate = gate.promise;
  await using server = await startServer({ generator, policy });
  const as = (name: string): Record<string, string> => ({ ...JSON_TYPE, authorization: `Bearer ${name}` });
  assert.equal((await server.get("/jobs/events")).status, 401);
  const bobs = await watch(server, as("bob"));
  assert.equal((await post(server, "/images/", { prompt: "of alice" }, as("alice"))).status, 202);
  const answer = await post(server, "/images/", { prompt: "of bob" }, as("bob"));
  const { image_id: imageId } = parseJson(answer) as { image_id: string };
  assert.equal((await bobs.next()).image_id, imageId);
  const listed = parseJson(await server.get("/jobs", as("bob"))) as JobLine[];
  assert.deepEqual(
    listed.map((job) => job.image_id),
    [imageId],
  );
  gate.resolve();
  bobs.end();
});
