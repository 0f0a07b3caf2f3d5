import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { verifyImage } from "../src/core/verify-image.ts";
import { FAKE_S3_ACCESS_KEY_ID, FAKE_S3_SECRET_ACCESS_KEY, startFakeS3Server } from "../src/testing/fake-s3-server.ts";
import { COMMAND, runCommand, ServerProcess, startCommand, TemporaryFolder } from "./support/server-process.ts";

// Proves: CLI-1, CLI-2
describe("mcp-image-server", () => {
  test("--version prints the version of the package, and --help every command", async () => {
    using home = new TemporaryFolder();
    const packageJson = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8"));
    const version = await runCommand(["--version"], { home: home.path });
    assert.deepEqual([version.exitCode, version.stdout.trim()], [0, packageJson.version]);
    const help = await runCommand(["--help"], { home: home.path });
    assert.equal(help.exitCode, 0);
    for (const name of [
      "serve",
      "stdio",
      "generate",
      "inspect",
      "config",
      "healthcheck",
      "doctor",
      "cleanup",
      "engine",
      "models",
      "storage",
    ]) {
      assert.match(help.stdout, new RegExp(`^  ${name}\\b`, "m"));
    }
  });

  test("exits with 64 and says what is wrong for wrong usage", async () => {
    using home = new TemporaryFolder();
    const unknown = await runCommand(["sevre"], { home: home.path });
    assert.equal(unknown.exitCode, 64);
    assert.match(unknown.stderr, /^error: unknown command 'sevre'\n\(see --help\)/);
    const number = await runCommand(["generate", "x", "--width", "wide"], { home: home.path });
    assert.equal(number.exitCode, 64);
    assert.match(number.stderr, /--width.*'wide'.*plain number/);
    const range = await runCommand(["generate", "x", "--width", "5000"], { home: home.path });
    assert.equal(range.exitCode, 64);
    assert.match(range.stderr, /width must be an integer from 64 to 2048, got 5000/);
  });

  test("help prints what --help does, of the whole and of a command", async () => {
    using home = new TemporaryFolder();
    for (const command of [[], ["serve"]]) {
      const [word, option] = await Promise.all([
        runCommand(["help", ...command], { home: home.path }),
        runCommand([...command, "--help"], { home: home.path }),
      ]);
      assert.deepEqual([word.exitCode, word.stdout], [0, option.stdout]);
    }
  });

  // Proves: SETTINGS-4
  test("serve refuses to start without KSERVE_ENDPOINT and names it", async () => {
    using home = new TemporaryFolder();
    const { exitCode, stderr } = await runCommand(["serve"], { home: home.path });
    assert.equal(exitCode, 78);
    assert.match(stderr, /KSERVE_ENDPOINT/);
  });

  // Proves: SETTINGS-5
  test("config check prints every fault at once and exits with 78, without the secret", async () => {
    using home = new TemporaryFolder();
    const settings = {
      PORT: "80abc",
      STORAGE_BACKEND: "s3",
      AWS_SECRET_ACCESS_KEY: "canary-secret",
      KSERVE_ENDPOINT: "x",
    };
    const { exitCode, stderr } = await runCommand(["config", "check"], { home: home.path, settings });
    assert.equal(exitCode, 78);
    for (const name of ["PORT", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "KSERVE_ENDPOINT"])
      assert.match(stderr, new RegExp(name));
    assert.doesNotMatch(stderr, /canary-secret/);
  });

  test("config check accepts the defaults of a desk, from a .env file too", async () => {
    using home = new TemporaryFolder();
    assert.equal((await runCommand(["config", "check", "--local"], { home: home.path })).exitCode, 0);
    writeFileSync(join(home.path, ".env"), "kserve_endpoint=http://models.example.com # ours\nUNKNOWN_NAME=1\n");
    const checked = await runCommand(["config", "check"], { home: home.path });
    assert.deepEqual([checked.exitCode, checked.stdout], [0, "The settings are valid\n"]);
  });

  test("config show prints each setting with its source and no secret", async () => {
    using home = new TemporaryFolder();
    const settings = { PORT: "9000", KSERVE_AUTH_TOKEN: "canary-token" };
    const { exitCode, stdout } = await runCommand(["config", "show", "--local"], { home: home.path, settings });
    assert.equal(exitCode, 0);
    assert.match(stdout, /PORT.*9000.*environment/);
    assert.match(stdout, /HOST.*127\.0\.0\.1/);
    assert.doesNotMatch(stdout, /canary-token/);
  });

  test("config docs prints the table of settings and the .env example", async () => {
    using home = new TemporaryFolder();
    const markdown = await runCommand(["config", "docs"], { home: home.path });
    assert.match(markdown.stdout, /`IMAGE_TTL`/);
    const example = await runCommand(["config", "docs", "--format", "env"], { home: home.path });
    assert.match(example.stdout, /^#? ?IMAGE_TTL=/m);
  });

  test("generate writes a picture, prints its path, and does not overwrite", async () => {
    using home = new TemporaryFolder();
    const args = ["generate", "A red circle!", "--width", "96", "--height", "64", "--steps", "2", "--seed", "5"];
    const first = await runCommand(args, { home: home.path });
    assert.equal(first.exitCode, 0, first.stderr);
    const path = join(home.path, "a-red-circle-5.png");
    assert.equal(first.stdout, `${path}\n`);
    assert.deepEqual(verifyImage(readFileSync(path)), { format: "png", width: 96, height: 64 });
    const again = await runCommand(args, { home: home.path });
    assert.equal(again.exitCode, 73);
    assert.match(again.stderr, /exists already/);
    assert.deepEqual(readdirSync(home.path), ["a-red-circle-5.png"]);
  });

  test("generate does not draw what it could not write", async () => {
    using home = new TemporaryFolder();
    const args = ["generate", "x", "--output", join("not", "here.png")];
    const { exitCode, stderr } = await runCommand(args, { home: home.path });
    assert.equal(exitCode, 73);
    assert.match(stderr, /^mcp-image-server: Cannot write ".*here\.png"\n.*ENOENT/);
    assert.doesNotMatch(stderr, /engine_model_loaded/);
  });

  test("generate says why a model server cannot be reached and exits with 69", async () => {
    using home = new TemporaryFolder();
    const settings = { KSERVE_ENDPOINT: "http://127.0.0.1:9", KSERVE_MAX_RETRIES: "0" };
    const { exitCode, stderr } = await runCommand(["generate", "x"], { home: home.path, settings });
    assert.equal(exitCode, 69);
    assert.match(stderr, /^mcp-image-server: .*could not be reached\n.*ECONNREFUSED/);
    assert.deepEqual(readdirSync(home.path), []);
  });

  test("healthcheck asks the running server, and exits with 69 when there is none", async () => {
    using home = new TemporaryFolder();
    await using server = await ServerProcess.start({ home: home.path });
    const alive = await runCommand(["healthcheck", "--url", server.url], { home: home.path });
    assert.deepEqual([alive.exitCode, alive.stdout], [0, `${server.url}/livez: HTTP 200\n`]);
    const ready = await runCommand(["healthcheck", "--ready"], {
      home: home.path,
      settings: { PORT: new URL(server.url).port },
    });
    assert.equal(ready.exitCode, 0);
    await server.stop();
    assert.equal((await runCommand(["healthcheck", "--url", server.url], { home: home.path })).exitCode, 69);
    const wrong = await runCommand(["healthcheck", "--url", "somewhere"], { home: home.path });
    assert.equal(wrong.exitCode, 64);
    assert.match(wrong.stderr, /'somewhere' is invalid\. It must be a URL with http:\/\/ or https:\/\//);
  });

  test("serve says that the port is taken and exits with 78", async () => {
    using home = new TemporaryFolder();
    await using server = await ServerProcess.start({ home: home.path });
    const second = await runCommand(["serve", "--local", "--port", new URL(server.url).port], { home: home.path });
    assert.equal(second.exitCode, 78);
    assert.match(second.stderr, /port is taken; choose another with PORT or --port/);
    const settings = { METRICS_PORT: new URL(server.url).port };
    const third = await runCommand(["serve", "--local", "--port", "0"], { home: home.path, settings });
    assert.equal(third.exitCode, 78);
    assert.match(third.stderr, /port is taken; choose another with METRICS_PORT/);
    const same = await runCommand(["config", "check", "--local"], {
      home: home.path,
      settings: { ...settings, PORT: settings.METRICS_PORT },
    });
    assert.match(same.stderr, /METRICS_PORT=.* must not be that of PORT/);
  });

  // Proves: CLI-4
  test("says in one line what it needs when it is started on too old a Node", async () => {
    const fakeVersion = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } });`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", `data:text/javascript,${encodeURIComponent(fakeVersion)}`, COMMAND, "--help"],
      { encoding: "utf8" },
    );
    assert.deepEqual([status, stdout], [1, ""]);
    assert.equal(stderr, "mcp-image-server needs Node 22.19 or newer, and this is Node 20.20.2\n");
  });

  test("serve writes its log for human eyes where LOG_FORMAT says so", async () => {
    using home = new TemporaryFolder();
    const settings = { KSERVE_ENDPOINT: "http://127.0.0.1:9", PORT: "0", LOG_FORMAT: "pretty", NO_COLOR: "1" };
    const child = startCommand(["serve", "--local"], { home: home.path, settings });
    const [line] = await once(createInterface(child.stderr), "line");
    child.kill();
    await once(child, "exit");
    assert.match(line, /^\[[\d:.]+\] INFO: cli server_started \{"url":"http:/);
  });

  test("cleanup deletes what has expired and prints how many", async () => {
    using home = new TemporaryFolder();
    const settings = { STORAGE_PATH: join(home.path, "pictures") };
    const { exitCode, stdout } = await runCommand(["cleanup"], { home: home.path, settings });
    assert.deepEqual([exitCode, stdout], [0, "0 expired pictures deleted\n"]);
  });

  test("storage usage prints what is stored, for people and as JSON", async () => {
    using home = new TemporaryFolder();
    const settings = { STORAGE_PATH: join(home.path, "pictures"), MAX_STORAGE_BYTES: "53687091200" };
    const words = await runCommand(["storage", "usage"], { home: home.path, settings });
    assert.deepEqual(
      [words.exitCode, words.stdout],
      [0, "pictures  0, 0 bytes\nkept      0, 0 bytes\nlimit     50.0 GiB\n"],
    );
    const { stdout } = await runCommand(["storage", "usage", "--json"], { home: home.path, settings });
    assert.deepEqual(JSON.parse(stdout), {
      images: 0,
      bytes: 0,
      kept_images: 0,
      kept_bytes: 0,
      limit_bytes: 53_687_091_200,
    });
  });

  test("storage lifecycle prints the rule, sets it when told to, and says what has none", async () => {
    using home = new TemporaryFolder();
    await using server = await startFakeS3Server({ buckets: ["pictures"] });
    const settings = {
      STORAGE_BACKEND: "s3",
      S3_BUCKET: "pictures",
      S3_ENDPOINT_URL: server.url,
      AWS_ACCESS_KEY_ID: FAKE_S3_ACCESS_KEY_ID,
      AWS_SECRET_ACCESS_KEY: FAKE_S3_SECRET_ACCESS_KEY,
    };
    const run = async (words: string[], more: Record<string, string> = {}) =>
      runCommand(["storage", "lifecycle", ...words], { home: home.path, settings: { ...settings, ...more } });
    const printed = await run([]);
    assert.equal(printed.exitCode, 0);
    assert.equal(JSON.parse(printed.stdout).Rules[0].Filter.Prefix, "mcp-images/z");
    assert.deepEqual(server.operations, []);
    assert.equal((await run(["--apply"])).stdout, "The lifecycle rule was added\n");
    assert.equal((await run(["--apply"])).stdout, "The lifecycle rule was there already\n");
    const never = await run([], { IMAGE_TTL: "never" });
    assert.deepEqual([never.exitCode, never.stdout], [78, ""]);
    assert.match(never.stderr, /IMAGE_TTL is never/);
    assert.equal((await run([], { STORAGE_BACKEND: "file" })).exitCode, 78);
  });
});
