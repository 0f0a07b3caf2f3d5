import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { COMMAND, freshEnvironment, ServerProcess, TemporaryFolder } from "./support/server-process.ts";

const root = resolve(import.meta.dirname, "..");
/** The picture of the examples. */
const EXAMPLE_ID = "img_01m8x0a0zz7kq3v5wd2h9c4tnb";
const SERVER_URL = /http:\/\/(?:localhost|127\.0\.0\.1):8000/;

interface Block {
  readonly file: string;
  readonly line: number;
  readonly info: string;
  readonly code: string;
}

/** Every block of shell commands: of README.md, which has a test of its own for one, and of docs/. */
function listBlocks(): Block[] {
  const files = [
    "README.md",
    ...readdirSync(join(root, "docs"))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `docs/${name}`),
  ];
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), "utf8");
    return Array.from(text.matchAll(/^```((?:sh|bash|shell|console)\b[^\n]*)\n(.*?)^```/gms), (match) => ({
      file,
      line: text.slice(0, match.index).split("\n").length,
      info: match[1] ?? "",
      code: match[2] ?? "",
    }));
  });
}

const blocks = listBlocks();
const isRun = ({ file, info }: Block): boolean => info === "sh" && file !== "README.md";

describe("the commands of docs/", () => {
  test("every block of commands is run here, or says that it is not: ```sh no-run", () => {
    assert.ok(blocks.filter(isRun).length >= 8, "blocks were found");
    for (const { file, line, info } of blocks) {
      assert.ok(info === "sh" || info === "sh no-run", `${file}:${line} is \`\`\`${info}`);
    }
  });

  test("those of the README that are not marked are those that test/readme.test.ts runs", () => {
    const run = blocks.filter(({ file, info }) => file === "README.md" && info === "sh");
    for (const { code, line } of run) assert.match(code, /^curl /, `README.md:${line}`);
  });

  for (const block of blocks.filter(isRun)) {
    test(`${block.file}:${block.line} works`, async () => {
      using home = new TemporaryFolder();
      const bin = join(home.path, "bin");
      mkdirSync(bin);
      const shim = join(bin, "mcp-image-server");
      writeFileSync(shim, `#!/bin/sh\nexec "${process.execPath}" "${COMMAND}" "$@"\n`);
      chmodSync(shim, 0o755);
      const env = freshEnvironment(home.path);
      const withPath = { ...env, PATH: `${bin}${delimiter}${env["PATH"]}` };
      const run = (code: string): void => {
        const { status, stderr, stdout } = spawnSync("bash", ["-euo", "pipefail", "-c", code], {
          cwd: home.path,
          env: withPath,
          encoding: "utf8",
        });
        assert.equal(status, 0, `${code}\n${stdout}\n${stderr}`);
      };
      if (!SERVER_URL.test(block.code)) return run(block.code);
      await using server = await ServerProcess.start({ home: home.path });
      // As curl itself does not mind an error of the server.
      const code = block.code
        .replaceAll(new RegExp(SERVER_URL, "g"), server.url)
        .replaceAll(/\bcurl /g, "curl --fail-with-body -s ");
      run(code.includes(EXAMPLE_ID) ? code.replaceAll(EXAMPLE_ID, await drawPicture(server.url)) : code);
    });
  }
});

async function drawPicture(url: string): Promise<string> {
  const response = await fetch(`${url}/images/`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Prefer: "wait=60" },
    body: JSON.stringify({ prompt: "a red circle", width: 64, height: 64, num_inference_steps: 1 }),
  });
  assert.equal(response.status, 201);
  return z.looseObject({ image_id: z.string() }).parse(await response.json()).image_id;
}
