import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Secret } from "../core/secret.ts";
import { verifyImage } from "../core/verify-image.ts";
import { HOP_ANSWERS } from "../testing/hop-answers.ts";
import { advanceUntil, BENCH_REQUEST, createKServeBench, failureOf } from "../testing/kserve-bench.ts";
import { KServeClient } from "./kserve-client.ts";

suite("KServeClient.generateImage()", () => {
  // Proves: KSERVE-2
  test("gives a verified picture and the facts about it", async () => {
    await using bench = await createKServeBench();
    const image = await bench.generate({ width: 64, height: 128, numInferenceSteps: 4, guidanceScale: 7.5 });
    assert.deepEqual(verifyImage(image.imageData), { format: "png", width: 64, height: 128 });
    assert.equal(image.format, "png");
    assert.deepEqual(image.metadata, {
      prompt: "a red fox",
      width: 64,
      height: 128,
      num_inference_steps: 4,
      guidance_scale: 7.5,
      seed: 7,
      seed_report: { requested: null, sent: 7, echoed: null, honoured: "unknown" },
      model_name: "model",
      generation_seconds: 0,
      warnings: [],
    });
  });

  // Proves: KSERVE-5
  test("sends known keys alone, leaves out what is not given, and always a seed", async () => {
    await using bench = await createKServeBench();
    await bench.generate({ negativePrompt: "blurry" });
    await bench.client.generateImage({ prompt: "a cat", seed: 0 });
    assert.deepEqual(bench.runtime.instances, [
      { prompt: "a red fox", negative_prompt: "blurry", width: 64, height: 64, seed: 7 },
      { prompt: "a cat", seed: 0 },
    ]);
  });

  // Proves: KSERVE-6
  test("sends the headers that KServe compares to the letter, and the token", async () => {
    await using bench = await createKServeBench({ authToken: new Secret("s3cret") });
    await bench.generate({ prompt: "ein Füchslein" }, { requestId: "job-1\r\nx: y" });
    const [post] = bench.runtime.posts;
    assert.equal(post?.path, "/v1/models/model:predict");
    assert.equal(post.headers["content-type"], "application/json");
    assert.equal(post.headers["content-length"], String(Buffer.byteLength(post.body)));
    assert.equal(post.headers["accept-encoding"], "identity");
    assert.equal(post.headers["x-request-id"], "job-1x:y");
    assert.equal(post.headers["authorization"], "Bearer s3cret");
  });

  test("reaches an engine through its socket by the same code", async () => {
    const socketPath = `/tmp/kserve-client-test-${process.pid}.sock`;
    await using bench = await createKServeBench({ socketPath }, { socketPath });
    const image = await bench.generate();
    assert.equal(image.metadata.width, 64);
  });

  test("keeps the path prefix of the endpoint", async () => {
    await using bench = await createKServeBench();
    const client = new KServeClient({
      endpoint: `${bench.runtime.url}/serving/ns/name/`,
      maxRetries: 0,
      protocol: "v1",
    });
    const error = await failureOf(client.generateImage(BENCH_REQUEST));
    assert.equal(error.code, "not_a_kserve_endpoint");
    assert.deepEqual(
      bench.runtime.posts.map((post) => post.path),
      ["/serving/ns/name/v1/models/stable-diffusion:predict"],
    );
    await client.close();
  });

  test("reports progress from waking to generating", async () => {
    await using bench = await createKServeBench();
    await bench.generate();
    assert.deepEqual(bench.progress, [{ phase: "waking" }, { phase: "generating" }]);
  });

  test("survives a progress listener that throws", async () => {
    await using bench = await createKServeBench();
    const image = await bench.client.generateImage(BENCH_REQUEST, {
      onProgress: () => {
        throw new Error("listener");
      },
    });
    assert.equal(image.metadata.width, 64);
  });

  test("rejects with cancelled at once when the caller aborts", async () => {
    await using bench = await createKServeBench();
    bench.runtime.script({ kind: "hang" });
    const caller = new AbortController();
    const work = failureOf(bench.generate({}, { signal: caller.signal }));
    await bench.runtime.waitForRequests("POST");
    caller.abort();
    assert.equal((await work).code, "cancelled");
    assert.equal((await failureOf(bench.generate({}, { signal: AbortSignal.abort() }))).code, "cancelled");
    assert.equal(bench.runtime.posts.length, 1);
  });
});

