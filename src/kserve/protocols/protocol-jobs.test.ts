import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { V2Mapping } from "../../config/v2-mapping.ts";
import {
  createKServeV2Face,
  createMlServerFace,
  createOvmsFace,
  createTritonFace,
  createVllmOmniFace,
  type FakeFace,
} from "../../testing/fake-faces.ts";
import { createKServeBench, failureOf } from "../../testing/kserve-bench.ts";
import { bodiesOf, createProtocolBench, requestsOf, tensorsOf } from "../../testing/protocol-bench.ts";
import { drawTestPicture } from "../../testing/test-picture.ts";
import { parseEndpoint } from "../endpoint.ts";
import { toSameOriginPath } from "../same-origin-path.ts";

suite("KServeClient in V2", () => {
  test("sends what the model lists, the seed as a parameter, and names what it left out", async () => {
    await using bench = await createProtocolBench(createTritonFace({ output: "pixels" }), {
      modelName: "stable_diffusion",
    });
    const { imageData, metadata } = await bench.generate({ seed: 9, numInferenceSteps: 4 });
    assert.deepEqual(imageData, drawTestPicture({ prompt: "a red fox", width: 64, height: 64, seed: 9 }));
    assert.deepEqual(bodiesOf(bench), [
      {
        inputs: [
          { name: "prompt", datatype: "BYTES", shape: [1, 1], data: ["a red fox"] },
          { name: "negative_prompt", datatype: "BYTES", shape: [1, 1], data: [""] },
        ],
        outputs: [{ name: "generated_image", parameters: { binary_data: true } }],
        parameters: { seed: 9 },
      },
    ]);
    assert.deepEqual(metadata.warnings, [
      "The model does not take width; it was left out",
      "The model does not take height; it was left out",
      "The model does not take num_inference_steps; it was left out",
    ]);
    assert.deepEqual(metadata.seed_report, { requested: 9, sent: 9, echoed: null, honoured: "unknown" });
  });

  test("sends each value in the datatype and the rank that the model lists", async () => {
    const tensor = (name: string, datatype: string, rank = 1) => ({
      name,
      datatype,
      shape: Array<number>(rank).fill(-1),
    });
    const inputs = [
      tensor("TEXT", "BYTES", 2),
      tensor("image_width", "INT32"),
      tensor("height", "BYTES"),
      tensor("steps", "UINT16"),
      tensor("cfg_scale", "FP32", 2),
      tensor("random_seed", "INT32"),
    ];
    await using bench = await createProtocolBench(createKServeV2Face({ output: "base64", inputs }));
    await bench.generate({ numInferenceSteps: 4, guidanceScale: 7.5, seed: 4_294_967_295 });
    assert.deepEqual(tensorsOf(bench), {
      TEXT: ["BYTES", [1, 1], "a red fox"],
      image_width: ["INT32", [1], 64],
      height: ["BYTES", [1], "64"],
      steps: ["UINT16", [1], 4],
      cfg_scale: ["FP32", [1, 1], 7.5],
      random_seed: ["INT32", [1], -1],
    });
    assert.equal("parameters" in (bodiesOf(bench)[0] ?? {}), false);
  });

  test("refuses a fraction where the model takes whole numbers, and sends nothing", async () => {
    const inputs = [
      { name: "prompt", datatype: "BYTES", shape: [1] },
      { name: "guidance_scale", datatype: "INT32", shape: [1] },
    ];
    await using bench = await createProtocolBench(createKServeV2Face({ output: "base64", inputs }));
    const error = await failureOf(bench.generate({ guidanceScale: 7.5 }));
    assert.equal(error.code, "upstream_rejected");
    assert.equal(error.details["field"], "guidance_scale");
    assert.equal(bench.runtime.posts.length, 0);
  });

  test("takes the only text for the prompt, and refuses a model with none", async () => {
    const one = [{ name: "QUERY", datatype: "BYTES", shape: [-1] }];
    await using bench = await createProtocolBench(createKServeV2Face({ output: "base64", inputs: one }));
    await bench.generate();
    assert.deepEqual(tensorsOf(bench), { QUERY: ["BYTES", [1], "a red fox"] });
    const none = [{ name: "x", datatype: "FP32", shape: [-1, 4] }];
    await using other = await createProtocolBench(createKServeV2Face({ output: "base64", inputs: none }));
    const error = await failureOf(other.generate());
    assert.equal(error.code, "upstream_rejected");
    assert.match(String(error.details["hint"]), /KSERVE_V2_MAPPING/);
    assert.equal(other.runtime.posts.length, 0);
  });

  test("sends what the mapping names, whatever the metadata says", async () => {
    const v2Mapping: V2Mapping = {
      inputs: {
        prompt: { name: "6_text", shape: [1, 1] },
        width: { name: "5_width", datatype: "BYTES" },
        steps: { name: "3_steps", datatype: "INT64" },
        seed: { name: "3_seed" },
      },
      output: { name: "generated_image", parameters: { to_base64: true } },
      binary: false,
    };
    const face = createKServeV2Face({ output: "json", inputs: [] });
    await using bench = await createProtocolBench(face, { protocol: "v2", modelName: "model", v2Mapping });
    await bench.generate({ seed: 3, numInferenceSteps: 8 });
    assert.deepEqual(tensorsOf(bench), {
      "6_text": ["BYTES", [1, 1], "a red fox"],
      "5_width": ["BYTES", [1], "64"],
      "3_steps": ["INT64", [1], 8],
      "3_seed": ["INT64", [1], 3],
    });
    assert.deepEqual(bodiesOf(bench)[0]?.["outputs"], [{ name: "generated_image", parameters: { to_base64: true } }]);
    assert.deepEqual(requestsOf(bench).slice(0, 2), ["GET /v2/models/model", "GET /v2/models/model/ready"]);
  });

  test("sends a model that says nothing the usual names", async () => {
    const face = createKServeV2Face({ output: "base64", inputs: [] });
    await using bench = await createProtocolBench(face, { protocol: "v2" });
    await bench.generate({ negativePrompt: "blurry" });
    assert.deepEqual(Object.keys(tensorsOf(bench)), ["prompt", "negative_prompt", "width", "height"]);
    assert.deepEqual(bodiesOf(bench)[0]?.["parameters"], { seed: 7 });
  });

  test("sends an operator's own parameters as tensors that the model lists, else as parameters", async () => {
    const inputs = [
      { name: "prompt", datatype: "BYTES", shape: [1] },
      { name: "clip_skip", datatype: "INT32", shape: [1] },
      { name: "tiling", datatype: "BOOL", shape: [1] },
    ];
    const face = createKServeV2Face({ output: "base64", inputs });
    await using bench = await createProtocolBench(face, { extraParams: { clip_skip: 2, tiling: true, style: "oil" } });
    await bench.client.generateImage({ prompt: "x" });
    assert.deepEqual(tensorsOf(bench), {
      prompt: ["BYTES", [1], "x"],
      clip_skip: ["INT32", [1], 2],
      tiling: ["BOOL", [1], true],
    });
    assert.deepEqual(bodiesOf(bench)[0]?.["parameters"], { seed: 7, style: "oil" });
  });

  test("refuses an operator's parameter that is null or that Triton reserves, and sends nothing", async () => {
    for (const extraParams of [{ priority: 1 }, { triton_x: "y" }, { timeout: 5 }, { style: null }, { loras: ["a"] }]) {
      await using bench = await createProtocolBench(createKServeV2Face({ output: "base64" }), { extraParams });
      const error = await failureOf(bench.client.generateImage({ prompt: "x" }));
      assert.equal(error.code, "upstream_rejected");
      assert.match(String(error.details["hint"]), /KSERVE_EXTRA_PARAMS/);
      assert.equal(bench.runtime.posts.length, 0);
    }
  });

  test("waits for a model that Triton has not loaded yet, and asks it for its tensors then", async () => {
    const triton = createTritonFace({ output: "pixels", modelName: "m" });
    let isLoaded = false;
    const face: FakeFace = (request) => {
      if (isLoaded || !request.path.startsWith("/v2/models/m")) return triton(request);
      const error = "Request for unknown model: 'm' has no available versions";
      return request.path.endsWith("/ready")
        ? { status: 400, body: "" }
        : { status: 400, body: JSON.stringify({ error }) };
    };
    await using bench = await createProtocolBench(face, { modelName: "m", maxRetries: 1 });
    const image = await bench.client.generateImage(
      { prompt: "x" },
      {
        onProgress: ({ phase }) => {
          if (phase !== "waking" || bench.runtime.requests.length === 0) return;
          isLoaded = true;
          void bench.clock.advance(2000);
        },
      },
    );
    assert.equal(image.metadata.model_name, "m");
    assert.deepEqual(requestsOf(bench), [
      "GET /v1/models",
      "GET /v2",
      "GET /v2/models/m",
      "GET /v2/models/m/ready",
      "GET /v2/models/m",
      "GET /v2/models/m/ready",
      "POST /v2/models/m/infer",
    ]);
  });

  test("takes no more of an answer than pixels of the largest picture need", async () => {
    const face = createMlServerFace({ output: "pixels" });
    const long = (length: number) =>
      ({ kind: "answer", answer: { status: 200, body: JSON.stringify({ padding: "x".repeat(length) }) } }) as const;
    await using bench = await createProtocolBench(face, { modelName: "dalle", maxImageBytes: 10_000 });
    bench.runtime.script(long(49_000), long(51_000));
    assert.equal((await failureOf(bench.generate())).code, "no_image_in_response");
    assert.equal((await failureOf(bench.generate())).code, "image_too_large");
  });

  test("keeps the version that the URL names", async () => {
    await using bench = await createKServeBench({}, { face: createTritonFace({ output: "pixels" }) });
    const endpoint = `${bench.runtime.url}/v2/models/sd/versions/2/infer`;
    await using client = await createProtocolBench(createTritonFace({ output: "pixels" }), { endpoint });
    await failureOf(client.generate());
    assert.deepEqual(requestsOf(bench).slice(0, 4), [
      "GET /v2",
      "GET /v2/models/sd/versions/2",
      "GET /v2/models/sd/versions/2/ready",
      "POST /v2/models/sd/versions/2/infer",
    ]);
  });

  const outputs = ["base64", "bytes", "pixels", "floats", "json"] as const;
  for (const output of outputs) {
    for (const [title, face] of [
      ["as JSON", createMlServerFace({ output })],
      ["as bytes behind JSON", createTritonFace({ output, modelName: "dalle" })],
    ] as const) {
      test(`takes an output of ${output} ${title}`, async () => {
        await using bench = await createProtocolBench(face, { modelName: "dalle" });
        const { imageData } = await bench.generate({ seed: 2 });
        assert.deepEqual(imageData, drawTestPicture({ prompt: "a red fox", width: 64, height: 64, seed: 2 }));
      });
    }
  }

  test("has a long answer read aside, and a short one not", async () => {
    const lengths: number[] = [];
    const inputs = [
      { name: "prompt", datatype: "BYTES", shape: [1] },
      { name: "width", datatype: "INT32", shape: [1] },
      { name: "height", datatype: "INT32", shape: [1] },
    ];
    await using bench = await createProtocolBench(createMlServerFace({ output: "pixels", inputs }), {
      modelName: "dalle",
      readAside: async (body) => {
        lengths.push(body.length);
        return { kind: "picture", imageData: drawTestPicture({ prompt: "aside", width: 64, height: 64 }), report: {} };
      },
    });
    const short = await bench.generate({ seed: 2 });
    assert.deepEqual(short.imageData, drawTestPicture({ prompt: "a red fox", width: 64, height: 64, seed: 2 }));
    assert.deepEqual(lengths, []);
    const long = await bench.generate({ width: 320, height: 320 });
    assert.deepEqual(long.imageData, drawTestPicture({ prompt: "aside", width: 64, height: 64 }));
    assert.equal(lengths.length, 1);
    assert.ok((lengths[0] ?? 0) > 320 * 320 * 3 * 2);
  });

  test("knows the words of the servers for a model that they do not have", async () => {
    for (const [face, protocol] of [
      [createTritonFace({ output: "pixels" }), "v2"],
      [createMlServerFace({ output: "pixels" }), "v2"],
      [createOvmsFace(), "openai"],
    ] as const) {
      await using bench = await createProtocolBench(face, { protocol, modelName: "nope" });
      assert.equal((await failureOf(bench.generate())).code, "model_not_found");
    }
  });
});

