import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { COMMAND, freshEnvironment, runCommand, TemporaryFolder } from "./support/server-process.ts";

describe("mcp-image-server print-config", () => {
  test("prints the text of a client alone on standard output, and where it belongs on standard error", async () => {
    using home = new TemporaryFolder();
    const { exitCode, stdout, stderr } = await runCommand(["print-config", "cursor"], { home: home.path });
    assert.equal(exitCode, 0);
    const { mcpServers } = JSON.parse(stdout);
    const { command, args } = mcpServers.images;
    assert.deepEqual([command, ...args].slice(-3), ["npx", "-y", "mcp-image-server"]);
    assert.match(stderr, /^Cursor reads this in .*\.cursor[\\/]mcp\.json/);
  });

  test("--list and no client list every client, and only the second is wrong usage", async () => {
    using home = new TemporaryFolder();
    const listed = await runCommand(["print-config", "--list"], { home: home.path });
    assert.equal(listed.exitCode, 0);
    const names = listed.stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0]);
    assert.deepEqual(names, [
      "claude-code",
      "claude-desktop",
      "cursor",
      "vscode",
      "goose",
      "codex",
      "gemini-cli",
      "zed",
      "windsurf",
    ]);
    const nothing = await runCommand(["print-config"], { home: home.path });
    assert.deepEqual([nothing.exitCode, nothing.stdout], [64, listed.stdout]);
    const unknown = await runCommand(["print-config", "emacs"], { home: home.path });
    assert.equal(unknown.exitCode, 64);
    assert.match(unknown.stderr, /'emacs'.*claude-code/);
  });

  test("exits with 64 for an option that would not work", async () => {
    using home = new TemporaryFolder();
    const { exitCode, stdout, stderr } = await runCommand(["print-config", "zed", "--key"], { home: home.path });
    assert.deepEqual([exitCode, stdout], [64, ""]);
    assert.match(stderr, /^mcp-image-server: --key must be given with --url/);
  });

  test("what it prints with --here starts this server, with the settings given", async () => {
    using home = new TemporaryFolder();
    const pictures = join(home.path, "my pictures");
    const { stdout } = await runCommand(
      ["print-config", "claude-code", "--here", "--env", `STORAGE_PATH=${pictures}`, "--env", "IMAGE_TTL=60"],
      { home: home.path },
    );
    const { command, args, env } = JSON.parse(stdout).mcpServers.images;
    assert.deepEqual(env, { STORAGE_PATH: pictures, IMAGE_TTL: "60" });
    const client = new Client({ name: "test", version: "1" });
    await client.connect(
      new StdioClientTransport({ command, args, env: { ...freshEnvironment(home.path), ...env }, stderr: "ignore" }),
    );
    const { tools } = await client.listTools();
    assert.ok(tools.some(({ name }) => name === "generate_image"));
    await client.close();
  });
});

describe("mcp-image-server completion", () => {
  const script = (shell: string): string =>
    execFileSync(process.execPath, [COMMAND, "completion", shell], { encoding: "utf8" });

  test("in bash completes commands, options, choices and files, and knows values from commands", () => {
    using home = new TemporaryFolder();
    const file = join(home.path, "completion.bash");
    writeFileSync(file, script("bash"));
    mkdirSync(join(home.path, "models"));
    writeFileSync(join(home.path, "my.env"), "");
    const complete = (line: string): string[] => {
      const words = line.split(" ");
      const program = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mcp_image_server; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr, status } = spawnSync("bash", ["-c", program, file, ...words], {
        cwd: home.path,
        encoding: "utf8",
      });
      assert.deepEqual([status, stderr], [0, ""], line);
      return stdout.trim().split("\n");
    };
    assert.deepEqual(complete("mcp-image-server se"), ["serve"]);
    assert.deepEqual(complete("mcp-image-server serve --lo"), ["--local"]);
    assert.deepEqual(complete("mcp-image-server config s"), ["show"]);
    assert.deepEqual(complete("mcp-image-server config docs --format "), ["markdown", "env"]);
    assert.deepEqual(complete("mcp-image-server print-config cl"), ["claude-code", "claude-desktop"]);
    assert.deepEqual(complete("mcp-image-server print-config --name serve cu"), ["cursor"]);
    assert.deepEqual(complete("mcp-image-server --env-file my"), ["my.env"]);
    assert.deepEqual(complete("mcp-image-server --env-file my.env do"), ["doctor"]);
    assert.deepEqual(complete("mcp-image-server engine --model "), ["models"]);
    assert.deepEqual(complete("mcp-image-server completion "), ["bash", "zsh", "fish", "-h", "--help"]);
    assert.deepEqual(complete("mcp-image-server serve --port "), [""]);
  });

  test("names every command that --help names, in each shell, with its description", async () => {
    using home = new TemporaryFolder();
    const scripts = [script("zsh"), script("fish")];
    const { stdout: help } = await runCommand(["--help"], { home: home.path });
    const commands = Array.from(help.matchAll(/^  ([a-z][a-z-]+) /gm), ([, name = ""]) => name);
    assert.ok(commands.includes("serve") && commands.includes("completion"), help);
    for (const name of commands) {
      assert.match(scripts[0] ?? "", new RegExp(`'${name}:\\w`));
      assert.match(scripts[1] ?? "", new RegExp(` -a '${name}' -d '\\w`));
    }
  });
});
