import { z } from "zod";
import type { ErrorCode } from "../core/errors.ts";
import { errorSchema, listRoutes, toErrorStatus, type Door, type Route } from "./route-table.ts";
import type { ServiceIdentity } from "./route-handlers.ts";

export interface OpenApiOptions {
  readonly service: ServiceIdentity;
  readonly baseUrl: string;
  readonly doors: readonly Door[];
}

type JsonSchema = Record<string, unknown>;

/** The API as an OpenAPI 3.1 document, made from the route table. */
export function toOpenApi({ service, baseUrl, doors }: OpenApiOptions): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of listRoutes(doors)) {
    const operations = (paths[route.path] ??= {});
    operations[route.method.toLowerCase()] = {
      operationId: route.name,
      summary: route.summary,
      tags: [route.tag],
      ...toParameters(route),
      ...toRequestBody(route),
      responses: toResponses(route),
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: service.name, version: service.version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    servers: [{ url: baseUrl }],
    paths,
    components: { schemas: { Error: toJsonSchema(errorSchema) } },
  };
}

function toParameters({ path, query }: Route): { parameters?: readonly unknown[] } {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, schema]) => {
    const { description, ...rest } = toJsonSchema(schema as z.ZodType);
    return { name, in: "query", required: false, description, schema: rest };
  });
  const parameters = [...inPath, ...inQuery];
  return parameters.length === 0 ? {} : { parameters };
}

function toRequestBody({ body }: Route): { requestBody?: unknown } {
  if (body === undefined) return {};
  return { requestBody: { required: true, content: { "application/json": { schema: toJsonSchema(body) } } } };
}

function toResponses({ success, pending, errors }: Route): Record<string, unknown> {
  const responses: Record<string, unknown> = { [success.status]: toSuccess(success) };
  if (pending !== undefined) responses[pending.status] = toSuccess(pending);
  for (const [status, codes] of groupByStatus(errors)) {
    responses[status] = {
      description: codes.map((code) => `\`${code}\``).join(", "),
      content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
    };
  }
  responses["default"] = {
    description: "Any other error",
    content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
  };
  return responses;
}

function toSuccess({ description, contentTypes, schema }: Route["success"]): Record<string, unknown> {
  if (contentTypes.length === 0) return { description };
  const media = schema === undefined ? {} : { schema: toJsonSchema(schema) };
  return { description, content: Object.fromEntries(contentTypes.map((contentType) => [contentType, media])) };
}

function groupByStatus(codes: readonly ErrorCode[]): ReadonlyMap<number, readonly ErrorCode[]> {
  return Map.groupBy(codes, (code) => toErrorStatus(code));
}

function toJsonSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest;
}