suite("KServeClient in OpenAI's protocol", () => {
  test("sends one picture's size and asks for base64", async () => {
    await using bench = await createProtocolBench(createVllmOmniFace());
    await bench.generate({ width: 64, height: 128, negativePrompt: "blurry", numInferenceSteps: 4, guidanceScale: 3 });
    assert.deepEqual(bodiesOf(bench), [
      {
        model: "qwen-image",
        prompt: "a red fox",
        negative_prompt: "blurry",
        num_inference_steps: 4,
        guidance_scale: 3,
        n: 1,
        size: "64x128",
        response_format: "b64_json",
        seed: 7,
      },
    ]);
    await bench.client.generateImage({ prompt: "x" });
    await bench.client.generateImage({ prompt: "x", height: 64 });
    assert.deepEqual(
      bodiesOf(bench).map(({ size }) => size),
      ["64x128", undefined, "64x64"],
    );
  });

  test("names the seed as OpenVINO Model Server does", async () => {
    for (const [protocol, path] of [
      ["auto", ""],
      ["openai", ""],
      ["auto", "/v3"],
    ] as const) {
      await using server = await createProtocolBench(createOvmsFace());
      await using bench = await createProtocolBench(createOvmsFace(), {
        protocol,
        endpoint: server.runtime.url + path,
      });
      const { imageData } = await bench.generate({ seed: 3 });
      assert.deepEqual(imageData, drawTestPicture({ prompt: "a red fox", width: 64, height: 64, seed: 3 }));
    }
  });

  test("leaves out what the server refuses by name", async () => {
    await using format = await createProtocolBench(createVllmOmniFace({ refuses: "response_format" }));
    await format.generate();
    await format.generate();
    assert.deepEqual(
      bodiesOf(format).map((body) => "response_format" in body),
      [true, false, false],
    );
    await using seed = await createProtocolBench(createVllmOmniFace({ refuses: "seed" }));
    const { metadata } = await seed.generate({ seed: 3 });
    assert.equal(metadata.seed_report.honoured, false);
    assert.equal(seed.runtime.posts.length, 2);
  });

  test("gives an error of the API as one of ours", async () => {
    await using bench = await createProtocolBench(createVllmOmniFace());
    assert.equal((await failureOf(bench.generate({ numInferenceSteps: 500 }))).code, "upstream_rejected");
  });
});

