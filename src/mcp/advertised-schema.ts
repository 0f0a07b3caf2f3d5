import type { StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import { isJsonObject } from "../core/json.ts";

type JsonSchema = Record<string, unknown>;
type Convert = StandardSchemaWithJSON["~standard"]["jsonSchema"]["input"];

/**
 * The same schema, its conversion to JSON Schema done once.
 * NOTE: every HTTP request of the newer protocol era has its own server, which would convert again.
 */
export function memoSchema<Input, Output>(
  schema: StandardSchemaWithJSON<Input, Output>,
): StandardSchemaWithJSON<Input, Output> {
  const standard = schema["~standard"];
  return {
    "~standard": {
      ...standard,
      jsonSchema: {
        input: memoConversion(standard.jsonSchema.input),
        output: memoConversion(standard.jsonSchema.output),
      },
    },
  };
}

/**
 * A schema that advertises `schema` but lets every argument pass, so that the tool itself refuses bad ones
 * in words of its own.
 */
export function advertiseOnly(schema: StandardSchemaWithJSON): StandardSchemaWithJSON {
  const { version, vendor, jsonSchema } = memoSchema(schema)["~standard"];
  return { "~standard": { version, vendor, jsonSchema, validate: (value) => ({ value }) } };
}

function memoConversion(convert: Convert): Convert {
  const byTarget = new Map<string, JsonSchema>();
  return (options) => {
    if (options.libraryOptions !== undefined) return convert(options);
    const known = byTarget.get(options.target);
    if (known !== undefined) return known;
    const converted = convert({ ...options, libraryOptions: { override: makePortable } });
    byTarget.set(options.target, converted);
    return converted;
  };
}

/** zod's hook for each schema that it converts. An empty one says nothing, and some clients do not know what it is. */
function makePortable({ jsonSchema }: { readonly jsonSchema: JsonSchema }): void {
  const { additionalProperties } = jsonSchema;
  if (isJsonObject(additionalProperties) && Object.keys(additionalProperties).length === 0) {
    delete jsonSchema["additionalProperties"];
  }
}
