import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { KServeError } from "../core/errors.ts";
import { verifyImage } from "../core/verify-image.ts";
import { KServeClient } from "../kserve/kserve-client.ts";
import { isErrorWithCode } from "./error-with-code.ts";
import { MockKServeClient } from "./mock-kserve-client.ts";

// Proves: KSERVE-13
suite("MockKServeClient", () => {
  test("is a KServeClient that draws a valid PNG of the wanted size without a network", async () => {
    const client = new MockKServeClient();
    assert.ok(client instanceof KServeClient);
    const image = await client.generateImage({ prompt: "a cat", width: 96, height: 64, seed: 3 });
    assert.deepEqual(verifyImage(image.imageData), { format: "png", width: 96, height: 64 });
    assert.equal(image.metadata.seed, 3);
    assert.equal(image.metadata.model_name, "stable-diffusion");
    assert.equal(await client.healthCheck(), true);
  });

  test("gives the same picture for the same prompt and seed, and another for another seed", async () => {
    const client = new MockKServeClient();
    const [first, again, other] = await Promise.all(
      [1, 1, 2].map(async (seed) => client.generateImage({ prompt: "a cat", width: 8, height: 8, seed })),
    );
    assert.deepEqual(first?.imageData, again?.imageData);
    assert.notDeepEqual(first?.imageData, other?.imageData);
  });

  test("remembers every call", async () => {
    const client = new MockKServeClient();
    await client.generateImage({ prompt: "a cat", width: 8, height: 8 });
    assert.deepEqual(client.generateImageCalls, [{ prompt: "a cat", width: 8, height: 8 }]);
  });

  test("gives mockResponse when it is set", async () => {
    const client = new MockKServeClient();
    const response = await client.generateImage({ prompt: "a cat", width: 8, height: 8 });
    client.mockResponse = response;
    assert.equal(await client.generateImage({ prompt: "a dog" }), response);
  });

  test("fails when shouldFail says so", async () => {
    const client = new MockKServeClient();
    client.shouldFail = true;
    await assert.rejects(client.generateImage({ prompt: "a cat" }), isErrorWithCode("upstream_error"));
    assert.equal(await client.healthCheck(), false);
    client.shouldFail = new KServeError("out_of_memory", "Cannot generate the image: no memory");
    await assert.rejects(client.generateImage({ prompt: "a cat" }), isErrorWithCode("out_of_memory"));
    assert.equal(client.generateImageCalls.length, 2);
  });

  test("is cancelled by a signal", async () => {
    const client = new MockKServeClient();
    const work = client.generateImage({ prompt: "a cat" }, { signal: AbortSignal.abort() });
    await assert.rejects(work, isErrorWithCode("cancelled"));
  });
});
