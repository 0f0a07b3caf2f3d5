// Asks a running server for a picture with the MCP SDK, follows the progress, and saves the file.
import { writeFile } from "node:fs/promises";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const url = process.env.MCP_URL ?? "http://127.0.0.1:8000/mcp";
const client = new Client({ name: "example", version: "1.0.0" });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));

const { structuredContent, isError, content } = await client.callTool(
  { name: "generate_image", arguments: { prompt: "a red circle", width: 256, height: 256, seed: 7 } },
  { onprogress: ({ message }) => console.error(message) },
);
if (isError) throw new Error(content[0].text);

const { image_id, url: pictureUrl, metadata } = structuredContent;
const response = await fetch(pictureUrl);
await writeFile(`${image_id}.png`, Buffer.from(await response.arrayBuffer()));
console.log(`${image_id}.png, seed ${metadata.seed}`);
await client.close();
