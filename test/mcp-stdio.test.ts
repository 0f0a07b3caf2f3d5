import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { serveMcpStdio } from "../src/mcp/serve-mcp-stdio.ts";
import { createMcpClient, ERAS } from "./support/mcp-clients.ts";
import { createMcpParts } from "./support/mcp-parts.ts";

const SERVER = resolve(import.meta.dirname, "support/mcp-stdio-server.ts");
const PICTURE = { prompt: "a red boat", width: 64, height: 64 };

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
};
const CALL = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "generate_image", arguments: PICTURE } };

function serve() {
  const parts = createMcpParts();
  const clientIds: string[] = [];
  const build: typeof parts.build = (connection) => {
    clientIds.push(connection.clientId);
    return parts.build(connection);
  };
  const [input, output] = [new PassThrough(), new PassThrough()];
  const connection = serveMcpStdio({ build, input, output });
  const send = (message: unknown): void => void input.write(`${JSON.stringify(message)}\n`);
  return { ...parts, clientIds, input, output, connection, send };
}

// Proves: TOOL-6
describe("serveMcpStdio()", () => {
  for (const era of ERAS) {
    test(`serves generate_image to the official client in a process of its own, ${era} era`, async (t) => {
      const client = createMcpClient(era);
      t.after(async () => client.close());
      await client.connect(new StdioClientTransport({ command: process.execPath, args: [SERVER] }));
      const progress: number[] = [];
      const result = await client.callTool(
        { name: "generate_image", arguments: PICTURE },
        { onprogress: (news) => void progress.push(news.progress) },
      );
      assert.equal(result.isError, undefined);
      const [first] = result.content;
      assert.ok(first?.type === "text");
      assert.deepEqual(JSON.parse(first.text), result.structuredContent);
      // Two phases and the end; a slow machine may add heartbeats between.
      assert.ok(progress.length >= 3, String(progress));
      const refused = await client.callTool({ name: "generate_image", arguments: { ...PICTURE, width: 1 } });
      assert.equal(refused.isError, true);
    });
  }

  test("lets the process end by itself when its input closes", async () => {
    const child = spawn(process.execPath, [SERVER], { stdio: ["pipe", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += String(chunk)));
    child.stdin.end();
    const [code, signal] = await once(child, "close");
    assert.deepEqual({ code, signal, output }, { code: 0, signal: null, output: "" });
  });

  test("builds nothing and writes nothing before the first message", async () => {
    const { connection, clientIds, output, send } = serve();
    assert.deepEqual(clientIds, []);
    assert.equal(output.readableLength, 0);
    send(INITIALIZE);
    await once(output, "readable");
    assert.deepEqual(clientIds, ["stdio"]);
    await connection.close();
    await connection.closed;
  });

  // Proves: TOOL-5
  test("cancels the calls in flight when the client leaves", async () => {
    const { connection, generator, input, send } = serve();
    generator.hold();
    send(INITIALIZE);
    send(CALL);
    await generator.started();
    input.end();
    await connection.closed;
    assert.equal(generator.cancelled.length, 1);
  });

  test("survives lines that are not JSON-RPC", async () => {
    const { connection, generator, input, output, send } = serve();
    input.write('nonsense\n{"jsonrpc":"2.0"}\n[]\n');
    send(INITIALIZE);
    send(CALL);
    let text = "";
    for await (const chunk of output) {
      text += String(chunk);
      if (text.includes('"id":2')) break;
    }
    assert.equal(generator.generateImageCalls.length, 1);
    assert.ok(
      text
        .split("\n")
        .filter(Boolean)
        .every((line) => JSON.parse(line).jsonrpc === "2.0"),
    );
    await connection.close();
  });
});
