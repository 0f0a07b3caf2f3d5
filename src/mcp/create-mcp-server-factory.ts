import { McpServer } from "@modelcontextprotocol/server";
import type { McpFeature, McpServerBuilder } from "./mcp-tool.ts";

export interface McpServerFactoryOptions {
  /** Default: `mcp-image-server`. */
  readonly name?: string;
  readonly version: string;
  readonly features: readonly McpFeature[];
}

const INSTRUCTIONS =
  "Makes pictures from text. Call generate_image with a prompt; it stores the picture and returns a URL that opens " +
  "in any browser. Show the picture to the user as Markdown: ![what it shows](url). Call view_image to see it yourself, " +
  "and to wait for a picture that is still being drawn.";

/** Lists are the same for every caller and change with a deployment alone. */
const CACHE_HINT = { ttlMs: 60_000, cacheScope: "public" } as const;

/** Pictures come and go, and not every caller sees all of them. */
const PICTURES_HINT = { ttlMs: 5_000, cacheScope: "private" } as const;

/** What makes the servers of this product, for stdio and HTTP alike. */
export function createMcpServerFactory(options: McpServerFactoryOptions): McpServerBuilder {
  const serverInfo = {
    name: options.name ?? "mcp-image-server",
    title: "Image generator",
    version: options.version,
  };
  const byTool = new Map(
    options.features.flatMap((feature) =>
      Object.keys(feature.toolScopes ?? {}).map((tool) => [tool, feature] as const),
    ),
  );
  return (connection) => {
    const server = new McpServer(serverInfo, {
      instructions: INSTRUCTIONS,
      capabilities: {
        tools: { listChanged: false },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: false },
      },
      cacheHints: {
        "tools/list": CACHE_HINT,
        "prompts/list": CACHE_HINT,
        "resources/templates/list": CACHE_HINT,
        "resources/list": PICTURES_HINT,
        "server/discover": CACHE_HINT,
      },
    });
    const called = connection.tool === undefined ? undefined : byTool.get(connection.tool);
    for (const feature of called === undefined ? options.features : [called]) feature.register(server, connection);
    return server;
  };
}
