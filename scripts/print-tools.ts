import * as z from "zod";
import { isJsonObject, type JsonObject, type JsonValue } from "../src/core/json.ts";
import { ImageService } from "../src/images/image-service.ts";
import { GenerateImageTool } from "../src/mcp/generate-image-tool.ts";
import { ImageResults } from "../src/mcp/image-results.ts";
import { createImageTools } from "../src/mcp/image-tools.ts";
import type { ToolFacts } from "../src/mcp/mcp-tool.ts";
import { FairQueue } from "../src/queue/fair-queue.ts";
import { MockKServeClient } from "../src/testing/mock-kserve-client.ts";
import { MockStorage } from "../src/testing/mock-storage.ts";

/** The tools of `docs/tools.md`, with what a model reads of each. */
export function printToolsMarkdown(): string {
  const images = new ImageService({
    storage: new MockStorage(),
    generator: new MockKServeClient(),
    queue: new FairQueue({ concurrency: 1, depth: 1, timeoutMs: 1 }),
    ttlSeconds: 3600,
  });
  const features = [
    new GenerateImageTool({ images, modelName: "stable-diffusion" }),
    ...createImageTools({ images, results: new ImageResults() }),
  ];
  return features.flatMap(({ tool }) => (tool === undefined ? [] : [printTool(tool)])).join("\n");
}

function printTool({ name, description, parameters }: ToolFacts): string {
  const { properties = {}, required = [] } = z.toJSONSchema(parameters, { io: "input" });
  const rows = Object.entries(properties).map(([field, schema]) => {
    if (!isJsonObject(schema)) throw new TypeError(`${name}.${field} has no schema`);
    const { description: words = "", default: fallback, ...rest } = schema;
    const cells = [
      `\`${field}\`${required.includes(field) ? " (required)" : ""}`,
      describeType(rest),
      fallback === undefined ? "" : `\`${JSON.stringify(fallback)}\``,
      typeof words === "string" ? words : "",
    ];
    return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
  });
  // A link of the example is none of this document.
  const quoted = description.replaceAll("\n", "\n> ").replaceAll("](", String.raw`]\(`);
  const table = ["| argument | what it may be | default | meaning |", "|---|---|---|---|", ...rows, ""];
  return [`### \`${name}\``, "", `> ${quoted}`, "", ...table].join("\n");
}

function describeType(schema: JsonObject): string {
  const { type, minimum, maximum, minLength = 0, maxLength, enum: words, items, minItems, maxItems } = schema;
  const show = (value: JsonValue | undefined): string => (typeof value === "string" ? value : JSON.stringify(value));
  if (Array.isArray(words)) return words.map((word: JsonValue) => `\`${show(word)}\``).join(", ");
  if (isJsonObject(items)) return `${show(minItems)} to ${show(maxItems)} of: ${describeType(items)}`;
  if (maxLength !== undefined) return `text of ${show(minLength)} to ${show(maxLength)} characters`;
  if (minimum !== undefined) return `${show(type)} from ${show(minimum)} to ${show(maximum)}`;
  return type === "string" ? "text" : show(type);
}
