import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

/** Packs the package, installs it elsewhere without running any script, and drives what was installed. */
const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "mcp-image-server-package-"));
const run = (command: string, args: readonly string[], cwd = folder): string =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

try {
  run("npm", ["run", "check:package"], root);
  console.log("ok: the package's shape pleases publint and attw");

  const packed: unknown = JSON.parse(
    run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root),
  );
  const { filename, size, files } = readPackReport(packed);
  assert.ok(files.some((path) => path === "models/scenes-v1/unet/model.onnx"));
  assert.ok(files.some((path) => path === "web/gallery/gallery.css"));
  assert.ok(files.every((path) => !path.endsWith(".test.js")));
  console.log(`ok: ${filename} has ${files.length} files and ${(size / 1024 / 1024).toFixed(1)} MiB`);

  writeFileSync(join(folder, "package.json"), '{"private":true,"type":"module"}');
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", `./${filename}`]);
  const installed = join(folder, "node_modules/mcp-image-server");
  const command = join(folder, "node_modules/.bin/mcp-image-server");
  assert.ok(!existsSync(join(folder, "node_modules/onnxruntime-web")), "the runtime is part of the package");

  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.equal(run(process.execPath, [command, "--version"]).trim(), version);
  console.log("ok: the installed command tells its version");

  writeFileSync(
    join(folder, "use.js"),
    `import { createApp, parseSettings } from "mcp-image-server";
     import { FileStorage, createImageId } from "mcp-image-server/storage";
     import { KServeClient } from "mcp-image-server/kserve";
     import { MockStorage } from "mcp-image-server/testing";
     const app = createApp(parseSettings({ KSERVE_ENDPOINT: "embedded", HOST: "127.0.0.1", PORT: "0", STORAGE_PATH: "pictures" }), { version: "1" });
     const url = await app.listen();
     const answer = await app.images.generate({ prompt: "a blue star", width: 64, height: 64, numInferenceSteps: 1 }, { clientId: "me" });
     const response = await fetch(answer.url);
     const page = await fetch(url, { headers: { accept: "text/html" } });
     const [, style] = /href="(.*\\.css)"/.exec(await page.text());
     console.log((await fetch(url + style)).status, response.status, response.headers.get("content-type"), [FileStorage, createImageId, KServeClient, MockStorage].every(Boolean));
     await app.close();`,
  );
  assert.equal(run(process.execPath, ["use.js"]).trim(), "200 200 image/png true");
  console.log("ok: the library draws with the built-in engine");

  const client = new Client({ name: "package-test", version: "1" });
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, PORT: "0" };
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [command], env, cwd: folder, stderr: "ignore" }),
  );
  const result = await client.callTool({
    name: "generate_image",
    arguments: { prompt: "a red circle", width: 64, height: 64, num_inference_steps: 1 },
  });
  assert.equal(result.isError, undefined, JSON.stringify(result.content));
  await client.close();
  console.log(`ok: the installed command draws over stdio, from ${installed.slice(folder.length + 1)}`);
  console.log("5 passed, 0 failed");
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function readPackReport(report: unknown): { filename: string; size: number; files: string[] } {
  // npm 12 gives an object by package name, earlier ones a list.
  const [entry] = Object.values(
    report as Record<string, { filename: string; size: number; files: { path: string }[] }>,
  );
  assert.ok(entry);
  return { filename: entry.filename, size: entry.size, files: entry.files.map(({ path }) => path) };
}
