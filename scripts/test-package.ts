import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { makeCertificate } from "../src/testing/make-certificate.ts";

/** Packs the package, installs it elsewhere without running any script, and drives what was installed. */
const MAX_PACKAGES = 40;
/** Beside the one that runs this: the oldest that is promised, and the newest line. */
const OTHER_NODES = ["22.19.0", "26"];

/** What starts the command as a process and can be told which. */
const COMMAND_TESTS = ["cli", "cli-doctor", "end-to-end", "engine-command"].map((name) => `test/${name}.test.ts`);

const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "mcp-image-server-package-"));
const run = (command: string, args: readonly string[], cwd = folder, env: Record<string, string> = {}): string =>
  execFileSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });

try {
  run("npm", ["run", "check:package"], root);
  console.log("ok: the package's shape pleases publint and attw");

  const packed: unknown = JSON.parse(
    run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root),
  );
  const { filename, size, files } = readPackReport(packed);
  assert.ok(files.some((path) => path === "models/scenes-v1/unet/model.onnx"));
  assert.ok(files.some((path) => path === "web/gallery/gallery.css"));
  assert.ok(files.includes("skills/write-image-prompts/SKILL.md"));
  for (const name of ["sbom.cdx.json", "THIRD-PARTY-LICENSES.txt"]) assert.ok(files.includes(`dist/${name}`), name);
  assert.ok(files.every((path) => !path.endsWith(".test.js")));
  console.log(`ok: ${filename} has ${files.length} files and ${(size / 1024 / 1024).toFixed(1)} MiB`);

  writeFileSync(join(folder, "package.json"), '{"private":true,"type":"module"}');
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", `./${filename}`]);
  const installed = join(folder, "node_modules/mcp-image-server");
  const command = join(folder, "node_modules/.bin/mcp-image-server");
  assert.ok(!existsSync(join(folder, "node_modules/onnxruntime-web")), "the runtime is part of the package");

  const packages = run("npm", ["ls", "--all", "--omit=dev", "--parseable"]).trim().split("\n").length - 1;
  assert.ok(packages <= MAX_PACKAGES, `${packages} packages`);
  console.log(`ok: it needs ${packages} packages, itself included, and none of their scripts`);

  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.equal(run(process.execPath, [command, "--version"]).trim(), version);
  console.log("ok: the installed command tells its version");

  writeFileSync(
    join(folder, "use.js"),
    `import { createApp, parseSettings } from "mcp-image-server";
     import { FileStorage, S3Storage, createImageId } from "mcp-image-server/storage";
     import { KServeClient } from "mcp-image-server/kserve";
     import { MockStorage, startFakeS3Server } from "mcp-image-server/testing";
     const app = createApp(parseSettings({ KSERVE_ENDPOINT: "embedded", HOST: "127.0.0.1", PORT: "0", STORAGE_PATH: "pictures" }), { version: "1" });
     const url = await app.listen();
     const answer = await app.images.generate({ prompt: "a blue star", width: 64, height: 64, numInferenceSteps: 1 }, { clientId: "me" });
     const response = await fetch(answer.url);
     const page = await fetch(url, { headers: { accept: "text/html" } });
     const [, style] = /href="(.*\\.css)"/.exec(await page.text());
     console.log((await fetch(url + style)).status, response.status, response.headers.get("content-type"), [FileStorage, createImageId, KServeClient, MockStorage].every(Boolean));
     const store = await startFakeS3Server({ accessKeyId: "a", buckets: ["pictures"] });
     const keys = { accessKeyId: "a", secretAccessKey: "fake-secret-access-key" };
     const s3 = new S3Storage({ bucket: "pictures", endpointUrl: store.url, baseUrl: url, ...keys });
     await s3.checkHealth();
     await Promise.all([s3.close(), store.close(), app.close()]);`,
  );
  assert.equal(run(process.execPath, ["use.js"]).trim(), "200 200 image/png true");
  console.log("ok: the library draws with the built-in engine, and reaches a bucket");

  checkTypes();
  console.log("ok: its types need no package but those that it brings");

  await drawOverStdio(process.execPath, [command]);
  console.log(`ok: the installed command draws over stdio, from ${installed.slice(folder.length + 1)}`);

  run(process.execPath, ["--test", "--test-concurrency=2", "--test-reporter=dot", ...COMMAND_TESTS], root, {
    TEST_COMMAND: realpathSync(command),
  });
  console.log(`ok: the installed command passes ${COMMAND_TESTS.join(" ")}`);

  signPictures(command);
  console.log("ok: with its optional package the command signs pictures, and says what to install without");

  const npx = run("npx", ["--no-install", "mcp-image-server", "--version"]).trim();
  assert.equal(npx, version);
  console.log("ok: npx finds the command");

  for (const release of OTHER_NODES) {
    const node = installNode(release);
    await drawOverStdio(node, [command]);
    console.log(`ok: it draws over stdio on Node ${run(node, ["--version"]).trim()}`);
  }
  console.log(`${10 + OTHER_NODES.length} passed, 0 failed`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Compiles a program that uses the library, and the library's own declarations with it. */
function checkTypes(): void {
  writeFileSync(
    join(folder, "use.ts"),
    `import { createApp, parseSettings, GenerateImageTool, type App, type Settings } from "mcp-image-server";
     import { AbstractStorage, S3Storage, type ImageRecord } from "mcp-image-server/storage";
     import { KServeClient } from "mcp-image-server/kserve";
     import { MockStorage, startFakeS3Server } from "mcp-image-server/testing";
     const settings: Settings = parseSettings({});
     export const app: App = createApp(settings, { version: "1" });
     export const record = (storage: AbstractStorage): Promise<ImageRecord | undefined> => storage.readRecord("1");
     export const days: number = new S3Storage({ bucket: "b", baseUrl: "http://localhost" }).describeLifecycle(1).Expiration.Days;
     export { GenerateImageTool, KServeClient, MockStorage, startFakeS3Server };`,
  );
  // Those of Node are the program's own.
  const types = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"];
  const strict = ["--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false", "--noEmit"];
  const target = ["--target", "es2024", "--lib", "es2024,esnext.disposable", "--module", "nodenext"];
  run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...types, ...strict, ...target, "use.ts"]);
}

