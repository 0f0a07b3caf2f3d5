import { ResourceTemplate, type McpServer } from "@modelcontextprotocol/server";
import { PNG_BASE64 } from "./samples.ts";

/** Resources of text, of bytes, from a template, and one to subscribe to. */
export function registerResources(server: McpServer): void {
  const text = { description: "A text", mimeType: "text/plain" };
  server.registerResource("static-text", "test://static-text", text, ({ href: uri }) => ({
    contents: [{ uri, mimeType: "text/plain", text: "This is the content of the static text resource." }],
  }));
  server.registerResource("watched", "test://watched-resource", text, ({ href: uri }) => ({
    contents: [{ uri, mimeType: "text/plain", text: "This resource may change." }],
  }));
  server.registerResource(
    "static-binary",
    "test://static-binary",
    { description: "A picture", mimeType: "image/png" },
    ({ href: uri }) => ({ contents: [{ uri, mimeType: "image/png", blob: PNG_BASE64 }] }),
  );
  server.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", { list: undefined }),
    { description: "Data by id", mimeType: "application/json" },
    ({ href: uri }, { id }) => ({
      contents: [
        {
          uri,
          mimeType: "application/json",
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }),
        },
      ],
    }),
  );
  server.server.setRequestHandler("resources/subscribe", () => ({}));
  server.server.setRequestHandler("resources/unsubscribe", () => ({}));
}
