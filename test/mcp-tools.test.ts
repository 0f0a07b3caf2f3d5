import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CallToolResult, Client } from "@modelcontextprotocol/client";
import sharp from "sharp";
import { KServeError } from "../src/core/errors.ts";
import { createImageId } from "../src/core/image-id.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import { connectMcpHttp, ERAS, serveMcpHttp } from "./support/mcp-clients.ts";
import { createMcpParts, type McpPartsOptions } from "./support/mcp-parts.ts";

/** Characters of a token of English and JSON, as a low estimate. */
const CHARACTERS_PER_TOKEN = 4;

async function open(era: (typeof ERAS)[number], options: McpPartsOptions & { readonly mayManage?: boolean } = {}) {
  const parts = createMcpParts(options);
  const http = await serveMcpHttp({ build: parts.build, mayManage: options.mayManage ?? true });
  const client = await connectMcpHttp(http.url, era);
  const call = async (name: string, args: Record<string, unknown> = {}): Promise<CallToolResult> =>
    client.callTool({ name, arguments: args });
  const draw = async (args: Record<string, unknown> = {}): Promise<string> => {
    const result = await call("generate_image", { prompt: "a red boat", width: 64, height: 64, ...args });
    return String(documentOf(result)["image_id"]);
  };
  const close = async (): Promise<void> => {
    await client.close();
    await http.stop();
  };
  return { ...parts, client, call, draw, [Symbol.asyncDispose]: close };
}

function errorOf(result: CallToolResult): Record<string, unknown> {
  assert.equal(result.isError, true);
  return JSON.parse(textsOf(result)[0] ?? "");
}

/** The JSON of a result, which is there twice. */
function documentOf(result: CallToolResult): Record<string, unknown> {
  const document = JSON.parse(textsOf(result)[0] ?? "");
  assert.deepEqual(result.structuredContent, document);
  return document;
}

function textsOf({ content }: CallToolResult): string[] {
  return content.flatMap((block) => (block.type === "text" ? [block.text] : []));
}

/** The only block of a result, as the picture that it is. */
function pictureOf({ content }: CallToolResult) {
  const [block, ...more] = content;
  assert.ok(block?.type === "image" && more.length === 0);
  return block;
}

async function toolsOf(client: Client) {
  return (await client.listTools()).tools;
}

test("The tools are these, with these arguments", async () => {
  await using server = await open("modern");
  const tools = await toolsOf(server.client);
  assert.deepEqual(
    tools.map(({ name, title, annotations = {}, inputSchema }) => [
      name,
      title,
      Object.entries(annotations)
        .filter(([, value]) => value === true)
        .map(([hint]) => hint)
        .join(" "),
      Object.keys(inputSchema.properties ?? {}).join(" "),
      (inputSchema.required ?? []).join(" "),
    ]),
    [
      [
        "generate_image",
        "Generate image",
        "openWorldHint",
        "prompt negative_prompt width height num_inference_steps guidance_scale seed",
        "prompt",
      ],
      ["view_image", "View image", "readOnlyHint", "image_id preview", "image_id"],
      ["list_images", "List images", "readOnlyHint", "search limit cursor", ""],
      ["get_image", "Get image facts", "readOnlyHint", "image_id", "image_id"],
      [
        "vary_image",
        "Vary image",
        "openWorldHint",
        "image_id count seeds prompt negative_prompt aspect_ratio width height num_inference_steps guidance_scale preview",
        "image_id",
      ],
      ["keep_image", "Keep image", "idempotentHint", "image_id keep", "image_id"],
      ["delete_image", "Delete image", "destructiveHint idempotentHint", "image_id", "image_id"],
    ],
  );
  for (const { name, description = "", icons, inputSchema, outputSchema } of tools) {
    assert.ok(description.length < 2000, name);
    assert.equal(icons?.[0]?.mimeType, "image/svg+xml", name);
    assert.equal(inputSchema["additionalProperties"], false, name);
    assert.equal(outputSchema === undefined, name === "view_image", name);
  }
  for (const name of ["generate_image", "vary_image", "keep_image"]) {
    const { description } = tools.find((tool) => tool.name === name) ?? {};
    assert.match(description ?? "", /deleted after 1 hour/, name);
  }
});

