import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { advertiseOnly, memoSchema } from "./advertised-schema.ts";

const target = "draft-2020-12";

function createCountedSchema() {
  const schema = z.strictObject({ width: z.int().max(10) });
  const standard = schema["~standard"];
  const conversions: string[] = [];
  const input: typeof standard.jsonSchema.input = (options) => {
    conversions.push(options.target);
    return standard.jsonSchema.input(options);
  };
  return { conversions, schema: { "~standard": { ...standard, jsonSchema: { ...standard.jsonSchema, input } } } };
}

test("memoSchema() converts a schema once for each target, and validates as before", async () => {
  const { conversions, schema } = createCountedSchema();
  const { jsonSchema, validate } = memoSchema(schema)["~standard"];
  const first = jsonSchema.input({ target });
  assert.equal(jsonSchema.input({ target }), first);
  jsonSchema.input({ target: "draft-07" });
  jsonSchema.input({ target, libraryOptions: {} });
  jsonSchema.input({ target, libraryOptions: {} });
  assert.deepEqual(conversions, [target, "draft-07", target, target]);
  assert.deepEqual(first, schema["~standard"].jsonSchema.input({ target }));
  assert.deepEqual((await validate({ width: 11 })).issues?.length, 1);
});

test("advertiseOnly() advertises the schema and lets every value pass", async () => {
  const { schema } = createCountedSchema();
  const { jsonSchema, validate } = advertiseOnly(schema)["~standard"];
  assert.deepEqual(jsonSchema.input({ target }), schema["~standard"].jsonSchema.input({ target }));
  assert.deepEqual(await validate({ width: "wide" }), { value: { width: "wide" } });
});

test("memoSchema() says nothing of other fields where any are allowed, and no where none are", () => {
  const { jsonSchema } = memoSchema(z.looseObject({ size: z.strictObject({}) }))["~standard"];
  const { properties, additionalProperties } = jsonSchema.input({ target });
  assert.deepEqual(
    [additionalProperties, properties],
    [undefined, { size: { type: "object", properties: {}, additionalProperties: false } }],
  );
});
