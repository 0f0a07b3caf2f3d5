import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { verifyImage } from "../src/core/verify-image.ts";
import { freshEnvironment, ServerProcess, TemporaryFolder } from "./support/server-process.ts";

const root = resolve(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const run = promisify(execFile);

/** The code blocks of the README in this language. */
function blocks(language: string): string[] {
  return Array.from(readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms")), ([, code = ""]) => code);
}

function blockWith(language: string, text: string): string {
  const found = blocks(language).filter((code) => code.includes(text));
  assert.equal(found.length, 1, `the README has one ${language} block with ${text}`);
  return found[0] ?? "";
}

test("the curl command of the README draws a picture", async () => {
  using home = new TemporaryFolder();
  await using server = await ServerProcess.start({ home: home.path });
  const command = blockWith("sh", "curl").replace("http://127.0.0.1:8000", server.url);
  const { stdout } = await run("sh", ["-c", command], { env: freshEnvironment(home.path) });
  const data = stdout.split("\n").findLast((line) => line.startsWith("data: "));
  assert.ok(data, stdout);
  const { result } = JSON.parse(data.slice("data: ".length));
  assert.equal(result.isError, undefined);
  const response = await fetch(result.structuredContent.url);
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.deepEqual(verifyImage(bytes), { format: "png", width: 512, height: 512 });
});

test("the library example of the README serves", async () => {
  using home = new TemporaryFolder();
  const file = join(home.path, "example.ts");
  const entry = pathToFileURL(join(root, "src/index.ts")).href;
  writeFileSync(file, blockWith("ts", "createApp").replace('"mcp-image-server"', JSON.stringify(entry)));
  const env = freshEnvironment(home.path, { PORT: "0", HOST: "127.0.0.1", STORAGE_PATH: join(home.path, "pictures") });
  const { stdout } = await run(process.execPath, [file], { env, cwd: home.path });
  assert.match(stdout, /^http:\/\/127\.0\.0\.1:\d+\n$/);
});

test("the client configuration of the README is JSON that starts this package", () => {
  const config = JSON.parse(blockWith("json", "mcpServers"));
  const { name } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.deepEqual(config.mcpServers.images, { command: "npx", args: ["-y", name] });
});

test("every npm script that the documents name exists", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const file of documents()) {
    const names = readFileSync(file, "utf8").matchAll(/npm run ([a-z0-9:]+)/g);
    for (const [, name = ""] of names) assert.ok(name in scripts, `${file}: npm run ${name}`);
  }
});

test("every relative link of the documents leads to a file", () => {
  for (const file of documents()) {
    const links = readFileSync(file, "utf8").matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g);
    for (const [, link = ""] of links) assert.ok(existsSync(resolve(dirname(file), link)), `${file}: ${link}`);
  }
});

function documents(): string[] {
  const inFolder = (folder: string): string[] =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith(".md"))
      .map((name) => join(root, folder, name));
  return [...inFolder("."), ...inFolder("docs"), join(root, "models/scenes-v1/README.md")];
}
