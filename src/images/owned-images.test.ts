import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AccessPolicy, type Sharing } from "../access/access-policy.ts";
import { ApiKeys } from "../access/api-keys.ts";
import { toCaller, type Caller } from "../access/principal.ts";
import { createImageId } from "../core/image-id.ts";
import type { Scope } from "../core/scope.ts";
import { FairQueue } from "../queue/fair-queue.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { SteppedGenerator } from "../testing/image-service-bench.ts";
import { MockStorage } from "../testing/mock-storage.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import { ImageService } from "./image-service.ts";

const ALL: readonly Scope[] = ["images:generate", "images:read", "images:delete"];
const NAMES = ["alice", "bob", "carol", "root"] as const;
type Name = (typeof NAMES)[number];

function callerOf(name: string, scopes: readonly Scope[] = ALL): Caller {
  return toCaller({ id: `key:${name}`, scopes: new Set(scopes) }, "127.0.0.1");
}

const CALLERS: Readonly<Record<Name, Caller>> = {
  alice: callerOf("alice"),
  bob: callerOf("bob"),
  carol: callerOf("carol", ["images:generate", "images:read"]),
  root: callerOf("root", ["images:admin"]),
};

function createService(sharing: Sharing, policy = new AccessPolicy({ verifier: new ApiKeys([]), sharing })) {
  const clock = createFakeClock();
  const storage = new MockStorage({ clock });
  const images = new ImageService({
    storage,
    generator: new SteppedGenerator(),
    queue: new FairQueue({ concurrency: 1, depth: 4, timeoutMs: 1_000, clock }),
    ttlSeconds: undefined,
    policy,
    clock,
  });
  return { images, storage, clock };
}

const operation = fc.record({
  kind: fc.constantFrom("generate", "list", "metadata", "picture", "delete" as const),
  who: fc.constantFrom(...NAMES),
  /** Which of the pictures so far. */
  which: fc.nat(),
  limit: fc.integer({ min: 1, max: 5 }),
});

for (const sharing of ["private", "shared"] as const) {
  test(`ImageService.for() keeps pictures that are ${sharing} to those who may see them, whatever is done`, async () => {
    let operations = 0;
    const property = fc.asyncProperty(fc.array(operation, { minLength: 25, maxLength: 25 }), async (steps) => {
      const { images } = createService(sharing);
      /** What should be there: the owner by id, the oldest first. */
      const model = new Map<string, Name>();
      const maySee = (who: Name, owner: Name): boolean => sharing === "shared" || who === owner || who === "root";
      for (const { kind, who, which, limit } of steps) {
        operations++;
        const mine = images.for(CALLERS[who]);
        const id = [...model.keys()][which % Math.max(1, model.size)] ?? createImageId(0);
        const owner = model.get(id);
        const isSeen = owner !== undefined && maySee(who, owner);
        switch (kind) {
          case "generate": {
            const { image_id } = await mine.generate({ prompt: `by ${who}` }, { clientId: who });
            model.set(image_id, who);
            break;
          }
          case "list": {
            const seen: string[] = [];
            let cursor: string | undefined;
            do {
              const page = await mine.listImages({ limit, ...(cursor !== undefined && { cursor }) });
              assert.ok(page.images.length <= limit);
              seen.push(...page.images.map(({ image_id }) => image_id));
              for (const { owner: told, prompt } of page.images) {
                const by = typeof prompt === "string" ? prompt.slice("by ".length) : "";
                assert.equal(told, who === "root" || by === who ? `key:${by}` : undefined);
              }
              cursor = page.nextCursor;
            } while (cursor !== undefined);
            const expected = [...model].filter(([, by]) => maySee(who, by)).map(([one]) => one);
            assert.deepEqual(seen.toSorted(), expected.toSorted());
            break;
          }
          case "metadata":
            assert.equal((await mine.getMetadata(id))?.image_id, isSeen ? id : undefined);
            break;
          case "picture":
            assert.equal((await mine.getImage(id))?.record.image_id, isSeen ? id : undefined);
            break;
          case "delete": {
            if (who === "carol") {
              await assert.rejects(mine.deleteImage(id), { code: "insufficient_scope" });
              break;
            }
            const isAllowed = owner !== undefined && (who === owner || who === "root");
            assert.equal(await mine.deleteImage(id), isAllowed);
            if (isAllowed) model.delete(id);
          }
        }
      }
    });
    await fc.assert(property, { numRuns: 100, seed: 42 });
    assert.equal(operations, 2_500);
  });
}

test("ImageService.for() shows everything to everybody and tells no owner while nobody has to say who they are", async () => {
  const { images, storage, clock } = createService("private", new AccessPolicy());
  const id = createImageId(clock.nowMs());
  await storage.saveImage(createSampleImage(500), id, { owner: "key:alice" });
  const anybody = images.for(toCaller({ id: undefined, scopes: new Set(["images:admin"]) }, "127.0.0.1"));
  const metadata = await anybody.getMetadata(id);
  assert.equal(metadata?.image_id, id);
  assert.equal(metadata?.["owner"], undefined);
  const { metadata: made } = await anybody.generate({ prompt: "a cat" }, { clientId: "x" });
  assert.equal("owner" in made, false);
  assert.equal(await anybody.deleteImage(id), true);
});

test("ImageService.generate() needs the scope of its caller", async () => {
  const { images } = createService("private");
  const reader = images.for(callerOf("reader", ["images:read"]));
  await assert.rejects(reader.generate({ prompt: "a cat" }, { clientId: "x" }), { code: "insufficient_scope" });
  const nobody = images.for(callerOf("nobody", []));
  await assert.rejects(nobody.listImages(), { code: "insufficient_scope" });
  await assert.rejects(nobody.getMetadata(createImageId(0)), { code: "insufficient_scope" });
  await assert.rejects(nobody.getImage(createImageId(0)), { code: "insufficient_scope" });
});

test("OwnedImages.listImages() passes over a bounded number of others' pictures at once", async () => {
  const { images, storage, clock } = createService("private");
  await images.for(CALLERS.alice).generate({ prompt: "the oldest" }, { clientId: "alice" });
  for (let i = 0; i < 1_500; i++) {
    await clock.advance(1);
    await storage.saveImage(createSampleImage(60), createImageId(clock.nowMs()), { owner: "key:bob" });
  }
  const short = await images.for(CALLERS.alice).listImages({ limit: 10 });
  assert.deepEqual(short.images, []);
  assert.ok(short.nextCursor !== undefined);
  const rest = await images.for(CALLERS.alice).listImages({ limit: 10, cursor: short.nextCursor });
  assert.equal(rest.images[0]?.["prompt"], "the oldest");
});
