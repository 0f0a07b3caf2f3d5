import assert from "node:assert/strict";
import { test } from "node:test";
import { RESOURCE_MIME_TYPE } from "@modelcontextprotocol/ext-apps";
import { EXTENSION_ID } from "@modelcontextprotocol/ext-apps/server";
import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { McpServer } from "@modelcontextprotocol/server";
import { ImageApp, toAppMeta } from "../src/mcp/image-app.ts";

async function connect(): Promise<Client> {
  const server = new McpServer({ name: "test", version: "1" });
  new ImageApp().register(server);
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  await server.connect(ours);
  const client = new Client({ name: "test", version: "1" });
  await client.connect(theirs);
  return client;
}

test("ImageApp declares its extension and two views of one page", async () => {
  const client = await connect();
  assert.deepEqual(client.getServerCapabilities()?.extensions?.[EXTENSION_ID], {});
  const { resources } = await client.listResources();
  assert.deepEqual(
    resources.map(({ uri, mimeType }) => [uri, mimeType]),
    [
      ["ui://mcp-image-server/viewer.html", RESOURCE_MIME_TYPE],
      ["ui://mcp-image-server/gallery.html", RESOURCE_MIME_TYPE],
    ],
  );
  assert.deepEqual(toAppMeta("viewer").ui, { resourceUri: resources[0]?.uri });
  await client.close();
});

test("a view of ImageApp is whole: no import, no address to load from, and less than 40 KB", async () => {
  const client = await connect();
  const { contents } = await client.readResource({ uri: toAppMeta("gallery").ui.resourceUri });
  const [content] = contents;
  assert.ok(content !== undefined && "text" in content);
  assert.doesNotMatch(content.text, /^\s*(?:import|export) /m);
  assert.doesNotMatch(content.text, /(?:src|href)=["']|https?:\/\/|url\(/);
  assert.ok(content.text.length < 40_000, String(content.text.length));
  await client.close();
});
