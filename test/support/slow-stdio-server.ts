import { serveMcpStdio } from "../../src/mcp/serve-mcp-stdio.ts";
import { createMcpParts } from "./mcp-parts.ts";
import { createNoisePicture, HUGE_PIXELS } from "./slow-picture.ts";

// A process whose pictures are huge and come only after some seconds: `<generation> <MAX_WAIT> <MAX_WAIT_WITH_PROGRESS>`.
const [generationSeconds = 1, silentSeconds = 1, withProgressSeconds = 1] = process.argv.slice(2).map(Number);
const { build, generator } = createMcpParts({ maxWait: { silentSeconds, withProgressSeconds } });
generator.mockResponse = createNoisePicture(HUGE_PIXELS);
generator.hold();
setTimeout(() => generator.release(), generationSeconds * 1000).unref();
await serveMcpStdio({ build }).closed;
