import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { KServeError, type ErrorCode } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { Secret } from "../core/secret.ts";
import { verifyImage } from "../core/verify-image.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { FakeKServeRuntime, type FakeKServeRuntimeOptions } from "../testing/fake-kserve-runtime.ts";
import { HOP_ANSWERS } from "../testing/hop-answers.ts";
import type { GenerateImageOptions, GenerateImageRequest, GenerationProgress } from "./generated-image.ts";
import { KServeClient, type KServeClientOptions } from "./kserve-client.ts";

const REQUEST: GenerateImageRequest = { prompt: "a red fox", width: 64, height: 64 };

/** Jitter is half of the most; the seed is always 7. */
const fixedRandom: Random = {
  bytes: (count) => new Uint8Array(count),
  uint32: () => 7,
  fraction: () => 0.5,
};

interface Bench extends AsyncDisposable {
  readonly runtime: FakeKServeRuntime;
  readonly client: KServeClient;
  readonly clock: ReturnType<typeof createFakeClock>;
  readonly progress: GenerationProgress[];
  /** Draws; pauses between attempts pass at once. */
  generate(
    request?: Partial<GenerateImageRequest>,
    options?: GenerateImageOptions,
  ): ReturnType<KServeClient["generateImage"]>;
}

async function createBench(
  options: Partial<KServeClientOptions> = {},
  runtimeOptions: FakeKServeRuntimeOptions = {},
): Promise<Bench> {
  const runtime = await FakeKServeRuntime.start(runtimeOptions);
  const clock = createFakeClock();
  const client = new KServeClient({ endpoint: runtime.url, clock, random: fixedRandom, ...options });
  const progress: GenerationProgress[] = [];
  return {
    runtime,
    client,
    clock,
    progress,
    generate: async (request = {}, generateOptions = {}) =>
      client.generateImage(
        { ...REQUEST, ...request },
        {
          ...generateOptions,
          onProgress: (event) => {
            progress.push(event);
            if (event.phase === "retrying") void clock.advance(event.delayMs);
          },
        },
      ),
    [Symbol.asyncDispose]: async () => {
      await runtime.close();
      await client.close();
    },
  };
}

/** The `KServeError` that the work rejects with. */
async function failureOf(work: Promise<unknown>): Promise<KServeError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof KServeError, `not a KServeError: ${String(error)}`);
    return error;
  }
  assert.fail("it did not fail");
}

