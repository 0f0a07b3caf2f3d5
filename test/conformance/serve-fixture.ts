import { createHttpServer } from "../../src/http/http-server.ts";
import { createMcpHttpHandler, type McpHttpHandler } from "../../src/mcp/mcp-http-handler.ts";
import { createFixtureBuilder } from "./fixture-server.ts";
import { createTaskParts, refuseWithoutTasks } from "./task-tools.ts";

export interface ServedFixture extends AsyncDisposable {
  readonly url: string;
}

/** The fixtures at `/mcp` of the product's HTTP server, behind its guard, on a free loopback port. */
export async function serveFixture(): Promise<ServedFixture> {
  const parts = createTaskParts();
  const { images } = parts;
  const mcp: McpHttpHandler = createMcpHttpHandler({
    build: createFixtureBuilder(() => mcp.notify, parts),
    newsSources: [refuseWithoutTasks, parts.imageTasks.news],
    maxSessions: 100,
    sessionIdleSeconds: 600,
    slowTools: ["generate_image"],
  });
  const healthy = async () => "healthy" as const;
  const http = createHttpServer({
    images,
    mcp: mcp.handle,
    health: { kserve: healthy, storage: healthy },
    service: { name: "conformance", version: "1.0.0" },
    publicBaseUrl: undefined,
    allowedHosts: [],
    allowedOrigins: [],
  });
  const { port } = await http.listen({ host: "127.0.0.1", port: 0 });
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    [Symbol.asyncDispose]: async () => {
      await mcp.close({ signal: AbortSignal.abort() });
      await http.close({ timeoutMs: 0 });
    },
  };
}