suite("KServeClient, a picture that the answer only points to", () => {
  const picture = drawTestPicture({ prompt: "elsewhere", width: 64, height: 64 });
  const pointTo = (toUrl: (origin: string) => string): FakeFace => {
    const face = createVllmOmniFace();
    return (request) => {
      if (request.path === "/files/1.png?x=1")
        return { status: 200, headers: { "content-type": "image/png" }, body: picture };
      if (request.path === "/redirected") return { status: 302, headers: { location: "/files/1.png?x=1" }, body: "" };
      if (request.path === "/gone") return { status: 503, body: "no healthy upstream" };
      if (request.method !== "POST") return face(request);
      const { prompt } = JSON.parse(request.body) as { prompt: string };
      return { status: 200, body: JSON.stringify({ data: [{ url: toUrl(prompt) }] }) };
    };
  };

  test("is fetched from the endpoint when that is allowed", async () => {
    const face = pointTo((prompt) => prompt);
    await using bench = await createProtocolBench(face, { allowsUrlFetch: true });
    for (const url of ["/files/1.png?x=1", `${bench.runtime.url}/files/1.png?x=1`]) {
      assert.deepEqual((await bench.generate({ prompt: url })).imageData, picture);
    }
    assert.equal(requestsOf(bench).filter((request) => request === "GET /files/1.png?x=1").length, 2);
  });

  test("is refused when that is not allowed", async () => {
    await using bench = await createProtocolBench(pointTo((prompt) => prompt));
    const error = await failureOf(bench.generate({ prompt: "/files/1.png?x=1" }));
    assert.equal(error.code, "no_image_in_response");
    assert.match(String(error.details["hint"]), /KSERVE_ALLOW_URL_FETCH/);
    assert.equal(requestsOf(bench).at(-1), "POST /v1/images/generations");
  });

  test("is refused from anywhere else, behind a redirect, and costs no second job when it is gone", async () => {
    await using bench = await createProtocolBench(
      pointTo((prompt) => prompt),
      { allowsUrlFetch: true, maxRetries: 3 },
    );
    const port = Number(new URL(bench.runtime.url).port);
    const refused = [
      "https://example.com/1.png",
      `http://127.0.0.1:${port + 1}/1.png`,
      `https://127.0.0.1:${port}/1.png`,
      `http://user:pw@127.0.0.1:${port}/1.png`,
      "//example.com/1.png",
      "/redirected",
      "/gone",
      "/nothing",
    ];
    for (const prompt of refused) {
      assert.equal((await failureOf(bench.generate({ prompt }))).code, "no_image_in_response", prompt);
    }
    assert.equal(bench.runtime.posts.length, refused.length);
  });
});