// Proves: KSERVE-10, KSERVE-11
suite("KServeClient, the seed", () => {
  test("is honoured when the runtime echoes it", async () => {
    await using bench = await createKServeBench({}, { pipeline: "echo" });
    const { metadata } = await bench.generate({ seed: 11 });
    assert.equal(metadata.seed, 11);
    assert.deepEqual(metadata.seed_report, { requested: 11, sent: 11, echoed: 11, honoured: true });
  });

  test("is not honoured when the runtime echoes another, which then is the number used", async () => {
    await using bench = await createKServeBench();
    bench.runtime.script({ kind: "draw", prediction: { seed: 99 } });
    const { metadata } = await bench.generate({ seed: 11 });
    assert.equal(metadata.seed, 99);
    assert.deepEqual(metadata.seed_report, { requested: 11, sent: 11, echoed: 99, honoured: false });
  });

  test("is dropped once and for all for a model that refuses it", async () => {
    await using bench = await createKServeBench({ maxRetries: 0 }, { pipeline: "stable-diffusion-3" });
    const first = await bench.generate({ seed: 11 });
    const second = await bench.generate();
    assert.deepEqual(
      bench.runtime.instances.map((instance) => instance["seed"]),
      [11, undefined, undefined],
    );
    assert.deepEqual(first.metadata.seed_report, { requested: 11, sent: null, echoed: null, honoured: false });
    assert.deepEqual(second.metadata.seed_report, { requested: null, sent: null, echoed: null, honoured: false });
    assert.deepEqual(first.metadata.warnings, ["The model does not take a seed, so this picture cannot be repeated"]);
    assert.deepEqual(second.metadata.warnings, first.metadata.warnings);
  });

  test("and every other refused parameter is left out one after the other, and named in a warning", async () => {
    await using bench = await createKServeBench({ maxRetries: 0 });
    const refuse = (key: string) =>
      ({
        kind: "answer",
        answer: { status: 400, body: `{"error":"Prediction failed: f() got an unexpected keyword argument '${key}'"}` },
      }) as const;
    bench.runtime.script(refuse("negative_prompt"), refuse("guidance_scale"));
    const { metadata } = await bench.generate({ negativePrompt: "blurry", guidanceScale: 3 });
    assert.equal(bench.runtime.posts.length, 3);
    assert.deepEqual(metadata.warnings, [
      "The model does not take negative_prompt; it was left out",
      "The model does not take guidance_scale; it was left out",
    ]);
    assert.equal("guidance_scale" in metadata, false);
    bench.runtime.script(refuse("prompt"));
    assert.equal((await failureOf(bench.generate())).code, "upstream_rejected");
    bench.runtime.script(refuse("width"), refuse("width"));
    assert.equal((await failureOf(bench.generate())).code, "upstream_rejected");
  });
});

