import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createPrometheusMetrics } from "../telemetry/prometheus-metrics.ts";
import { HOP_ANSWERS } from "../testing/hop-answers.ts";
import { createKServeBench, failureOf, type KServeBench } from "../testing/kserve-bench.ts";
import type { KServeClientOptions } from "./kserve-client.ts";
import type { CircuitState } from "./upstream-observer.ts";

const SERVER_ERROR = { kind: "answer", answer: { status: 500, body: `{"error":"RuntimeError : x"}` } } as const;

async function createCircuitBench(
  options: Partial<KServeClientOptions> = {},
): Promise<{ bench: KServeBench; states: CircuitState[]; codes: string[] }> {
  const states: CircuitState[] = [];
  const codes: string[] = [];
  const observer = {
    upstreamRequestEnded: (code: string) => codes.push(code),
    upstreamCircuitChanged: (state: CircuitState) => states.push(state),
  };
  const bench = await createKServeBench({ observer, modelName: "model", maxRetries: 0, ...options });
  return { bench, states, codes };
}

async function fail(bench: KServeBench, times: number): Promise<void> {
  bench.runtime.script(...Array.from({ length: times }, () => SERVER_ERROR));
  for (let time = 0; time < times; time++) {
    assert.equal((await failureOf(bench.generate())).code, "upstream_error");
  }
}

suite("CircuitBreaker", () => {
  test("opens after 5 server errors in a row, and then fails at once without a request", async () => {
    const { bench, states } = await createCircuitBench();
    await using _ = bench;
    await fail(bench, 4);
    await bench.generate();
    await fail(bench, 5);
    const asked = bench.runtime.requests.length;
    const error = await failureOf(bench.generate());
    assert.equal(error.code, "upstream_unavailable");
    assert.deepEqual(error.details, { circuit: "open", retry_after_seconds: 5 });
    assert.equal(error.publicMessage, "The model server fails; it is asked again in 5 s");
    assert.equal(await bench.client.healthCheck(), false);
    assert.equal(bench.runtime.requests.length, asked);
    assert.deepEqual(states, ["open"]);
  });

  test("opens when nobody listens, over the attempts of several calls", async () => {
    const { bench, states } = await createCircuitBench({ maxRetries: 3 });
    await using _ = bench;
    await bench.runtime.close();
    await failureOf(bench.generate());
    assert.deepEqual(states, []);
    assert.equal((await failureOf(bench.generate())).details["circuit"], "open");
    assert.deepEqual(states, ["open"]);
  });

  for (const [title, answer] of [
    ["timeouts of a hop", HOP_ANSWERS.envoyTimeout],
    ["refused parameters", { status: 400, body: `{"error":"Prediction failed: no"}` }],
    ["too many requests", HOP_ANSWERS.tooManyRequests],
    ["missing credentials", HOP_ANSWERS.unauthorized],
    ["jobs that are too large for the memory", { ...HOP_ANSWERS.outOfMemory, status: 500 }],
  ] as const) {
    test(`does not count ${title}`, async () => {
      const { bench, states } = await createCircuitBench();
      await using _ = bench;
      for (let time = 0; time < 8; time++) {
        bench.runtime.script({ kind: "answer", answer });
        await failureOf(bench.generate());
      }
      await bench.generate();
      assert.deepEqual(states, []);
    });
  }

  test("is probed by one GET at the end of a pause, never by a job, and a success closes it", async () => {
    const { bench, states } = await createCircuitBench();
    await using _ = bench;
    await fail(bench, 5);
    bench.runtime.readiness = "not_ready";
    await bench.clock.advance(5000);
    const asked = bench.runtime.requests.length;
    const errors = await Promise.all([failureOf(bench.generate()), failureOf(bench.generate())]);
    assert.deepEqual(
      errors.map((error) => error.details["retry_after_seconds"]),
      [10, 1],
    );
    assert.deepEqual(
      bench.runtime.requests.slice(asked).map(({ method }) => method),
      ["GET"],
    );
    bench.runtime.readiness = "ready";
    await bench.clock.advance(10_000);
    await bench.generate();
    assert.deepEqual(states, ["open", "half_open", "closed"]);
    await fail(bench, 4);
    await bench.generate();
    assert.deepEqual(states, ["open", "half_open", "closed"]);
  });

  test("opens again after one failure on trial, for twice as long, at most 60 s", async () => {
    const { bench, states } = await createCircuitBench();
    await using _ = bench;
    await fail(bench, 5);
    for (const seconds of [5, 10, 20, 40, 60, 60]) {
      assert.equal((await failureOf(bench.generate())).details["retry_after_seconds"], seconds);
      await bench.clock.advance(seconds * 1000);
      await fail(bench, 1);
    }
    assert.deepEqual(states.slice(0, 5), ["open", "half_open", "open", "half_open", "open"]);
  });

  test("is probed by a health check as well", async () => {
    const { bench, states } = await createCircuitBench();
    await using _ = bench;
    await fail(bench, 5);
    await bench.clock.advance(5000);
    assert.equal(await bench.client.healthCheck(), true);
    assert.deepEqual(states, ["open", "half_open"]);
  });

  test("learns nothing from a caller who gives up while it asks", async () => {
    const { bench, states } = await createCircuitBench();
    await using _ = bench;
    await fail(bench, 5);
    await bench.clock.advance(5000);
    bench.runtime.readiness = "hang";
    const asked = bench.runtime.requests.length;
    const caller = new AbortController();
    const work = failureOf(bench.generate({}, { signal: caller.signal }));
    await bench.runtime.waitForRequests(
      "GET",
      bench.runtime.requests.filter(({ method }) => method === "GET").length + 1,
    );
    assert.equal(bench.runtime.requests.length, asked + 1);
    caller.abort();
    assert.equal((await work).code, "cancelled");
    bench.runtime.readiness = "ready";
    await bench.generate();
    assert.deepEqual(states, ["open", "half_open", "closed"]);
  });

  test("holds a storm of failures to one question per pause", async () => {
    const { bench } = await createCircuitBench();
    await using _ = bench;
    await fail(bench, 5);
    bench.runtime.readiness = "not_ready";
    const asked = bench.runtime.requests.length;
    for (let second = 0; second < 60; second++) {
      await Promise.all(Array.from({ length: 50 }, async () => failureOf(bench.generate())));
      await bench.clock.advance(1000);
    }
    // At 5, 15 and 35 s; the next is due at 75 s.
    assert.equal(bench.runtime.requests.length - asked, 3);
  });
});

test("KServeClient tells its observer how every request ended", async () => {
  const { bench, codes } = await createCircuitBench();
  await using _ = bench;
  await bench.generate();
  bench.runtime.script(SERVER_ERROR);
  await failureOf(bench.generate());
  await bench.runtime.close();
  await failureOf(bench.generate());
  assert.deepEqual(codes, ["200", "200", "500", "none"]);
});

test("createPrometheusMetrics() shows the requests and the circuit of a KServeClient", async () => {
  const queue = () => ({ waiting: 0, running: 0 });
  const observer = createPrometheusMetrics({ version: "0", queue, sessions: () => 0 });
  await using bench = await createKServeBench({ observer, modelName: "model", maxRetries: 0, protocol: "v1" });
  await bench.generate();
  assert.match(await observer.print(), /^upstream_circuit_state 0$/m);
  await fail(bench, 5);
  const printed = await observer.print();
  assert.match(printed, /^upstream_circuit_state 2$/m);
  assert.match(printed, /^upstream_requests_total\{code="500"\} 5$/m);
});