suite("toSameOriginPath()", () => {
  const endpoint = parseEndpoint("https://gateway.example/ns/model");
  const paths: [string, string | undefined][] = [
    ["/v1/images/1/content", "/v1/images/1/content"],
    ["/ns/model/v1/images/1?x=1#y", "/v1/images/1?x=1"],
    ["https://gateway.example/ns/model/1.png", "/1.png"],
    ["https://gateway.example:443/ns/model/1.png", "/1.png"],
    ["https://gateway.example/ns/other/1.png", undefined],
    ["https://gateway.example/ns/model/../other/1.png", undefined],
    ["http://gateway.example/ns/model/1.png", undefined],
    ["https://gateway.example:8443/ns/model/1.png", undefined],
    ["https://gateway.example.org/ns/model/1.png", undefined],
    ["https://user@gateway.example/ns/model/1.png", undefined],
    ["//other.example/1.png", undefined],
    ["data:image/png;base64,AAAA", undefined],
    ["http://[", undefined],
  ];
  for (const [address, path] of paths) {
    test(`gives ${path} for ${address}`, () => {
      assert.equal(toSameOriginPath(address, endpoint), path);
    });
  }
});

suite("KServeClient, a black picture", () => {
  test("is given with a warning", async () => {
    const inputs = [{ name: "prompt", datatype: "BYTES", shape: [1] }];
    const face = createKServeV2Face({ output: "base64", inputs });
    await using bench = await createProtocolBench(face, {});
    const rgb = Array<number>(64 * 64 * 3).fill(0);
    const black = { outputs: [{ name: "o", datatype: "UINT8", shape: [64, 64, 3], data: rgb }] };
    bench.runtime.script({ kind: "answer", answer: { status: 200, body: JSON.stringify(black) } });
    const { metadata } = await bench.client.generateImage({ prompt: "x" });
    assert.deepEqual(metadata.warnings, [
      "possibly_filtered: the picture is all black, as a model's safety filter makes it",
    ]);
  });
});