suite("KServeClient.generateImage()", () => {
  test("gives a verified picture and the facts about it", async () => {
    await using bench = await createBench();
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

  test("sends known keys alone, leaves out what is not given, and always a seed", async () => {
    await using bench = await createBench();
    await bench.generate({ negativePrompt: "blurry" });
    await bench.client.generateImage({ prompt: "a cat", seed: 0 });
    assert.deepEqual(bench.runtime.instances, [
      { prompt: "a red fox", negative_prompt: "blurry", width: 64, height: 64, seed: 7 },
      { prompt: "a cat", seed: 0 },
    ]);
  });

  test("sends the headers that KServe compares to the letter, and the token", async () => {
    await using bench = await createBench({ authToken: new Secret("s3cret") });
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
    await using bench = await createBench({ socketPath }, { socketPath });
    const image = await bench.generate();
    assert.equal(image.metadata.width, 64);
  });

  test("keeps the path prefix of the endpoint", async () => {
    await using bench = await createBench();
    const client = new KServeClient({ endpoint: `${bench.runtime.url}/serving/ns/name/`, maxRetries: 0 });
    const error = await failureOf(client.generateImage(REQUEST));
    assert.equal(error.code, "not_a_kserve_endpoint");
    assert.deepEqual(
      bench.runtime.posts.map((post) => post.path),
      ["/serving/ns/name/v1/models/stable-diffusion:predict"],
    );
    await client.close();
  });

  test("reports progress from waking to generating", async () => {
    await using bench = await createBench();
    await bench.generate();
    assert.deepEqual(bench.progress, [{ phase: "waking" }, { phase: "generating" }]);
  });

  test("rejects with cancelled at once when the caller aborts", async () => {
    await using bench = await createBench();
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

suite("KServeClient, the seed", () => {
  test("is honoured when the runtime echoes it", async () => {
    await using bench = await createBench({}, { pipeline: "echo" });
    const { metadata } = await bench.generate({ seed: 11 });
    assert.equal(metadata.seed, 11);
    assert.deepEqual(metadata.seed_report, { requested: 11, sent: 11, echoed: 11, honoured: true });
  });

  test("is not honoured when the runtime echoes another, which then is the number used", async () => {
    await using bench = await createBench();
    bench.runtime.script({ kind: "draw", prediction: { seed: 99 } });
    const { metadata } = await bench.generate({ seed: 11 });
    assert.equal(metadata.seed, 99);
    assert.deepEqual(metadata.seed_report, { requested: 11, sent: 11, echoed: 99, honoured: false });
  });

  test("is dropped once and for all for a model that refuses it", async () => {
    await using bench = await createBench({ maxRetries: 0 }, { pipeline: "stable-diffusion-3" });
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
    await using bench = await createBench({ maxRetries: 0 });
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
    await using bench = await createBench({}, { modelNames: ["redhat dog/sd3"] });
    assert.equal(await bench.client.resolveModelName(), "redhat dog/sd3");
    assert.equal((await bench.generate()).metadata.model_name, "redhat dog/sd3");
  });

  test("is the default when several are served", async () => {
    await using bench = await createBench({}, { modelNames: ["sdxl", "stable-diffusion"] });
    assert.equal(await bench.client.resolveModelName(), "stable-diffusion");
  });

  test("may stand in the endpoint", async () => {
    await using bench = await createBench({}, { modelNames: ["a", "b"] });
    const client = new KServeClient({ endpoint: `${bench.runtime.url}/v1/models/b:predict` });
    assert.equal((await client.generateImage(REQUEST)).metadata.model_name, "b");
    await client.close();
  });

  test("that is unknown fails without a prediction and lists the names served", async () => {
    await using bench = await createBench({ modelName: "nope" });
    const error = await failureOf(bench.generate());
    assert.equal(error.code, "model_not_found");
    assert.equal(error.details["model_name"], "nope");
    assert.deepEqual(error.details["served_models"], ["model"]);
    assert.equal(bench.runtime.posts.length, 0);
  });
});

suite("KServeClient, waking", () => {
  test("asks for readiness before a job, unless the model answered within 60 s", async () => {
    await using bench = await createBench({ modelName: "model" });
    const gets = (): number => bench.runtime.requests.length - bench.runtime.posts.length;
    await bench.generate();
    assert.equal(gets(), 1);
    await bench.generate();
    assert.equal(gets(), 1);
    await bench.clock.advance(60_000);
    await bench.generate();
    assert.equal(gets(), 2);
  });

  test("waits for a model that is loading without taking retries", async () => {
    await using bench = await createBench({ modelName: "model", maxRetries: 1 });
    bench.runtime.readiness = "not_ready";
    let wakings = 0;
    const image = await bench.client.generateImage(REQUEST, {
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
    await using bench = await createBench({ modelName: "model", maxRetries: 0 });
    bench.runtime.readiness = "not_ready";
    const error = await failureOf(bench.generate());
    assert.equal(error.code, "model_not_ready");
    assert.equal(error.retryable, true);
    assert.equal(bench.runtime.posts.length, 0);
  });

  test("takes a silent server for busy and sends the job when waking has had its time", async () => {
    await using bench = await createBench({ modelName: "model", deadlineSeconds: 90 });
    bench.runtime.readiness = "hang";
    const work = bench.generate();
    await bench.runtime.waitForRequests("GET");
    await bench.clock.waitForSleepers(2);
    await bench.clock.advance(30_000);
    assert.equal((await work).metadata.model_name, "model");
  });

  test("leaves a server without a readiness route to the job", async () => {
    await using bench = await createBench({ modelName: "model" });
    bench.runtime.readiness = "no_route";
    assert.equal((await bench.generate()).metadata.model_name, "model");
  });
});

suite("KServeClient, retries", () => {
  const notExecuted: [string, keyof typeof HOP_ANSWERS, ErrorCode][] = [
    ["a full queue", "queueFull", "upstream_busy"],
    ["an overloaded activator", "activatorOverload", "upstream_busy"],
    ["too many requests", "tooManyRequests", "upstream_busy"],
    ["no connection behind Envoy", "envoyNoConnection", "upstream_unavailable"],
    ["no healthy upstream", "envoyNoHealthy", "upstream_unavailable"],
    ["a router without an application", "routerNoApplication", "upstream_unavailable"],
    ["a model that is not ready", "modelNotReady", "model_not_ready"],
    ["a refused connection behind a proxy", "proxyRefused", "upstream_unavailable"],
  ];
  for (const [title, answer, code] of notExecuted) {
    test(`repeat the job after ${title}`, async () => {
      await using bench = await createBench();
      const behaviour = { kind: "answer", answer: HOP_ANSWERS[answer] } as const;
      bench.runtime.script(behaviour, behaviour);
      await bench.generate();
      assert.equal(bench.runtime.posts.length, 3);
      bench.runtime.script(behaviour, behaviour, behaviour, behaviour);
      const error = await failureOf(bench.generate());
      assert.equal(error.code, code);
      assert.equal("maybe_running" in error.details, false);
      assert.equal(bench.runtime.posts.length, 7);
    });
  }

  const perhapsExecuted: [string, keyof typeof HOP_ANSWERS, ErrorCode][] = [
    ["a timeout of the activator", "activatorTimeout", "upstream_timeout"],
    ["a timeout of the queue proxy", "queueProxyTimeout", "upstream_timeout"],
    ["a timeout of Envoy", "envoyTimeout", "upstream_timeout"],
    ["a timeout of HAProxy", "haproxyTimeout", "upstream_timeout"],
    ["a connection that Envoy lost", "envoyConnectionLost", "upstream_connection_lost"],
    ["a connection that a proxy lost", "proxyEof", "upstream_connection_lost"],
  ];
  for (const [title, answer, code] of perhapsExecuted) {
    test(`never repeat the job after ${title}, and the error says that it may be running`, async () => {
      await using bench = await createBench();
      bench.runtime.script({ kind: "answer", answer: HOP_ANSWERS[answer] });
      const error = await failureOf(bench.generate());
      assert.equal(error.code, code);
      assert.equal(error.details["maybe_running"], true);
      assert.equal(bench.runtime.posts.length, 1);
    });
  }

  const refused: [string, keyof typeof HOP_ANSWERS, ErrorCode][] = [
    ["missing credentials", "unauthorized", "upstream_auth_failed"],
    ["a missing right", "forbidden", "upstream_auth_failed"],
    ["a login page", "loginPage", "upstream_auth_failed"],
    ["a redirect", "loginRedirect", "upstream_redirected"],
    ["a wrong route", "wrongRoute", "not_a_kserve_endpoint"],
  ];
  for (const [title, answer, code] of refused) {
    test(`never follow ${title}`, async () => {
      await using bench = await createBench();
      bench.runtime.script({ kind: "answer", answer: HOP_ANSWERS[answer] });
      const error = await failureOf(bench.generate());
      assert.equal(error.code, code);
      assert.equal(bench.runtime.posts.length, 1);
    });
  }

  test("back off with full jitter, doubling from 1 s", async () => {
    await using bench = await createBench({ maxRetries: 6 });
    const behaviour = { kind: "answer", answer: HOP_ANSWERS.queueFull } as const;
    bench.runtime.script(behaviour, behaviour, behaviour, behaviour, behaviour, behaviour);
    await bench.generate();
    assert.deepEqual(delaysOf(bench), [500, 1000, 2000, 4000, 7500, 7500]);
  });

  test("honour Retry-After in seconds and as a date", async () => {
    await using bench = await createBench();
    const after = (value: string) =>
      ({ kind: "answer", answer: { ...HOP_ANSWERS.queueFull, headers: { "retry-after": value } } }) as const;
    bench.runtime.script(after("3"), after(new Date(bench.clock.nowMs() + 13_000).toUTCString()));
    await bench.generate();
    assert.deepEqual(delaysOf(bench), [3000, 10_000]);
  });

  test("do not begin a pause that the deadline would cut", async () => {
    await using bench = await createBench({ deadlineSeconds: 120 });
    bench.runtime.script({
      kind: "answer",
      answer: { ...HOP_ANSWERS.queueFull, headers: { "retry-after": "3600" } },
    });
    const error = await failureOf(bench.generate());
    assert.equal(error.code, "upstream_busy");
    assert.equal(error.details["retry_after_seconds"], 3600);
    assert.deepEqual(delaysOf(bench), []);
  });

  test("follow out of memory once, after 5 s", async () => {
    await using bench = await createBench();
    const behaviour = { kind: "answer", answer: HOP_ANSWERS.outOfMemory } as const;
    bench.runtime.script(behaviour);
    await bench.generate();
    assert.deepEqual(delaysOf(bench), [5000]);
    bench.runtime.script(behaviour, behaviour);
    assert.equal((await failureOf(bench.generate())).code, "out_of_memory");
    assert.equal(bench.runtime.posts.length, 4);
  });

  test("repeat a job whose connection was reset at once, without an answer", async () => {
    await using bench = await createBench();
    bench.runtime.script({ kind: "reset", afterFraction: 0 });
    await bench.generate();
    assert.equal(bench.runtime.posts.length, 2);
  });

  test("do not repeat a job whose connection was reset later", async () => {
    await using bench = await createBench();
    bench.runtime.script({ kind: "hang" });
    const work = failureOf(bench.generate());
    await bench.runtime.waitForRequests("POST");
    await bench.clock.advance(1000);
    await bench.runtime.close();
    const error = await work;
    assert.equal(error.code, "upstream_connection_lost");
    assert.deepEqual(error.details, { elapsed_seconds: 1, maybe_running: true });
  });

  test("reach nobody when nobody listens, as often as allowed", async () => {
    await using bench = await createBench({ maxRetries: 2 });
    await bench.runtime.close();
    const error = await failureOf(bench.generate());
    assert.equal(error.code, "upstream_unavailable");
    assert.deepEqual(delaysOf(bench), [500, 1000]);
  });
});

suite("KServeClient, limits of time", () => {
  test("gives up on a silent job after timeoutSeconds, counted from the send", async () => {
    await using bench = await createBench({ timeoutSeconds: 20 });
    bench.runtime.script({ kind: "hang" });
    const work = failureOf(bench.generate());
    await bench.runtime.waitForRequests("POST");
    await bench.clock.advance(20_000);
    const error = await work;
    assert.equal(error.code, "upstream_timeout");
    assert.deepEqual(error.details, { elapsed_seconds: 20, maybe_running: true });
    assert.equal(bench.runtime.posts.length, 1);
  });

  test("gives up on a body that falls silent for 30 s", async () => {
    await using bench = await createBench({ timeoutSeconds: 10_000 });
    bench.runtime.script({ kind: "stall", afterFraction: 0.5 });
    const work = failureOf(bench.generate());
    let isSettled = false;
    void work.finally(() => (isSettled = true));
    await bench.runtime.waitForRequests("POST");
    while (!isSettled) await bench.clock.advance(1000);
    const error = await work;
    assert.equal(error.code, "upstream_timeout");
    assert.match(error.message, /: no more of the answer after \d+ s$/);
    assert.equal(error.details["maybe_running"], true);
  });

  test("names the hop that cut a job at its usual moment", async () => {
    await using bench = await createBench();
    bench.runtime.script({ kind: "hold", answer: HOP_ANSWERS.haproxyTimeout });
    const work = failureOf(bench.generate());
    await bench.runtime.waitForRequests("POST");
    await bench.clock.advance(30_000);
    bench.runtime.release();
    const error = await work;
    assert.equal(error.details["elapsed_seconds"], 30);
    assert.match(String(error.details["hint"]), /^An OpenShift route .* spec\.predictor\.timeout$/);
  });

  test("has one deadline over waking and drawing", async () => {
    await using bench = await createBench({ timeoutSeconds: 60, deadlineSeconds: 40 });
    bench.runtime.script({ kind: "hang" });
    const work = failureOf(bench.generate());
    await bench.runtime.waitForRequests("POST");
    await bench.clock.advance(40_000);
    const error = await work;
    assert.equal(error.code, "upstream_timeout");
    assert.deepEqual(error.details, { elapsed_seconds: 40, maybe_running: true });
  });
});

suite("KServeClient.healthCheck()", () => {
  test("is true for a ready model and false for a missing, loading or unreachable one", async () => {
    await using bench = await createBench({ modelName: "model" });
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
    await using bench = await createBench({ modelName: "model" });
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
    await using bench = await createBench();
    assert.equal(await bench.client.healthCheck({ signal: AbortSignal.abort() }), false);
  });

  test("is true without a readiness route once a picture was drawn", async () => {
    await using bench = await createBench({ modelName: "model" });
    bench.runtime.readiness = "no_route";
    await bench.generate();
    assert.equal(await bench.client.healthCheck(), true);
  });
});

suite("KServeClient.describeModel()", () => {
  test("says what is served and how it is", async () => {
    await using bench = await createBench();
    assert.deepEqual(await bench.client.describeModel(), {
      modelName: "model",
      servedModels: ["model"],
      state: "ready",
    });
    await bench.runtime.close();
    assert.deepEqual(await bench.client.describeModel(), {
      modelName: "model",
      servedModels: undefined,
      state: "unreachable",
      errorCode: "upstream_unavailable",
    });
  });
});

suite("KServeClient.close()", () => {
  test("waits for the picture in flight and may be called twice", async () => {
    await using bench = await createBench();
    bench.runtime.script({ kind: "hold" });
    const work = bench.generate();
    await bench.runtime.waitForRequests("POST");
    const closed = Promise.all([bench.client.close(), bench.client.close()]);
    bench.runtime.release();
    await closed;
    assert.equal((await work).metadata.model_name, "model");
  });
});

function delaysOf(bench: Bench): number[] {
  return bench.progress.flatMap((event) => (event.phase === "retrying" ? [event.delayMs] : []));
}