test("Listing the tools costs less than 4,000 tokens", async () => {
  await using server = await open("modern");
  const tokens = JSON.stringify(await toolsOf(server.client)).length / CHARACTERS_PER_TOKEN;
  assert.ok(tokens < 4000, `${tokens} tokens`);
});

for (const era of ERAS) {
  describe(`The tools for pictures in the ${era} era`, () => {
    test("view_image gives nothing but the picture, whole while it is small", async () => {
      await using server = await open(era);
      const id = await server.draw();
      const result = await server.call("view_image", { image_id: id });
      const { data, mimeType, annotations } = pictureOf(result);
      assert.equal(mimeType, "image/png");
      assert.deepEqual(annotations, { audience: ["user", "assistant"], priority: 1 });
      assert.deepEqual(Buffer.from(data, "base64"), server.storage.images.get(id));
      assert.equal(result.structuredContent, undefined);
    });

    test("view_image keeps a large picture within what clients take", async () => {
      await using server = await open(era);
      const noise = await sharp({
        create: { width: 1500, height: 1000, channels: 3, background: "red", noise: { type: "gaussian", sigma: 60 } },
      })
        .png()
        .toBuffer();
      assert.ok(noise.length > 2_000_000);
      const id = createImageId(Date.now());
      await server.storage.saveImage(noise, id, { prompt: "noise", width: 1500, height: 1000 });
      for (const [preview, edge, maxCharacters] of [
        ["thumb", 512, 100_000],
        ["full", 1024, 1_048_576],
      ] as const) {
        const result = await server.call("view_image", { image_id: id, preview });
        assert.ok(JSON.stringify(result).length < maxCharacters, preview);
        const { width, height, format } = await sharp(Buffer.from(pictureOf(result).data, "base64")).metadata();
        assert.equal(format, "webp");
        assert.ok(width <= edge && width >= 128, `${preview} ${width}`);
        assert.equal(Math.round((width / height) * 10), 15);
      }
    });

    test("list_images gives short entries in pages, and searches prompts", async () => {
      await using server = await open(era);
      const [first, second, third] = [
        await server.draw({ prompt: "a red boat" }),
        await server.draw({ prompt: `a blue boat ${"🚤".repeat(300)}`, seed: 7 }),
        await server.draw({ prompt: "a red car" }),
      ];
      const page = documentOf(await server.call("list_images", { limit: 2 }));
      assert.ok(Array.isArray(page["images"]));
      const [newest, older] = page["images"];
      assert.equal(newest.image_id, third);
      assert.deepEqual(older, {
        image_id: second,
        url: `http://127.0.0.1:8000/images/${second}`,
        prompt: `a blue boat ${"🚤".repeat(187)}…`,
        seed: 7,
        width: 64,
        height: 64,
        created_at: older.created_at,
        expires_at: older.expires_at,
      });
      const rest = documentOf(await server.call("list_images", { limit: 2, cursor: page["next_cursor"] }));
      assert.partialDeepStrictEqual(rest, { images: [{ image_id: first }] });
      assert.partialDeepStrictEqual(documentOf(await server.call("list_images", { search: "RED" })), {
        images: [{ prompt: "a red car" }, { prompt: "a red boat" }],
      });
    });

    test("get_image gives what generate_image gave, without a picture", async () => {
      await using server = await open(era);
      const made = await server.call("generate_image", { prompt: "a red boat", width: 64, height: 64 });
      const got = await server.call("get_image", { image_id: documentOf(made)["image_id"] });
      assert.deepEqual(got.structuredContent, made.structuredContent);
      assert.equal(
        got.content.some(({ type }) => type === "image"),
        false,
      );
    });

    test("vary_image draws the same again with new seeds, or other settings with the same seed", async () => {
      await using server = await open(era);
      const settings = { width: 256, height: 256, num_inference_steps: 7, negative_prompt: "text" };
      const id = await server.draw({ seed: 5, ...settings });
      const varied = await server.call("vary_image", { image_id: id, seeds: [8, 9] });
      assert.partialDeepStrictEqual(varied.structuredContent, {
        images: [8, 9].map((seed) => ({
          metadata: { prompt: "a red boat", seed, num_inference_steps: 7, negative_prompt: "text", varied_from: id },
        })),
      });
      assert.equal(varied.content.filter(({ type }) => type === "resource_link").length, 2);
      const changed = await server.call("vary_image", {
        image_id: id,
        prompt: "a green boat",
        aspect_ratio: "16:9",
        preview: "thumb",
      });
      assert.partialDeepStrictEqual(changed.structuredContent, {
        images: [{ metadata: { prompt: "a green boat", seed: 5, width: 320, height: 192, num_inference_steps: 7 } }],
      });
      assert.equal(changed.content.at(-1)?.type, "image");
    });

    test("vary_image tells which of several pictures the queue did not take", async () => {
      await using server = await open(era, { depth: 1, maxWait: { silentSeconds: 0, withProgressSeconds: 0 } });
      const id = await server.draw();
      server.generator.hold();
      const varied = await server.call("vary_image", { image_id: id, count: 3 });
      assert.partialDeepStrictEqual(varied.structuredContent, {
        images: [{ metadata: { status: "running" } }, { metadata: { status: "running" } }],
        errors: [{ error: "queue_full", retryable: true }],
      });
      assert.match(textsOf(varied)[1] ?? "", /^The picture is still being drawn. Call view_image with image_id "img_/);
      assert.equal(errorOf(await server.call("vary_image", { image_id: id }))["error"], "queue_full");
      server.generator.release();
    });

    test("keep_image exempts a picture from expiry and back; delete_image deletes it", async () => {
      await using server = await open(era);
      const id = await server.draw();
      const kept = await server.call("keep_image", { image_id: id });
      assert.deepEqual(kept.structuredContent, { image_id: id, kept: true, expires_at: null });
      const released = await server.call("keep_image", { image_id: id, keep: false });
      assert.equal(typeof documentOf(released)["expires_at"], "string");
      const deleted = await server.call("delete_image", { image_id: id });
      assert.deepEqual(deleted.structuredContent, { image_id: id, deleted: true });
      for (const tool of ["view_image", "get_image", "vary_image", "keep_image", "delete_image"]) {
        assert.equal(errorOf(await server.call(tool, { image_id: id }))["error"], "image_not_found", tool);
      }
    });

    test("keep_image and delete_image refuse a client from elsewhere", async () => {
      await using server = await open(era, { mayManage: false });
      const id = await server.draw();
      for (const tool of ["keep_image", "delete_image"]) {
        assert.equal(errorOf(await server.call(tool, { image_id: id }))["error"], "forbidden", tool);
      }
      assert.equal(server.storage.images.size, 1);
    });

    test("a bad argument is answered with the field, the value and what is allowed", async () => {
      await using server = await open(era);
      const id = await server.draw();
      for (const [tool, args, message] of [
        ["view_image", {}, /^image_id is missing; it must be an id as generate_image returned it/],
        ["view_image", { image_id: "../x" }, /^image_id must be an id .*, got "..\/x"$/],
        ["view_image", { image_id: id, preview: "off" }, /^preview must be thumb or full, got "off"$/],
        ["get_image", { image_id: id, size: 1 }, /^Unknown argument "size"; allowed are image_id$/],
        ["list_images", { limit: 51 }, /^limit must be an integer from 1 to 50, got 51$/],
        ["list_images", { cursor: "x" }, /^cursor must be one that a listing gave$/],
        ["list_images", { search: "" }, /^search must be text of 1 to 200 characters, got 0 characters$/],
        ["vary_image", { image_id: id, count: 9 }, /^count must be an integer from 1 to 8, got 9$/],
        ["vary_image", { image_id: id, seeds: [1, -1] }, /^seeds must be 1 to 8 integers from 0 to 4294967295, got an/],
        [
          "vary_image",
          { image_id: id, count: 2, seeds: [1] },
          /^seeds must be 2 numbers, one for each picture, got 1$/,
        ],
        ["vary_image", { image_id: id, seed: 1 }, /^Unknown argument "seed"; allowed are image_id, count, seeds, /],
        ["vary_image", { image_id: id, aspect_ratio: "5:4" }, /^aspect_ratio must be one of 1:1, .*, got "5:4"$/],
        ["keep_image", { image_id: id, keep: "yes" }, /^keep must be true or false, got "yes"$/],
      ] as const) {
        const error = errorOf(await server.call(tool, args));
        assert.equal(error["error"], "invalid_argument", tool);
        assert.match(String(error["message"]), message, tool);
      }
      assert.equal(server.generator.generateImageCalls.length, 1);
      // A model that gives every argument means nothing by null.
      pictureOf(await server.call("view_image", { image_id: id, preview: null }));
    });

    test("a picture that is being drawn is told so, waited for, and told when it fails", async () => {
      await using server = await open(era, { maxWait: { silentSeconds: 0.05, withProgressSeconds: 30 } });
      server.generator.hold();
      const early = await server.call("generate_image", { prompt: "slow", width: 64, height: 64 });
      const id = String(documentOf(early)["image_id"]);
      assert.partialDeepStrictEqual(early.structuredContent, { metadata: { status: "running", prompt: "slow" } });
      assert.deepEqual(textsOf(early)[1]?.includes(`view_image with image_id "${id}"`), true);
      assert.partialDeepStrictEqual((await server.call("get_image", { image_id: id })).structuredContent, {
        image_id: id,
        metadata: { status: "running" },
      });
      const silent = await server.call("view_image", { image_id: id });
      assert.match(textsOf(silent)[0] ?? "", /still being drawn/);
      const messages: string[] = [];
      const waiting = server.client.callTool(
        { name: "view_image", arguments: { image_id: id } },
        { onprogress: ({ message }) => void messages.push(message ?? "") },
      );
      await server.generator.started();
      server.generator.release();
      assert.equal(pictureOf(await waiting).mimeType, "image/png");
      assert.equal(messages[0], "Accepted");

      server.generator.hold();
      const doomed = await server.call("generate_image", { prompt: "doomed", width: 64, height: 64 });
      server.generator.shouldFail = new KServeError("out_of_memory", "CUDA");
      server.generator.release();
      const failed = errorOf(await server.call("view_image", { image_id: documentOf(doomed)["image_id"] }));
      assert.deepEqual(
        [failed["error"], failed["message"]],
        ["generation_failed", "The picture could not be drawn: The model server ran out of memory"],
      );
    });
  });
}

test("MCP_PREVIEW and MCP_RESOURCE_LINK decide what a result carries beside JSON and Markdown", async () => {
  for (const [options, types] of [
    [{}, ["text", "text", "resource_link"]],
    [{ hasResourceLink: false }, ["text", "text"]],
    [{ preview: "thumb" }, ["text", "text", "resource_link", "image"]],
    [{ preview: "full", hasResourceLink: false }, ["text", "text", "image"]],
  ] as const) {
    await using server = await open("modern", options);
    const result = await server.call("generate_image", { prompt: "x", width: 64, height: 64 });
    assert.deepEqual(
      result.content.map(({ type }) => type),
      types,
    );
  }
});

test("A preview of a picture is made without sharp too", async () => {
  const { PreviewMaker } = await import("../src/images/preview.ts");
  const { MCPImageError } = await import("../src/core/errors.ts");
  const previews = new PreviewMaker({
    converter: {
      convert: async () => {
        throw new MCPImageError("thumbnails_unavailable", "Not installed");
      },
    },
  });
  const imageData = await sharp({ create: { width: 800, height: 600, channels: 4, background: "#336699" } })
    .composite([
      {
        input: Buffer.from("<svg width='800' height='300'><rect width='800' height='300' fill='red'/></svg>"),
        top: 0,
        left: 0,
      },
    ])
    .png()
    .toBuffer();
  const record = {
    image_id: "x",
    created_at: "",
    size: imageData.length,
    format: "png",
    sha256: "",
    width: 800,
    height: 600,
  } as const;
  const preview = await previews.make({ record, imageData }, "thumb");
  assert.ok(preview);
  const { data, info } = await sharp(preview.imageData).raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([preview.mimeType, info.width, info.height], ["image/png", 512, 384]);
  assert.deepEqual([...data.subarray(0, 3)], [255, 0, 0]);
  assert.deepEqual([...data.subarray(-3)], [0x33, 0x66, 0x99]);
  const jpeg = createSampleImage(100_000);
  assert.equal(await previews.make({ record: { ...record, format: "jpeg" }, imageData: jpeg }, "thumb"), undefined);
});