suite("KServeClient, the model's name", () => {
  test("is the only one served when none is set", async () => {
    await using bench = await createKServeBench({}, { modelNames: ["redhat dog/sd3"] });
    assert.equal(await bench.client.resolveModelName(), "redhat dog/sd3");
    assert.equal((await bench.generate()).metadata.model_name, "redhat dog/sd3");
  });

  test("is the default when several are served", async () => {
    await using bench = await createKServeBench({}, { modelNames: ["sdxl", "stable-diffusion"] });
    assert.equal(await bench.client.resolveModelName(), "stable-diffusion");
  });

  test("may stand in the endpoint", async () => {
    await using bench = await createKServeBench({}, { modelNames: ["a", "b"] });
    const client = new KServeClient({ endpoint: `${bench.runtime.url}/v1/models/b:predict` });
    assert.equal((await client.generateImage(BENCH_REQUEST)).metadata.model_name, "b");
    await client.close();
  });

  test("that is unknown fails without a prediction and lists the names served", async () => {
    await using bench = await createKServeBench({ modelName: "nope" });
    const error = await failureOf(bench.generate());
    assert.equal(error.code, "model_not_found");
    assert.equal(error.details["model_name"], "nope");
    assert.deepEqual(error.details["served_models"], ["model"]);
    assert.equal(bench.runtime.posts.length, 0);
  });
});

suite("KServeClient, waking", () => {
  test("asks for readiness before a job, unless the model answered within 60 s", async () => {
    await using bench = await createKServeBench({ modelName: "model" });
    const gets = (): number => bench.runtime.requests.length - bench.runtime.posts.length;
    await bench.generate();
    assert.equal(gets(), 1);
    await bench.clock.advance(59_999);
    await bench.generate();
    await bench.clock.advance(59_999);
    await bench.generate();
    assert.equal(gets(), 1);
    await bench.clock.advance(60_000);
    await bench.generate();
    assert.equal(gets(), 2);
  });

  test("asks again after a job that failed", async () => {
    await using bench = await createKServeBench({ modelName: "model" });
    bench.runtime.script({ kind: "answer", answer: HOP_ANSWERS.queueFull });
    await bench.generate();
    const methods = bench.runtime.requests.map((request) => request.method);
    assert.deepEqual(methods, ["GET", "POST", "GET", "POST"]);
  });

  test("waits for a model that is loading without taking retries", async () => {
    await using bench = await createKServeBench({ modelName: "model", maxRetries: 1 });
    bench.runtime.readiness = "not_ready";
    let wakings = 0;
    const image = await bench.client.generateImage(BENCH_REQUEST, {
      onProgress: ({ phase }) => {
        if (phase !== "waking") return;
        wakings += 1;
        if (wakings === 4) bench.runtime.readiness = "ready";
        // The first comes before the first question, each later one before a pause.
        if (wakings > 1) void bench.clock.advance(2000);
      },
    });
    assert.equal(image.metadata.model_name, "model");
    assert.equal(bench.runtime.requests.length, 5);
  });

  test("gives up on a model that is loading, at once with maxRetries 0", async () => {
    await using bench = await createKServeBench({ modelName: "model", maxRetries: 0 });
    bench.runtime.readiness = "not_ready";
    const error = await failureOf(bench.generate());
    assert.equal(error.code, "model_not_ready");
    assert.equal(error.retryable, true);
    assert.equal(bench.runtime.posts.length, 0);
  });

  test("takes a silent server for busy and sends the job when waking has had its time", async () => {
    await using bench = await createKServeBench({ modelName: "model", deadlineSeconds: 90 });
    bench.runtime.readiness = "hang";
    const work = bench.generate();
    await bench.runtime.waitForRequests("GET");
    await bench.clock.waitForSleepers(2);
    await bench.clock.advance(30_000);
    assert.equal((await work).metadata.model_name, "model");
  });

  test("leaves a server without a readiness route to the job", async () => {
    await using bench = await createKServeBench({ modelName: "model" });
    bench.runtime.readiness = "no_route";
    assert.equal((await bench.generate()).metadata.model_name, "model");
  });
});

