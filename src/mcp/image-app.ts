import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { McpServer } from "@modelcontextprotocol/server";
import { findPackageRoot } from "../core/package-root.ts";
import type { McpFeature } from "./mcp-tool.ts";

/** The views of MCP Apps (revision 2026-01-26): both are the same page, which looks at the result that it is given. */
const VIEWS = {
  viewer: { uri: "ui://mcp-image-server/viewer.html", title: "Picture" },
  gallery: { uri: "ui://mcp-image-server/gallery.html", title: "Pictures" },
} as const;

export type AppView = keyof typeof VIEWS;

/** What a tool says of its view, in the present and the former form. */
interface AppMeta extends Record<string, unknown> {
  readonly ui: { readonly resourceUri: string };
  readonly "ui/resourceUri": string;
}

const APP_MIME_TYPE = "text/html;profile=mcp-app";
const APP_EXTENSION = "io.modelcontextprotocol/ui";
const SCRIPTS = ["bridge.js", "app.js"] as const;

/** The page changes with a deployment alone, and is the same for every caller. */
const CACHE_HINT = { ttlMs: 3_600_000, cacheScope: "public" } as const;

export function toAppMeta(view: AppView): AppMeta {
  const { uri } = VIEWS[view];
  return { ui: { resourceUri: uri }, "ui/resourceUri": uri };
}

/**
 * Views of pictures for hosts that show MCP Apps. They load nothing: pictures come from results of tools, as some hosts
 * let a view reach no address at all.
 */
export class ImageApp implements McpFeature {
  #html: string | undefined;

  register(server: McpServer): void {
    server.server.registerCapabilities({ extensions: { [APP_EXTENSION]: {} } });
    for (const { uri, title } of Object.values(VIEWS)) {
      const meta = { ui: { prefersBorder: true, permissions: { clipboardWrite: {} } } };
      server.registerResource(
        title.toLowerCase(),
        uri,
        { title, mimeType: APP_MIME_TYPE, _meta: meta, cacheHint: CACHE_HINT },
        async () => ({ contents: [{ uri, mimeType: APP_MIME_TYPE, text: this.#load(), _meta: meta }] }),
      );
    }
  }

  /** The one page, with its style and its scripts inside. */
  #load(): string {
    this.#html ??= assemblePage(join(findPackageRoot(), "web", "app"));
    return this.#html;
  }
}

function assemblePage(folder: string): string {
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  // One page has one script: what its parts give each other needs no import there.
  const script = SCRIPTS.map((name) =>
    read(name)
      .replaceAll(/^import .*\n/gm, "")
      .replaceAll(/^export /gm, ""),
  );
  return read("app.html")
    .replace("/* app.css */", () => `\n${read("app.css")}`)
    .replace("/* app.js */", () => `\n${script.join("\n")}`);
}
