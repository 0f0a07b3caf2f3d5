import assert from "node:assert/strict";
import { test } from "node:test";
import { createImageId } from "../core/image-id.ts";
import { MockStorage } from "./mock-storage.ts";
import { createSampleImage } from "./sample-images.ts";
import { testStorage } from "./test-storage.ts";

testStorage("MockStorage", ({ clock, limits, baseUrl }) => new MockStorage({ clock, limits, baseUrl }), {
  holdsLimits: true,
});

// Proves: STORAGE-13, STORAGE-16
test("MockStorage shows its pictures and records by id", async () => {
  const storage = new MockStorage();
  const id = createImageId(0);
  await storage.saveImage(createSampleImage(50), id, { prompt: "a cat" });
  assert.deepEqual([...storage.images], [[id, createSampleImage(50)]]);
  assert.equal(storage.metadata.get(id)?.["prompt"], "a cat");
  assert.equal(await storage.getImageUrl(id), `http://127.0.0.1:8000/images/${id}`);
});
