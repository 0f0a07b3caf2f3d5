import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createKServeBench, failureOf } from "../testing/kserve-bench.ts";

const SD3 = { pipeline: "stable-diffusion-3" } as const;
const BROKEN_HANDLER = {
  kind: "answer",
  answer: { status: 500, body: `{"error":"AttributeError : 'numpy.ndarray' object has no attribute 'save'"}` },
} as const;

suite("KServeClient, sizes that a model does not draw", () => {
  test("are refused with the nearest ones, the second time without a call", async () => {
    await using bench = await createKServeBench({ modelName: "model" }, SD3);
    const error = await failureOf(bench.generate({ width: 100, height: 64 }));
    assert.equal(error.code, "upstream_rejected");
    assert.equal(
      error.publicMessage,
      "The model draws only pictures whose width and height are multiples of 16; nearest to width 100: 96 or 112",
    );
    assert.deepEqual(error.details, {
      field: "width",
      value: 100,
      allowed: "multiples of 16",
      nearest: ["96", "112"],
    });
    const asked = bench.runtime.requests.length;
    assert.equal((await failureOf(bench.generate({ width: 64, height: 2041 }))).details["field"], "height");
    assert.deepEqual((await failureOf(bench.generate({ width: 8 }))).details["nearest"], ["16"]);
    assert.equal(bench.runtime.requests.length, asked);
    await bench.generate();
  });

  test("become the nearest ones by KSERVE_SIZE_POLICY=snap, with a warning", async () => {
    await using bench = await createKServeBench({ sizePolicy: "snap" }, SD3);
    const first = await bench.generate({ width: 100, height: 71 });
    assert.deepEqual([first.metadata.width, first.metadata.height], [96, 64]);
    assert.deepEqual(first.metadata.warnings, [
      "The model draws only multiples of 16: width 100 became 96",
      "The model draws only multiples of 16: height 71 became 64",
      "The model does not take a seed, so this picture cannot be repeated",
    ]);
    const posts = bench.runtime.posts.length;
    const second = await bench.generate({ width: 2047, height: 1 });
    assert.deepEqual([second.metadata.width, second.metadata.height], [2048, 16]);
    assert.equal(bench.runtime.posts.length, posts + 1);
  });

  test("are learned anew after an hour, as the model may be another", async () => {
    await using bench = await createKServeBench({ modelName: "model" }, SD3);
    await failureOf(bench.generate({ width: 100 }));
    const posts = bench.runtime.posts.length;
    await bench.clock.advance(3_600_000);
    await failureOf(bench.generate({ width: 100 }));
    assert.equal(bench.runtime.posts.length > posts, true);
  });

  test("do not make it repeat a job that a model refuses whatever its size", async () => {
    await using bench = await createKServeBench({ sizePolicy: "snap" });
    const answer = { status: 400, body: `{"error":"Prediction failed: must be divisible by 8 but are 64 and 64."}` };
    bench.runtime.script({ kind: "answer", answer });
    const error = await failureOf(bench.generate());
    assert.equal(error.code, "upstream_rejected");
    assert.equal(bench.runtime.posts.length, 1);
  });
});

suite("KServeClient, a runtime that insists on a scheduler", () => {
  test("gets one, once found out with every job", async () => {
    await using bench = await createKServeBench({ scheduler: "DPM++ 2M" });
    bench.runtime.script(BROKEN_HANDLER);
    const image = await bench.generate();
    await bench.generate();
    assert.deepEqual(
      bench.runtime.instances.map(({ scheduler, seed }) => [scheduler, seed]),
      [
        [undefined, 7],
        ["DPM++ 2M", 7],
        ["DPM++ 2M", 7],
      ],
    );
    assert.deepEqual(image.metadata.warnings, ["The runtime insists on a scheduler; DPM++ 2M was sent"]);
  });

  test("is not asked a third time when it does not help", async () => {
    await using bench = await createKServeBench();
    bench.runtime.script(BROKEN_HANDLER, BROKEN_HANDLER);
    const error = await failureOf(bench.generate());
    assert.equal(error.code, "upstream_error");
    assert.match(String(error.details["hint"]), /KSERVE_SCHEDULER/);
    assert.equal(bench.runtime.posts.length, 2);
  });

  test("is obeyed for KSERVE_OMIT_PARAMS=scheduler as for one of KSERVE_EXTRA_PARAMS", async () => {
    for (const options of [{ omitParams: ["scheduler"] }, { extraParams: { scheduler: "Heun" } }]) {
      await using bench = await createKServeBench(options);
      bench.runtime.script(BROKEN_HANDLER);
      assert.equal((await failureOf(bench.generate())).code, "upstream_error");
      assert.equal(bench.runtime.posts.length, 1);
    }
  });
});

suite("KServeClient, the operator's parameters", () => {
  test("are sent with every job and win over the caller's, except over the prompt", async () => {
    const extraParams = { clip_skip: 2, num_inference_steps: 8, prompt: "another", seed: 5 };
    await using bench = await createKServeBench({ extraParams });
    const image = await bench.generate({ numInferenceSteps: 50, seed: 1 });
    assert.deepEqual(bench.runtime.instances, [
      { prompt: "a red fox", width: 64, height: 64, num_inference_steps: 8, seed: 5, clip_skip: 2 },
    ]);
    assert.equal(image.metadata.num_inference_steps, 8);
    assert.equal(image.metadata.seed, 5);
  });

  test("are named when the model refuses them, and not sent again", async () => {
    await using bench = await createKServeBench({ extraParams: { clip_skip: 2 } });
    const answer = {
      status: 400,
      body: `{"error":"Prediction failed: X.__call__() got an unexpected keyword argument 'clip_skip'"}`,
    };
    bench.runtime.script({ kind: "answer", answer });
    const error = await failureOf(bench.generate());
    assert.equal(error.details["hint"], "Take clip_skip out of KSERVE_EXTRA_PARAMS");
    assert.equal(bench.runtime.posts.length, 1);
  });

  test("are left out by KSERVE_OMIT_PARAMS, with a warning when the caller gave them", async () => {
    await using bench = await createKServeBench({ omitParams: ["negative_prompt", "guidance_scale"] });
    const image = await bench.generate({ negativePrompt: "rain" });
    assert.deepEqual(bench.runtime.instances, [{ prompt: "a red fox", width: 64, height: 64, seed: 7 }]);
    assert.deepEqual(image.metadata.warnings, ["The model does not take negative_prompt; it was left out"]);
    assert.equal("negative_prompt" in image.metadata, false);
  });
});

test("KServeClient passes on a traceparent of the right form, with every request", async () => {
  await using bench = await createKServeBench();
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await bench.generate({}, { traceparent });
  assert.equal(bench.runtime.requests.length > 1, true);
  for (const { headers } of bench.runtime.requests) assert.equal(headers["traceparent"], traceparent);
  const asked = bench.runtime.requests.length;
  await bench.generate({}, { traceparent: "x\r\ny" });
  assert.equal("traceparent" in (bench.runtime.requests[asked]?.headers ?? {}), false);
});
