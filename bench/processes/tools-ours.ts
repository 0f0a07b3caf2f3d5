import { createInstantApp } from "./instant-app.ts";
import { tell } from "./line-server.ts";

// Our server as it is: guard, router, MCP of both eras, tool, image service.
const app = await createInstantApp();
tell({ url: `${await app.listen()}/mcp` });
