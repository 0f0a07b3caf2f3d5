import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ErrorCode } from "../core/errors.ts";
import type { FakeAnswer } from "../testing/fake-kserve-runtime.ts";
import { HOP_ANSWERS } from "../testing/hop-answers.ts";
import { advanceUntil, BENCH_REQUEST, createKServeBench, delaysOf, failureOf } from "../testing/kserve-bench.ts";

// Proves: KSERVE-3, KSERVE-7, KSERVE-8
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
      await using bench = await createKServeBench();
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
      await using bench = await createKServeBench();
      bench.runtime.script({ kind: "answer", answer: HOP_ANSWERS[answer] });
      const error = await failureOf(bench.generate());
      assert.equal(error.code, code);
      assert.equal(error.details["maybe_running"], true);
      assert.equal(bench.runtime.posts.length, 1);
    });
  }

  const refused: [string, FakeAnswer, ErrorCode, RegExp][] = [
    ["missing credentials", HOP_ANSWERS.unauthorized, "upstream_auth_failed", /KSERVE_AUTH_TOKEN_FILE/],
    ["a missing right", HOP_ANSWERS.forbidden, "upstream_auth_failed", /Role .* get .*inferenceservices/],
    ["a mesh's policy", { status: 403, body: "RBAC: access denied" }, "upstream_auth_failed", /AuthorizationPolicy/],
    ["a login page", HOP_ANSWERS.loginPage, "upstream_auth_failed", /a person to log in/],
    ["a redirect to a login", HOP_ANSWERS.loginRedirect, "upstream_redirected", /redirects to a login/],
    [
      "a redirect to https",
      { status: 302, headers: { location: "https://x/v1" }, body: "" },
      "upstream_redirected",
      /^Begin KSERVE_ENDPOINT with https/,
    ],
    ["a wrong path", HOP_ANSWERS.wrongRoute, "not_a_kserve_endpoint", /the path of KSERVE_ENDPOINT/],
    ["a wrong host", { status: 404, body: "" }, "not_a_kserve_endpoint", /KSERVE_HOST_HEADER/],
    [
      "a server that speaks TLS",
      { status: 400, body: "Client sent an HTTP request to an HTTPS server.\n" },
      "not_a_kserve_endpoint",
      /^Begin KSERVE_ENDPOINT with https/,
    ],
  ];
  for (const [title, answer, code, hint] of refused) {
    test(`never follow ${title}, and say what to change`, async () => {
      await using bench = await createKServeBench();
      bench.runtime.script({ kind: "answer", answer });
      const error = await failureOf(bench.generate());
      assert.equal(error.code, code);
      assert.match(String(error.details["hint"]), hint);
      assert.equal(bench.runtime.posts.length, 1);
    });
  }

  test("back off with full jitter, doubling from 1 s", async () => {
    await using bench = await createKServeBench({ maxRetries: 6 });
    const behaviour = { kind: "answer", answer: HOP_ANSWERS.tooManyRequests } as const;
    bench.runtime.script(behaviour, behaviour, behaviour, behaviour, behaviour, behaviour);
    await bench.generate();
    assert.deepEqual(delaysOf(bench), [500, 1000, 2000, 4000, 7500, 7500]);
  });

  test("honour Retry-After in seconds and as a date", async () => {
    await using bench = await createKServeBench();
    const after = (value: string) =>
      ({ kind: "answer", answer: { ...HOP_ANSWERS.queueFull, headers: { "retry-after": value } } }) as const;
    bench.runtime.script(after("3"), after(new Date(bench.clock.nowMs() + 13_000).toUTCString()));
    await bench.generate();
    assert.deepEqual(delaysOf(bench), [3000, 10_000]);
  });

  test("do not begin a pause that the deadline would cut", async () => {
    await using bench = await createKServeBench({ deadlineSeconds: 120 });
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
    await using bench = await createKServeBench();
    const behaviour = { kind: "answer", answer: HOP_ANSWERS.outOfMemory } as const;
    bench.runtime.script(behaviour);
    await bench.generate();
    assert.deepEqual(delaysOf(bench), [5000]);
    bench.runtime.script(behaviour, behaviour);
    assert.equal((await failureOf(bench.generate())).code, "out_of_memory");
    assert.equal(bench.runtime.posts.length, 4);
  });

  test("repeat a job whose connection was reset at once, without an answer", async () => {
    await using bench = await createKServeBench();
    bench.runtime.script({ kind: "reset", afterFraction: 0 });
    await bench.generate();
    assert.equal(bench.runtime.posts.length, 2);
  });

  test("do not repeat a job whose connection was reset later", async () => {
    await using bench = await createKServeBench();
    bench.runtime.script({ kind: "hang" });
    const work = failureOf(bench.generate());
    await bench.runtime.waitForRequests("POST");
    await bench.clock.advance(1000);
    await bench.runtime.close();
    const error = await work;
    assert.equal(error.code, "upstream_connection_lost");
    assert.deepEqual(error.details, { elapsed_seconds: 1, maybe_running: true });
  });

  test("keep the process alive in a pause", async () => {
    await using bench = await createKServeBench({ maxRetries: 1 });
    await bench.runtime.close();
    const countTimers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = countTimers();
    let during = 0;
    await failureOf(
      bench.client.generateImage(BENCH_REQUEST, {
        onProgress: (event) => {
          if (event.phase !== "retrying") return;
          during = countTimers();
          void bench.clock.advance(event.delayMs);
        },
      }),
    );
    assert.equal(during, before + 1);
    assert.equal(countTimers(), before);
  });

  test("reach nobody when nobody listens, as often as allowed", async () => {
    await using bench = await createKServeBench({ maxRetries: 2 });
    await bench.runtime.close();
    const error = await failureOf(bench.generate());
    assert.equal(error.code, "upstream_unavailable");
    assert.deepEqual(delaysOf(bench), [500, 1000]);
  });
});

