import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createClient } from "@redis/client";
import { startLoadedServer, toOutcome, type LoadedServer } from "./support/loaded-server.ts";
import { ERAS } from "./support/mcp-clients.ts";
import { NO_REDIS, REDIS_SERVER, startRedis } from "./support/redis-server.ts";
import { TemporaryFolder } from "./support/server-process.ts";

const CHANNEL = "mcp-image-server:changes:0";

async function draw(server: LoadedServer): Promise<string> {
  const client = await server.connect("modern");
  const call = { name: "generate_image", arguments: { prompt: "x", width: 64, height: 64 } };
  const outcome = toOutcome(await client.callTool(call));
  await client.close();
  assert.ok("imageId" in outcome, JSON.stringify(outcome));
  return outcome.imageId;
}

/** Resolves when the server hears of a change of this kind. */
async function nextChange(server: LoadedServer, wanted: string): Promise<string> {
  return new Promise((resolve) => {
    const leave = server.app.images.changes.subscribe(({ kind, imageId }) => {
      if (kind !== wanted) return;
      leave();
      resolve(imageId);
    });
  });
}

/** Two replicas on one folder and one Redis, which hear each other. */
async function startReplicas(redisUrl: string) {
  const folder = new TemporaryFolder();
  const settings = { REDIS_URL: redisUrl, STORAGE_PATH: folder.path };
  const first = await startLoadedServer(settings);
  const second = await startLoadedServer(settings);
  return {
    first,
    second,
    [Symbol.asyncDispose]: async () => {
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** Tells of a picture until it is heard, as a replica may still be on its way to Redis, and gives its id. */
async function untilHeard(from: LoadedServer, to: LoadedServer): Promise<string> {
  const imageId = await draw(from);
  const heard = new AbortController();
  const hearing = nextChange(to, "updated").then(() => heard.abort());
  while (!heard.signal.aborted) {
    await from.app.images.keepImage(imageId, true);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await hearing;
  return imageId;
}

describe("Changes with Redis", { skip: REDIS_SERVER === undefined && NO_REDIS }, () => {
  for (const era of ERAS) {
    test(`reach a ${era} client of another replica: the list, and the picture that it subscribed to`, async () => {
      await using redis = await startRedis();
      await using replicas = await startReplicas(redis.url);
      const { first, second } = replicas;
      await untilHeard(first, second);
      const id = await draw(first);
      const client = await second.connect(era);
      const listChanged = Promise.withResolvers<void>();
      const updated = Promise.withResolvers<string>();
      client.setNotificationHandler("notifications/resources/list_changed", () => listChanged.resolve());
      client.setNotificationHandler("notifications/resources/updated", ({ params }) => updated.resolve(params.uri));
      const uri = `image://${id}/metadata`;
      const subscription =
        era === "modern"
          ? await client.listen({ resourceSubscriptions: [uri], resourcesListChanged: true })
          : undefined;
      if (era === "legacy") await client.subscribeResource({ uri });
      await first.app.images.keepImage(id, true);
      assert.equal(await updated.promise, uri);
      await draw(first);
      await listChanged.promise;
      await subscription?.close();
      await client.close();
    });
  }

  test("take a deleted picture out of the memory of every replica", async () => {
    await using redis = await startRedis();
    await using replicas = await startReplicas(redis.url);
    const { first, second } = replicas;
    await untilHeard(first, second);
    const id = await draw(first);
    const read = async (): Promise<number> => {
      const answer = await fetch(`${second.url}/images/${id}`);
      await answer.arrayBuffer();
      return answer.status;
    };
    // Asked for twice, it stays in memory.
    assert.deepEqual([await read(), await read()], [200, 200]);
    const deleted = nextChange(second, "deleted");
    assert.equal(await first.app.images.deleteImage(id), true);
    assert.equal(await deleted, id);
    assert.equal(await read(), 404);
  });

  test("are lost while Redis is away, and heard again when it is back; pictures are drawn all the time", async () => {
    const redis = await startRedis();
    await using replicas = await startReplicas(redis.url);
    const { first, second } = replicas;
    await untilHeard(first, second);
    await redis.stop();
    await draw(first);
    await using _again = await startRedis(redis.port);
    await untilHeard(second, first);
  });

  test("are heard by replicas that were there before Redis", async () => {
    const gone = await startRedis();
    await gone.stop();
    await using replicas = await startReplicas(gone.url);
    // Several attempts to connect fail meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await using _redis = await startRedis(gone.port);
    await untilHeard(replicas.first, replicas.second);
  });

  test("in messages of strangers are ignored", async () => {
    await using redis = await startRedis();
    await using server = await startLoadedServer({ REDIS_URL: redis.url });
    await using other = await startLoadedServer({ REDIS_URL: redis.url });
    const warmUpId = await untilHeard(other, server);
    const heard: string[] = [];
    server.app.images.changes.subscribe(({ imageId }) => {
      if (imageId !== warmUpId) heard.push(imageId);
    });
    const id = await draw(other);
    const stranger = createClient({ url: redis.url });
    await stranger.connect();
    const bad = [
      "no JSON",
      "null",
      "[]",
      JSON.stringify({ from: "x", kind: "stored" }),
      JSON.stringify({ from: "x", kind: "stored", image_id: "../../etc/passwd" }),
      JSON.stringify({ from: "x", kind: "burnt", image_id: id }),
      JSON.stringify({ kind: "stored", image_id: id }),
    ];
    for (const message of bad) await stranger.publish(CHANNEL, message);
    const last = nextChange(server, "deleted");
    await stranger.publish(CHANNEL, JSON.stringify({ from: "x", kind: "deleted", image_id: id }));
    await last;
    stranger.destroy();
    assert.deepEqual(heard, [id, id], "the draw and the last message");
  });
});
