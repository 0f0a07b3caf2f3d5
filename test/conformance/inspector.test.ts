import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { verifyImage } from "../../src/core/verify-image.ts";
import { FakeKServeRuntime } from "../../src/testing/fake-kserve-runtime.ts";
import { ERAS } from "../support/mcp-clients.ts";
import { ServerProcess, TemporaryFolder } from "../support/server-process.ts";
import { installInspector, runInspector, type InspectorAnswer, type InspectorTarget } from "./inspector-cli.ts";

const VIEWER = "ui://mcp-image-server/viewer.html";
const GALLERY = "ui://mcp-image-server/gallery.html";
/** Every tool, and what hosts of MCP Apps show its results in. */
const VIEWS: Readonly<Record<string, string | undefined>> = {
  generate_image: VIEWER,
  view_image: undefined,
  list_images: GALLERY,
  get_image: VIEWER,
  vary_image: GALLERY,
  keep_image: undefined,
  delete_image: undefined,
};
const CALL = ["--method", "tools/call", "--format", "json"];
const DRAW = [...CALL, "--tool-name", "generate_image", "--tool-args-json"];
const DRAWING = JSON.stringify({ prompt: "a red boat", width: 96, height: 64, seed: 42 });

describe("The MCP Inspector", () => {
  const home = new TemporaryFolder();
  let runtime: FakeKServeRuntime;
  let server: ServerProcess;
  let settings: Record<string, string>;

  before(async () => {
    installInspector();
    runtime = await FakeKServeRuntime.start({ pipeline: "echo" });
    settings = {
      KSERVE_ENDPOINT: runtime.url,
      STORAGE_PATH: join(home.path, "pictures"),
      MCP_SKILLS: "true",
      PORT: "0",
    };
    server = await ServerProcess.start({ home: home.path, settings });
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await runtime[Symbol.asyncDispose]();
    home[Symbol.dispose]();
  });

  const toTarget: Readonly<Record<string, () => InspectorTarget>> = {
    HTTP: () => ({ url: `${server.url}/mcp` }),
    stdio: () => ({ settings }),
  };
  for (const [transport, target] of Object.entries(toTarget)) {
    for (const era of ERAS) {
      const inspect = async (...args: readonly string[]): Promise<InspectorAnswer> =>
        runInspector({ target: target(), era, home: home.path }, args);

      test(`finds nothing to complain of in the schemas of the tools, over ${transport}, ${era} era`, async () => {
        const { exitCode, stdout, stderr } = await inspect("--method", "tools/list", "--strict", "--format", "json");
        assert.equal(exitCode, 0, stderr);
        assert.doesNotMatch(stderr, /Warning|Error/);
        const { tools }: { readonly tools: readonly { readonly name: string }[] } = JSON.parse(stdout).result;
        assert.deepEqual(
          tools.map(({ name }) => name),
          Object.keys(VIEWS),
        );
      });

      test(`finds the views of the tools that have one, over ${transport}, ${era} era`, async () => {
        const listed = await inspect("--method", "tools/list", "--app-info", "--advertise-apps");
        assert.equal(listed.exitCode, 0, listed.stderr);
        const probes = listed.stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
        assert.deepEqual(Object.fromEntries(probes.map(({ toolName, resourceUri }) => [toolName, resourceUri])), VIEWS);
        for (const { hasApp, resourceMimeType } of probes) {
          assert.equal(resourceMimeType, hasApp ? "text/html;profile=mcp-app" : undefined);
        }
        const none = await inspect("--method", "tools/call", "--tool-name", "view_image", "--app-info");
        assert.equal(none.exitCode, 2, "the Inspector's code for a tool without a view");
      });

      test(`draws a picture that can be fetched, over ${transport}, ${era} era`, async () => {
        const { exitCode, stdout, stderr } = await inspect(...DRAW, DRAWING);
        assert.equal(exitCode, 0, stderr);
        const { structuredContent, content } = JSON.parse(stdout).result;
        assert.deepEqual(JSON.parse(content[0].text), structuredContent);
        const { image_id, metadata } = structuredContent;
        assert.deepEqual([metadata.width, metadata.height, metadata.seed], [96, 64, 42]);
        // The process of a stdio client has gone with it; the pictures of both lie in one folder.
        const answer = await fetch(`${server.url}/images/${image_id}`);
        const picture = Buffer.from(await answer.arrayBuffer());
        assert.deepEqual(verifyImage(picture), { format: "png", width: 96, height: 64 });

        const file = join(home.path, `${image_id}.png`);
        const view = ["--method", "tools/call", "--tool-name", "view_image", "--tool-arg", `image_id=${image_id}`];
        const viewed = await inspect(...view, "--output", file, "--output-format", "raw");
        assert.equal(viewed.exitCode, 0, viewed.stderr);
        assert.deepEqual(readFileSync(file), picture);
      });

      test(`is told what is wrong with an argument, over ${transport}, ${era} era`, async () => {
        const { exitCode, stdout } = await inspect(...DRAW, JSON.stringify({ prompt: "a red boat", width: 1 }));
        assert.equal(exitCode, 5, "the Inspector's code for a result that is an error");
        assert.match(stdout, /width must be an integer from 64 to 2048, got 1/);
      });

      test(`verifies the skill, over ${transport}, ${era} era`, async () => {
        const { exitCode, stdout, stderr } = await inspect("--method", "skills/list", "--verify", "--require-digests");
        assert.equal(exitCode, 0, stderr);
        const { name, outcome } = JSON.parse(stdout);
        assert.deepEqual([name, outcome], ["write-image-prompts", "verified"]);
      });
    }
  }
});
