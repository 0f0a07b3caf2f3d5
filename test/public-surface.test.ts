import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { PUBLIC_EXPORTS } from "./pins/public-exports.ts";
import { PROMPTS, RESOURCE_TEMPLATES } from "./pins/resources-and-prompts.ts";
import { TOOL_SCHEMAS } from "./pins/tool-schemas.ts";
import { connectMcpHttp, ERAS, serveMcpHttp } from "./support/mcp-clients.ts";
import { createMcpParts } from "./support/mcp-parts.ts";

const root = resolve(import.meta.dirname, "..");
const DIALECT = "https://json-schema.org/draft/2020-12/schema";

for (const era of ERAS) {
  test(`Tools, resource templates and prompts are those that users know, ${era} era`, async (t) => {
    const http = await serveMcpHttp({ build: createMcpParts().build });
    t.after(http.stop);
    const client = await connectMcpHttp(http.url, era);
    t.after(async () => client.close());

    const { tools } = await client.listTools();
    const schemas = tools.map(({ name, inputSchema: { $schema, ...input }, outputSchema }) => {
      assert.equal($schema, DIALECT, name);
      if (outputSchema === undefined) return [name, { input, output: undefined }];
      const { $schema: dialect, ...output } = outputSchema;
      assert.equal(dialect, DIALECT, name);
      return [name, { input, output }];
    });
    assert.deepEqual(Object.fromEntries(schemas), TOOL_SCHEMAS);
    assert.deepEqual((await client.listResourceTemplates()).resourceTemplates, RESOURCE_TEMPLATES);
    const { prompts } = await client.listPrompts();
    assert.deepEqual(
      prompts.map(({ name, title, description, arguments: args }) => ({ name, title, description, arguments: args })),
      PROMPTS,
    );
  });
}

describe("The package", () => {
  const packageJson = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"));
  const entries: Readonly<Record<string, { readonly default: string } | string>> = packageJson.exports;

  test("has these entry points", () => {
    assert.deepEqual(Object.keys(entries), [...Object.keys(PUBLIC_EXPORTS), "./package.json"]);
  });

  for (const [name, { values, types }] of Object.entries(PUBLIC_EXPORTS)) {
    test(`exports from ${name} what users import`, async () => {
      const entry = entries[name];
      assert.ok(typeof entry === "object");
      const source = resolve(root, entry.default.replace("./dist/lib/", "src/").replace(/\.js$/, ".ts"));
      const exported = exportsOf(readFileSync(source, "utf8"));
      assert.deepEqual(exported, { values: toNames(values), types: toNames(types) });
      // What the source says is what there is.
      assert.deepEqual(Object.keys(await import(pathToFileURL(source).href)).toSorted(), exported.values);
    });
  }
});

/** The names in the export lists of an entry point, which has nothing but these. */
function exportsOf(source: string): { readonly values: string[]; readonly types: string[] } {
  const [values, types]: [string[], string[]] = [[], []];
  for (const [, isTypeOnly, list = ""] of source.matchAll(/^export (type )?\{([^}]*)\} from /gm)) {
    for (const specifier of list.split(",").map((one) => one.trim())) {
      const [, isType, name] = /^(type )?(?:\w+ as )?(\w+)$/.exec(specifier) ?? [];
      if (name !== undefined) (isTypeOnly !== undefined || isType !== undefined ? types : values).push(name);
    }
  }
  return { values: values.toSorted(), types: types.toSorted() };
}

function toNames(list: string): string[] {
  return list.split(/\s+/).toSorted();
}