// Proves: KSERVE-4
suite("KServeClient.healthCheck()", () => {
  test("is true for a ready model and false for a missing, loading or unreachable one", async () => {
    await using bench = await createKServeBench({ modelName: "model" });
    assert.equal(await bench.client.healthCheck(), true);
    bench.runtime.readiness = "not_ready";
    assert.equal(await bench.client.healthCheck(), false);
    bench.runtime.readiness = "no_route";
    assert.equal(await bench.client.healthCheck(), false);
    const other = new KServeClient({ endpoint: bench.runtime.url, modelName: "nope" });
    assert.equal(await other.healthCheck(), false);
    await other.close();
    await bench.runtime.close();
    assert.equal(await bench.client.healthCheck(), false);
  });

  test("is true while the server is frozen by a job", async () => {
    await using bench = await createKServeBench({ modelName: "model" });
    bench.runtime.freezesWhileDrawing = true;
    bench.runtime.script({ kind: "hold" });
    const work = bench.generate();
    await bench.runtime.waitForRequests("POST");
    const health = bench.client.healthCheck();
    await bench.runtime.waitForRequests("GET", 3);
    await bench.clock.advance(2000);
    assert.equal(await health, true);
    bench.runtime.release();
    assert.equal((await work).metadata.model_name, "model");
  });

  test("is false when its own signal aborts", async () => {
    await using bench = await createKServeBench();
    assert.equal(await bench.client.healthCheck({ signal: AbortSignal.abort() }), false);
  });

  test("is true without a readiness route once a picture was drawn", async () => {
    await using bench = await createKServeBench({ modelName: "model" });
    bench.runtime.readiness = "no_route";
    await bench.generate();
    assert.equal(await bench.client.healthCheck(), true);
  });
});

suite("KServeClient.describeModel()", () => {
  test("says what is served and how it is", async () => {
    await using bench = await createKServeBench();
    assert.deepEqual(await bench.client.describeModel(), {
      modelName: "model",
      servedModels: ["model"],
      state: "ready",
    });
    await bench.runtime.close();
    assert.deepEqual(await bench.client.describeModel(), {
      modelName: "model",
      servedModels: undefined,
      state: "unavailable",
      errorCode: "upstream_unavailable",
    });
  });
});

suite("KServeClient.close()", () => {
  test("waits for the picture in flight and may be called twice", async () => {
    await using bench = await createKServeBench({ maxRetries: 0 });
    bench.runtime.script({ kind: "hold" });
    const work = bench.generate();
    await bench.runtime.waitForRequests("POST");
    const closed = Promise.all([bench.client.close(), bench.client.close()]);
    bench.runtime.release();
    await closed;
    assert.equal((await work).metadata.model_name, "model");
  });
});

suite("KServeClient.waitUntilIdle()", () => {
  test("resolves when a frozen runtime answers again", async () => {
    await using bench = await createKServeBench({ modelName: "model" });
    bench.runtime.freezesWhileDrawing = true;
    bench.runtime.script({ kind: "hold" });
    const caller = new AbortController();
    const abandoned = failureOf(bench.generate({}, { signal: caller.signal }));
    await bench.runtime.waitForRequests("POST");
    caller.abort();
    assert.equal((await abandoned).code, "cancelled");
    const idle = bench.client.waitUntilIdle({ signal: new AbortController().signal, estimatedMs: 60_000 });
    await bench.runtime.waitForRequests("GET", 2);
    bench.runtime.release();
    await idle;
    assert.equal(bench.clock.monotonicMs(), 0);
  });

  test("resolves at the estimated end when the runtime stays silent", async () => {
    await using bench = await createKServeBench();
    bench.runtime.readiness = "hang";
    const idle = bench.client.waitUntilIdle({ signal: new AbortController().signal, estimatedMs: 7000 });
    await advanceUntil(bench, idle);
    assert.equal(bench.clock.monotonicMs(), 7000);
  });

  test("resolves when nobody is there, and when the signal aborts", async () => {
    await using bench = await createKServeBench();
    await bench.client.waitUntilIdle({ signal: AbortSignal.abort(), estimatedMs: 60_000 });
    assert.equal(bench.runtime.requests.length, 0);
    await bench.runtime.close();
    await bench.client.waitUntilIdle({ signal: new AbortController().signal, estimatedMs: 60_000 });
    assert.equal(bench.clock.monotonicMs(), 0);
  });
});