/** Signs a picture with what npm gives for the optional package; before it is installed, the command names it. */
function signPictures(command: string): void {
  const authority = makeCertificate({ commonName: "Authority", signs: "certificates" });
  const names = { commonName: "Pictures", organization: "Example" };
  const { cert, key } = makeCertificate({ ...names, signs: "contents", issuer: authority });
  const env = { C2PA_SIGN_CERT: cert, C2PA_PRIVATE_KEY: key, HOME: folder };
  const words = ["generate", "a red circle", "--width", "64", "--height", "64", "--steps", "1", "-o", "signed.png"];
  const { status, stderr } = spawnSync(process.execPath, [command, ...words], {
    cwd: folder,
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  assert.equal(status, 78, stderr);
  const name = "@trustnxt/c2pa-ts";
  assert.match(stderr, new RegExp(`npm install ${name}`));
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", `${name}@${devDependencies[name]}`]);
  run(process.execPath, [command, ...words], folder, env);
  const { c2pa } = JSON.parse(run(process.execPath, [command, "inspect", "signed.png", "--json"]));
  assert.equal(c2pa, "valid");
}

/** One picture through the command, as an MCP client starts it. */
async function drawOverStdio(program: string, args: string[]): Promise<void> {
  const client = new Client({ name: "package-test", version: "1" });
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, PORT: "0" };
  await client.connect(new StdioClientTransport({ command: program, args, env, cwd: folder, stderr: "ignore" }));
  const result = await client.callTool({
    name: "generate_image",
    arguments: { prompt: "a red circle", width: 64, height: 64, num_inference_steps: 1 },
  });
  assert.equal(result.isError, undefined, JSON.stringify(result.content));
  await client.close();
}

/** npm has Node itself, as a package for each platform that needs no script. */
function installNode(release: string): string {
  const name = `node-${process.platform}-${process.arch}`;
  const home = join(folder, `node-${release}`);
  mkdirSync(home);
  run("npm", ["install", "--prefix", home, "--ignore-scripts", "--no-audit", "--no-fund", `${name}@${release}`]);
  return join(home, "node_modules", name, "bin/node");
}

function readPackReport(report: unknown): { filename: string; size: number; files: string[] } {
  // npm 12 gives an object by package name, earlier ones a list.
  const [entry] = Object.values(
    report as Record<string, { filename: string; size: number; files: { path: string }[] }>,
  );
  assert.ok(entry);
  return { filename: entry.filename, size: entry.size, files: entry.files.map(({ path }) => path) };
}
