import { serveMcpStdio } from "../../src/mcp/serve-mcp-stdio.ts";
import { createMcpParts } from "./mcp-parts.ts";

// A process that serves the mock model over its standard streams, as the command `stdio` does with a real one.
const { build } = createMcpParts();
await serveMcpStdio({ build }).closed;