// Proves: KSERVE-14
suite("KServeClient with nothing set", () => {
  test("repeats a job three times", async () => {
    await using bench = await createKServeBench();
    await bench.runtime.close();
    assert.equal((await failureOf(bench.generate())).code, "upstream_unavailable");
    assert.equal(delaysOf(bench).length, 3);
  });

  test("gives up on a silent job after 60 s", async () => {
    await using bench = await createKServeBench();
    bench.runtime.script({ kind: "hang" });
    const work = failureOf(bench.generate());
    await bench.runtime.waitForRequests("POST");
    await bench.clock.advance(60_000);
    assert.partialDeepStrictEqual((await work).details, { elapsed_seconds: 60 });
  });
});

suite("KServeClient, budget of retries", () => {
  test("spends at most 10 retries on an endpoint that never succeeds", async () => {
    await using bench = await createKServeBench({ maxRetries: 10 });
    const behaviour = { kind: "answer", answer: HOP_ANSWERS.tooManyRequests } as const;
    bench.runtime.script(...Array.from({ length: 12 }, () => behaviour));
    assert.equal((await failureOf(bench.generate())).code, "upstream_busy");
    assert.equal(bench.runtime.posts.length, 11);
    assert.equal((await failureOf(bench.generate())).code, "upstream_busy");
    assert.equal(bench.runtime.posts.length, 12);
  });

  test("gains a retry with every 10 pictures", async () => {
    await using bench = await createKServeBench({ maxRetries: 10 });
    const behaviour = { kind: "answer", answer: HOP_ANSWERS.tooManyRequests } as const;
    bench.runtime.script(...Array.from({ length: 11 }, () => behaviour));
    await failureOf(bench.generate());
    for (let picture = 0; picture < 9; picture++) await bench.generate();
    bench.runtime.script(behaviour);
    await failureOf(bench.generate());
    await bench.generate();
    bench.runtime.script(behaviour);
    await bench.generate();
  });
});

suite("KServeClient, limits of time", () => {
  test("gives up on a silent job after timeoutSeconds, counted from the send", async () => {
    await using bench = await createKServeBench({ timeoutSeconds: 20 });
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
    await using bench = await createKServeBench({ timeoutSeconds: 10_000 });
    bench.runtime.script({ kind: "stall", afterFraction: 0.5 });
    const work = failureOf(bench.generate());
    await bench.runtime.waitForRequests("POST");
    const error = await advanceUntil(bench, work);
    assert.equal(error.code, "upstream_timeout");
    assert.match(error.message, /: no more of the answer after \d+ s$/);
    assert.equal(error.details["maybe_running"], true);
  });

  const cuts: [keyof typeof HOP_ANSWERS, number, string][] = [
    [
      "haproxyTimeout",
      30,
      "Cut after 30 s by the OpenShift route or its auth proxy (30 s by default): set spec.predictor.timeout",
    ],
    ["haproxyTimeout", 60, "Cut after 60 s by a gateway or an ingress (60 s by default): set spec.predictor.timeout"],
    [
      "proxyEof",
      30,
      "Cut after 30 s by the OpenShift route or its auth proxy (30 s by default): set spec.predictor.timeout",
    ],
    ["queueProxyTimeout", 45, "Cut after 45 s by Knative's queue proxy: set spec.predictor.timeout"],
    [
      "activatorTimeout",
      300,
      "Cut after 300 s by Knative's activator, before the model was up: set spec.predictor.timeout",
    ],
    [
      "envoyTimeout",
      15,
      "Cut after 15 s by the Envoy gateway: set spec.predictor.timeout, or the timeout of its route",
    ],
  ];
  for (const [answer, seconds, hint] of cuts) {
    test(`names the hop that cut a job after ${seconds} s by its words or its moment: ${answer}`, async () => {
      await using bench = await createKServeBench({ timeoutSeconds: 600 });
      bench.runtime.script({ kind: "hold", answer: HOP_ANSWERS[answer] });
      const work = failureOf(bench.generate());
      await bench.runtime.waitForRequests("POST");
      await bench.clock.advance(seconds * 1000);
      bench.runtime.release();
      const error = await work;
      assert.equal(error.details["elapsed_seconds"], seconds);
      assert.equal(error.details["hint"], hint);
    });
  }

  test("names the hop that lost a connection at its usual moment", async () => {
    await using bench = await createKServeBench({ timeoutSeconds: 600 });
    bench.runtime.script({ kind: "hang" });
    const work = failureOf(bench.generate());
    await bench.runtime.waitForRequests("POST");
    await bench.clock.advance(60_000);
    await bench.runtime.close();
    assert.match(String((await work).details["hint"]), /^Cut after 60 s by a gateway or an ingress/);
  });

  test("has one deadline over waking and drawing", async () => {
    await using bench = await createKServeBench({ timeoutSeconds: 60, deadlineSeconds: 40 });
    bench.runtime.script({ kind: "hang" });
    const work = failureOf(bench.generate());
    await bench.runtime.waitForRequests("POST");
    await bench.clock.advance(40_000);
    const error = await work;
    assert.equal(error.code, "upstream_timeout");
    assert.deepEqual(error.details, { elapsed_seconds: 40, maybe_running: true });
  });
});
