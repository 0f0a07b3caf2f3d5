import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { systemClock } from "../src/core/clock.ts";
import { createImageId } from "../src/core/image-id.ts";
import { tellResourceNews } from "../src/mcp/resource-news.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import { connectMcpHttp, ERAS, serveMcpHttp } from "./support/mcp-clients.ts";
import { createMcpParts } from "./support/mcp-parts.ts";

async function open(era: (typeof ERAS)[number]) {
  const parts = createMcpParts();
  const http = await serveMcpHttp({ build: parts.build });
  const { notify } = http.handler;
  const leave = tellResourceNews(
    parts.images.changes,
    { listChanged: () => notify.resourcesChanged(), updated: (uri) => notify.resourceUpdated(uri) },
    systemClock,
  );
  const client = await connectMcpHttp(http.url, era);
  const draw = async (prompt = "a red boat"): Promise<string> => {
    const response = await parts.images.generate({ prompt, width: 64, height: 64 }, { clientId: "test" });
    return response.image_id;
  };
  const close = async (): Promise<void> => {
    leave();
    await client.close();
    await http.stop();
  };
  return { ...parts, client, draw, [Symbol.asyncDispose]: close };
}

for (const era of ERAS) {
  describe(`Resources in the ${era} era`, () => {
    test("are listed newest first, in pages, and by templates", async () => {
      await using server = await open(era);
      const { client, storage } = server;
      for (let i = 0; i < 50; i++)
        await storage.saveImage(createSampleImage(100), createImageId(Date.now() - 1000), {});
      const newest = await server.draw("x".repeat(100));
      const first = await client.request({ method: "resources/list", params: {} });
      assert.equal(first.resources.length, 50);
      const size = storage.images.get(newest)?.length;
      assert.partialDeepStrictEqual(first.resources[0], {
        uri: `image://${newest}`,
        name: newest,
        title: "x".repeat(80),
        mimeType: "image/png",
        size,
      });
      const rest = await client.request({ method: "resources/list", params: { cursor: first.nextCursor } });
      assert.deepEqual([rest.resources.length, rest.nextCursor], [1, undefined]);
      await assert.rejects(client.request({ method: "resources/list", params: { cursor: "x" } }), { code: -32_602 });
      const { resourceTemplates } = await client.listResourceTemplates();
      assert.deepEqual(
        resourceTemplates.map(({ name, uriTemplate }) => [name, uriTemplate]),
        [
          ["image", "image://{id}"],
          ["image-metadata", "image://{id}/metadata"],
          ["io.modelcontextprotocol/skills", "skill://{+path}"],
        ],
      );
    });

    test("give the picture and what is known of it, and say which one is not there", async () => {
      await using server = await open(era);
      const id = await server.draw();
      const picture = await server.client.readResource({ uri: `image://${id}` });
      const [content] = picture.contents;
      assert.ok(content !== undefined && "blob" in content);
      assert.equal(content.mimeType, "image/png");
      assert.deepEqual(Buffer.from(content.blob, "base64"), server.storage.images.get(id));
      const facts = await server.client.readResource({ uri: `image://${id}/metadata` });
      const [text] = facts.contents;
      assert.ok(text !== undefined && "text" in text);
      assert.partialDeepStrictEqual(JSON.parse(text.text), { image_id: id, prompt: "a red boat" });
      for (const uri of ["image://img_00000000000000000000000000", "image://nothing/metadata"]) {
        await assert.rejects(server.client.readResource({ uri }), { code: -32_602 }, uri);
      }
    });

    test("complete ids", async () => {
      await using server = await open(era);
      const ids = [await server.draw(), await server.draw()];
      const complete = async (value: string): Promise<readonly string[]> => {
        const ref = { type: "ref/resource", uri: "image://{id}" } as const;
        return (await server.client.complete({ ref, argument: { name: "id", value } })).completion.values;
      };
      assert.deepEqual((await complete("")).toSorted(), ids.toSorted());
      assert.deepEqual(await complete(ids[0] ?? ""), [ids[0]]);
      assert.deepEqual(await complete("nothing"), []);
    });

    test("tell of changes: the list, and the picture that somebody subscribed to", async () => {
      await using server = await open(era);
      const { client } = server;
      const id = await server.draw();
      const news: string[] = [];
      const listChanged = Promise.withResolvers<void>();
      const updated = Promise.withResolvers<void>();
      client.setNotificationHandler("notifications/resources/list_changed", () => {
        news.push("list");
        listChanged.resolve();
      });
      client.setNotificationHandler("notifications/resources/updated", ({ params }) => {
        news.push(params.uri);
        updated.resolve();
      });
      const uri = `image://${id}/metadata`;
      const subscription =
        era === "modern"
          ? await client.listen({ resourceSubscriptions: [uri], resourcesListChanged: true })
          : undefined;
      if (era === "legacy") await client.subscribeResource({ uri });
      await server.images.keepImage(id, true);
      await updated.promise;
      await server.draw();
      await server.draw();
      await listChanged.promise;
      assert.deepEqual(news, [uri, "list"]);
      await subscription?.close();
    });
  });

  describe(`Prompts in the ${era} era`, () => {
    test("are these, and complete their arguments", async () => {
      await using server = await open(era);
      const { prompts } = await server.client.listPrompts();
      assert.deepEqual(
        prompts.map(({ name, arguments: args = [] }) => [
          name,
          args.map(({ name: argument, required }) => `${argument}${required === true ? "" : "?"}`).join(" "),
        ]),
        [
          ["image_in_style", "subject style mood? aspect_ratio?"],
          ["product_shot", "product background? light? aspect_ratio?"],
          ["app_icon", "idea colours?"],
          ["illustration", "scene medium? colours? aspect_ratio?"],
        ],
      );
      const complete = async (prompt: string, name: string, value: string): Promise<readonly string[]> => {
        const ref = { type: "ref/prompt", name: prompt } as const;
        return (await server.client.complete({ ref, argument: { name, value } })).completion.values;
      };
      assert.deepEqual(await complete("image_in_style", "style", "WATER"), ["watercolour, soft edges, white paper"]);
      assert.deepEqual(await complete("product_shot", "aspect_ratio", "16"), ["16:9"]);
      assert.deepEqual(await complete("image_in_style", "mood", "zzz"), []);
    });

    test("make a call of generate_image that the tool takes", async () => {
      await using server = await open(era);
      for (const [name, args, size] of [
        ["image_in_style", { subject: "a fox", style: "woodcut", mood: "calm", aspect_ratio: "16:9" }, [704, 384]],
        ["product_shot", { product: "a blue mug" }, [undefined, undefined]],
        ["app_icon", { idea: "a compass" }, [512, 512]],
        ["illustration", { scene: "a child reads", aspect_ratio: "1:2" }, [undefined, undefined]],
      ] as const) {
        const { messages } = await server.client.getPrompt({ name, arguments: args });
        const { content } = messages[0] ?? {};
        assert.ok(content?.type === "text");
        const given = JSON.parse(content.text.slice(content.text.indexOf("{"), content.text.lastIndexOf("}") + 1));
        assert.deepEqual([given.width, given.height], size, name);
        const result = await server.client.callTool({ name: "generate_image", arguments: given });
        assert.equal(result.isError, undefined, name);
      }
      assert.match(server.generator.generateImageCalls[0]?.prompt ?? "", /^a fox, woodcut, calm mood$/);
    });
  });
}
