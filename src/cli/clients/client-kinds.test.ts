import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parse } from "yaml";
import type { ClientEntry } from "./client-entry.ts";
import { CLIENT_NAMES, getClientKind, type ClientName } from "./client-kinds.ts";

const PROCESS: ClientEntry = {
  name: "images",
  transport: "stdio",
  command: "npx",
  args: ["-y", "mcp-image-server"],
  env: { KSERVE_ENDPOINT: "https://sd.example.com" },
};
const ENV = { KSERVE_ENDPOINT: "https://sd.example.com" };
const STDIO = { command: "npx", args: ["-y", "mcp-image-server"], env: ENV };
const OPEN: ClientEntry = {
  name: "images",
  transport: "http",
  url: "https://images.example.com/mcp",
  withKey: false,
};
const LOCKED: ClientEntry = { ...OPEN, withKey: true };
const URL_MEMBER = { url: "https://images.example.com/mcp" };

const printed = (name: ClientName, entry: ClientEntry): string => getClientKind(name).print(entry);
const json = (name: ClientName, entry: ClientEntry): unknown => JSON.parse(printed(name, entry));
const bearer = (key: string): unknown => ({ Authorization: `Bearer ${key}` });

describe("CLIENT_KINDS", () => {
  test("Claude Code gets a .mcp.json with types, and variables for the key", () => {
    assert.deepEqual(json("claude-code", PROCESS), { mcpServers: { images: { type: "stdio", ...STDIO } } });
    assert.deepEqual(json("claude-code", LOCKED), {
      mcpServers: { images: { type: "http", ...URL_MEMBER, headers: bearer("${MCP_IMAGE_SERVER_KEY}") } },
    });
  });

  test("Claude Code's command has the options before the name and the key in double quotes", () => {
    const { hint } = getClientKind("claude-code");
    assert.equal(
      hint?.(PROCESS),
      "or run: claude mcp add --env KSERVE_ENDPOINT=https://sd.example.com images -- npx -y mcp-image-server",
    );
    assert.equal(
      hint?.(LOCKED),
      'or run: claude mcp add --transport http images https://images.example.com/mcp --header "Authorization: Bearer $MCP_IMAGE_SERVER_KEY"',
    );
  });

  test("Claude Desktop, which starts processes only, reaches a URL through mcp-remote", () => {
    assert.deepEqual(json("claude-desktop", PROCESS), { mcpServers: { images: STDIO } });
    assert.deepEqual(json("claude-desktop", OPEN), {
      mcpServers: { images: { command: "npx", args: ["-y", "mcp-remote", "https://images.example.com/mcp"] } },
    });
    assert.deepEqual(json("claude-desktop", { ...LOCKED, url: "http://10.0.0.7:8000/mcp" }), {
      mcpServers: {
        images: {
          command: "npx",
          args: [
            "-y",
            "mcp-remote",
            "http://10.0.0.7:8000/mcp",
            "--allow-http",
            "--header",
            "Authorization:${MCP_IMAGE_SERVER_KEY}",
          ],
          env: { MCP_IMAGE_SERVER_KEY: "Bearer PUT-THE-KEY-HERE" },
        },
      },
    });
    const loopback = printed("claude-desktop", { ...OPEN, url: "http://[::1]:8000/mcp" });
    assert.doesNotMatch(loopback, /allow-http/);
  });

  test("Cursor, Gemini CLI, Zed and Windsurf differ in the names of their members", () => {
    for (const [name, root, urlKey, key] of [
      ["cursor", "mcpServers", "url", "${env:MCP_IMAGE_SERVER_KEY}"],
      ["gemini-cli", "mcpServers", "httpUrl", "$MCP_IMAGE_SERVER_KEY"],
      ["zed", "context_servers", "url", "PUT-THE-KEY-HERE"],
      ["windsurf", "mcpServers", "serverUrl", "PUT-THE-KEY-HERE"],
    ] as const) {
      assert.deepEqual(json(name, PROCESS), { [root]: { images: STDIO } });
      assert.deepEqual(json(name, OPEN), { [root]: { images: { [urlKey]: URL_MEMBER.url } } });
      assert.deepEqual(json(name, LOCKED), {
        [root]: { images: { [urlKey]: URL_MEMBER.url, headers: bearer(key) } },
      });
    }
  });

  test("VS Code asks for the key and names its servers `servers`", () => {
    assert.deepEqual(json("vscode", PROCESS), { servers: { images: { type: "stdio", ...STDIO } } });
    assert.deepEqual(json("vscode", LOCKED), {
      inputs: [
        {
          type: "promptString",
          id: "mcp-image-server-key",
          description: "Key for https://images.example.com/mcp",
          password: true,
        },
      ],
      servers: { images: { type: "http", ...URL_MEMBER, headers: bearer("${input:mcp-image-server-key}") } },
    });
  });

  test("Goose gets YAML with its own words", () => {
    const common = {
      enabled: true,
      name: "images",
      description: "Draws pictures from text and gives their URLs",
      timeout: 300,
    };
    assert.deepEqual(parse(printed("goose", PROCESS)), {
      extensions: { images: { ...common, type: "stdio", cmd: "npx", args: STDIO.args, envs: ENV } },
    });
    assert.deepEqual(parse(printed("goose", LOCKED)), {
      extensions: {
        images: {
          ...common,
          type: "streamable_http",
          uri: URL_MEMBER.url,
          headers: bearer("${MCP_IMAGE_SERVER_KEY}"),
          envs: {},
          env_keys: ["MCP_IMAGE_SERVER_KEY"],
        },
      },
    });
  });

  test("Codex gets TOML with times that a picture needs", () => {
    assert.equal(
      printed("codex", PROCESS),
      [
        "[mcp_servers.images]",
        'command = "npx"',
        'args = ["-y", "mcp-image-server"]',
        "startup_timeout_sec = 60",
        "tool_timeout_sec = 300",
        "",
        "[mcp_servers.images.env]",
        'KSERVE_ENDPOINT = "https://sd.example.com"',
        "",
      ].join("\n"),
    );
    assert.equal(
      printed("codex", LOCKED),
      [
        "[mcp_servers.images]",
        'url = "https://images.example.com/mcp"',
        'bearer_token_env_var = "MCP_IMAGE_SERVER_KEY"',
        "startup_timeout_sec = 60",
        "tool_timeout_sec = 300",
        "",
      ].join("\n"),
    );
  });

  test("no client gets an empty env", () => {
    for (const name of CLIENT_NAMES.filter((client) => client !== "goose")) {
      assert.doesNotMatch(printed(name, { ...PROCESS, env: {} }), /env/, name);
    }
  });

  test("every client has a file on every platform", () => {
    for (const name of CLIENT_NAMES) {
      for (const platform of ["linux", "darwin", "win32"] as const) {
        assert.match(getClientKind(name).file(platform), /\.(?:json|yaml|toml)\b/, `${name} on ${platform}`);
      }
    }
    assert.equal(getClientKind("windsurf").file("win32"), String.raw`%USERPROFILE%\.codeium\windsurf\mcp_config.json`);
  });

  test("quotes words that mean something to a shell", () => {
    const command = getClientKind("codex").hint?.({ ...PROCESS, args: ["it's", "two words"], env: {} });
    assert.equal(command, String.raw`or run: codex mcp add images -- npx 'it'\''s' 'two words'`);
  });
});
