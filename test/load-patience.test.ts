import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, test } from "node:test";
import type { CallToolResult, Client, RequestOptions } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { createApp } from "../src/app/create-app.ts";
import { parseSettings } from "../src/config/load-settings.ts";
import { verifyImage } from "../src/core/verify-image.ts";
import { connectMcpHttp, createMcpClient, ERAS } from "./support/mcp-clients.ts";
import { HeldGenerator } from "./support/mcp-parts.ts";
import { createNoisePicture, HUGE_PIXELS } from "./support/slow-picture.ts";

const isProof = process.env["PROVE"] === "1";
/**
 * In the proof everything takes as long as in life, with the defaults; else clients have a tenth of their patience, which
 * is still less than a picture takes, and the server answers well before it is over.
 */
const [GENERATION_SECONDS, PATIENCE] = isProof ? [180, 1] : [8, 0.1];
const WAITS = isProof ? { silent: 40, withProgress: 55 } : { silent: 1, withProgress: 2 };
/** Too large for one result of a tool as it is. */
const PIXELS = isProof ? HUGE_PIXELS : 700;
const PICTURE = createNoisePicture(PIXELS);
const STDIO_SERVER = resolve(import.meta.dirname, "support/slow-stdio-server.ts");
const MAX_CALLS = 20;

interface Shown {
  readonly imageId: string;
  readonly url: string;
  readonly picture: Buffer | undefined;
}

type ReadResult = (result: CallToolResult) => CallToolResult;

const asItIs: ReadResult = (result) => result;
const withoutStructure: ReadResult = ({ content }) => ({ content });
const withoutImages: ReadResult = (result) => ({
  ...result,
  content: result.content.filter(({ type }) => type !== "image"),
});
/** What Codex does: structured content, where there is some, is all that the model sees. */
const structureAlone: ReadResult = (result) =>
  result.structuredContent === undefined ? result : { ...result, content: [] };

/** What a model does that reads the results as its client shows them: generate, then view as long as it is told to. */
async function getPicture(client: Client, options: RequestOptions, read: ReadResult): Promise<Shown> {
  const call = async (name: string, args: Record<string, unknown>): Promise<CallToolResult> => {
    const result = await client.callTool({ name, arguments: args }, options);
    assert.equal(result.isError, undefined, JSON.stringify(result.content));
    return read(result);
  };
  const made = await call("generate_image", { prompt: "slow" });
  const document = JSON.parse(textOf(made) ?? JSON.stringify(made.structuredContent));
  const { image_id: imageId, url } = document;
  assert.equal(document.metadata.status, "running");
  for (let i = 0; i < MAX_CALLS; i++) {
    const viewed = await call("view_image", { image_id: imageId });
    if (textOf(viewed)?.includes("still being drawn") === true) continue;
    const image = viewed.content.find(({ type }) => type === "image");
    return { imageId, url, picture: image?.type === "image" ? Buffer.from(image.data, "base64") : undefined };
  }
  throw new Error("The picture never came");
}

function textOf({ content }: CallToolResult): string | undefined {
  return content.find((block) => block.type === "text")?.text;
}

for (const era of ERAS) {
  describe(`A picture that takes ${GENERATION_SECONDS} s, in the ${era} era`, { concurrency: true }, () => {
    const limited = (seconds: number): RequestOptions => ({ timeout: seconds * PATIENCE * 1000 });
    const silently: RequestOptions = limited(45);
    const withProgress: RequestOptions = { ...limited(60), onprogress: () => undefined };
    for (const [kind, options, read, seesPicture] of [
      ["gives up after 60 s, whatever progress it is told", withProgress, asItIs, true],
      ["gives up after 45 s and asks for no progress", silently, asItIs, true],
      ["drops structured content", withProgress, withoutStructure, true],
      ["shows structured content alone where there is some", silently, structureAlone, true],
      ["drops images", silently, withoutImages, false],
    ] as const) {
      test(`reaches a client that ${kind}`, async () => {
        await using server = await serveSlowly();
        const client = await connectMcpHttp(server.mcpUrl, era);
        const { picture, url } = await getPicture(client, options, read);
        assert.equal(picture !== undefined, seesPicture);
        if (picture !== undefined) assert.ok(picture.length > 10_000);
        const served = await fetch(url);
        assert.equal(served.status, 200);
        assert.deepEqual(verifyImage(Buffer.from(await served.arrayBuffer())), {
          format: "png",
          width: PIXELS,
          height: PIXELS,
        });
        await client.close();
      });
    }

    test("reaches a client over stdio that reads no message over 10 MiB, though the picture is larger", async (t) => {
      const client = createMcpClient(era);
      const args = [STDIO_SERVER, GENERATION_SECONDS, WAITS.silent, WAITS.withProgress].map(String);
      await client.connect(new StdioClientTransport({ command: process.execPath, args }));
      t.after(async () => client.close());
      // As every client does; the start of the process is then no part of a call.
      await client.listTools();
      // A tenth of the time is not enough for the work on a picture of this size, which takes as long as ever.
      const patience = isProof ? withProgress : { ...withProgress, timeout: 60_000 };
      const { imageId, picture } = await getPicture(client, patience, asItIs);
      assert.ok(picture !== undefined && picture.length < 1_048_576);
      const { contents } = await client.readResource({ uri: `image://${imageId}` });
      assert.ok(contents[0] !== undefined && "blob" in contents[0]);
    });
  });
}

async function serveSlowly() {
  const folder = await mkdtemp(join(tmpdir(), "patience-"));
  const settings = parseSettings({
    KSERVE_ENDPOINT: "embedded",
    HOST: "127.0.0.1",
    PORT: "0",
    STORAGE_PATH: folder,
    ...(!isProof && { MAX_WAIT: String(WAITS.silent), MAX_WAIT_WITH_PROGRESS: String(WAITS.withProgress) }),
  });
  const images = new HeldGenerator();
  images.mockResponse = PICTURE;
  images.hold();
  const close = async (): Promise<void> => images.close();
  const generator = {
    images,
    modelName: () => "noise",
    warmUp: async () => undefined,
    close,
    [Symbol.asyncDispose]: close,
  };
  const app = createApp(settings, { version: "0.0.0", overrides: { generator } });
  const url = await app.listen();
  const timer = setTimeout(() => images.release(), GENERATION_SECONDS * 1000);
  return {
    mcpUrl: new URL(`${url}/mcp`),
    [Symbol.asyncDispose]: async (): Promise<void> => {
      clearTimeout(timer);
      images.release();
      await app.close();
      await rm(folder, { recursive: true });
    },
  };
}
