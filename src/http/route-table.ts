import { z } from "zod";
import { ERROR_TABLE, type ErrorCode } from "../core/errors.ts";
import type { Scope } from "../core/scope.ts";
import { DEFAULT_LIST_LIMIT, MAX_LIST_LIMIT, MAX_SEARCHED_RECORDS } from "../storage/abstract-storage.ts";
import { GenerateImageParams, GenerateImageResponse, ImageOverrides } from "../images/generate-image-params.ts";
import { MAX_VARIATIONS } from "../images/variations.ts";
import { DOOR_ROUTES } from "./doors/door-table.ts";
import { MAX_TEXT_CHARACTERS } from "../storage/find-query.ts";

/** An interface of another server, for clients that know that one. */
export type Door = "openai" | "a1111";

export const DOORS: readonly Door[] = ["openai", "a1111"];

export type HttpMethod = "GET" | "POST" | "DELETE";

/** What a route answers when all is well. */
export interface RouteSuccess {
  readonly status: number;
  readonly description: string;
  readonly contentTypes: readonly string[];
  readonly schema?: z.ZodType;
}

/** One row of the API: what the router, `/openapi.json`, `/docs` and `docs/http-api.md` know of a route. */
export interface Route {
  readonly method: HttpMethod;
  /** A part in braces stands for one segment, or the start of one. */
  readonly path: string;
  readonly summary: string;
  readonly tag: "Pictures" | "Gallery" | "MCP" | "Operation" | "Documentation" | "Doors";
  readonly query?: z.ZodObject;
  /** What a caller needs where callers must say who they are; `signed_in`: any valid token. */
  readonly access: Scope | "public" | "signed_in";
  /** Is there only when this door is open. */
  readonly door?: Door;
  /** Of the JSON that is sent. */
  readonly body?: z.ZodType;
  readonly success: RouteSuccess;
  /** What it answers when the thing is not there yet. */
  readonly pending?: RouteSuccess;
  readonly errors: readonly ErrorCode[];
}

const JSON_ONLY = ["application/json"];
const PICTURE_TYPES = ["image/png", "image/jpeg", "image/webp"];

export const imageMetadataSchema = z
  .looseObject({
    image_id: z.string(),
    url: z.string().meta({ format: "uri" }),
    created_at: z.string().meta({ format: "date-time" }),
    expires_at: z.string().meta({ format: "date-time" }).nullable().describe("null when the picture never expires"),
    kept: z.literal(true).optional().describe("true while the picture is kept from expiry"),
    size: z.int().describe("Bytes of the picture"),
    format: z.enum(["png", "jpeg", "webp"]),
    mime_type: z.string(),
    sha256: z.string().describe("Of the picture, hexadecimal; in quotes it is the ETag"),
  })
  .describe("The facts of the store and, beside them, what is known of the generation: prompt, seed, size and so on");

const PENDING: RouteSuccess = {
  status: 202,
  description: "It is being drawn: ask again after the seconds of Retry-After. The metadata has the status running",
  contentTypes: JSON_ONLY,
  schema: z.looseObject({ status: z.literal("running"), image_id: z.string() }),
};

export const listQuerySchema = z.object({
  prefix: z.string().default("").describe("Literal start of the ids to list"),
  limit: z.int().min(1).max(MAX_LIST_LIMIT).default(DEFAULT_LIST_LIMIT).describe("The most pictures to list"),
  cursor: z.string().optional().describe("Where the page begins; take it from the Link header of the page before"),
  q: z
    .string()
    .max(MAX_TEXT_CHARACTERS)
    .default("")
    .describe(
      `Words that the prompt must hold, all of them, in any case. A page looks at ${MAX_SEARCHED_RECORDS} pictures at most: it may hold few or none, and still have a next page`,
    ),
});

/** Pixels of the longer edge: few sizes, so that nobody can have one picture converted a thousand times. */
export const THUMBNAIL_SIZES = [64, 128, 256, 512, 1024] as const;
export const DEFAULT_THUMBNAIL_SIZE = 256;
/** AVIF is not among them: it takes half a second of CPU a picture. */
export const CONVERTED_FORMATS = ["webp", "jpeg", "png"] as const;

const convertedFormat = z.enum(CONVERTED_FORMATS);

export const errorSchema = z.object({
  error: z.string().describe("A code that does not change"),
  message: z.string(),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()).optional(),
});

const jobSchema = z.looseObject({
  image_id: z.string(),
  url: z.string().meta({ format: "uri" }),
  status: z.enum(["running", "succeeded", "failed"]),
  prompt: z.string(),
  created_at: z.string().meta({ format: "date-time" }),
  phase: z.enum(["accepted", "queued", "waking", "generating", "retrying", "saving"]),
  queue_ahead: z.int().optional(),
  step: z.int().optional(),
  total_steps: z.int().optional(),
});

const healthWord = z.enum(["healthy", "unhealthy"]);

/** Every route. Where a path has GET it has HEAD too, and all have OPTIONS. */
export const ROUTES = {
  getImage: {
    method: "GET",
    path: "/images/{image_id}",
    summary:
      "The picture. With `.png`, `.jpg` or `.webp` behind the id it must be of that format; `format` converts it.",
    tag: "Pictures",
    query: z.object({
      format: convertedFormat.optional().describe("Converts the picture when it is stored in another format"),
    }),
    access: "images:read",
    success: { status: 200, description: "The bytes exactly as they were stored", contentTypes: PICTURE_TYPES },
    pending: PENDING,
    errors: [
      "invalid_argument",
      "image_not_found",
      "generation_failed",
      "precondition_failed",
      "range_not_satisfiable",
      "thumbnail_failed",
      "thumbnails_unavailable",
      "thumbnails_busy",
    ],
  },
  getThumbnail: {
    method: "GET",
    path: "/images/{image_id}/thumbnail",
    summary: "The picture made smaller, its proportions kept; never made larger.",
    tag: "Pictures",
    access: "images:read",
    query: z.object({
      size: z
        .union(THUMBNAIL_SIZES.map((size) => z.literal(size)))
        .default(DEFAULT_THUMBNAIL_SIZE)
        .describe("The longer edge in pixels"),
      format: convertedFormat.default("webp").describe("The format of the answer"),
    }),
    success: { status: 200, description: "The thumbnail", contentTypes: PICTURE_TYPES },
    errors: [
      "invalid_argument",
      "image_not_found",
      "precondition_failed",
      "thumbnail_failed",
      "thumbnails_unavailable",
      "thumbnails_busy",
    ],
  },
  listImages: {
    method: "GET",
    path: "/images/",
    summary: "What is stored, newest first, without what has expired. The Link header leads to the next page.",
    tag: "Pictures",
    access: "images:read",
    query: listQuerySchema,
    success: {
      status: 200,
      description: "Metadata of the pictures",
      contentTypes: JSON_ONLY,
      schema: z.array(imageMetadataSchema),
    },
    errors: ["invalid_argument"],
  },
  generateImage: {
    method: "POST",
    path: "/images/",
    summary:
      "Draws a picture, with the arguments of the tool `generate_image`. Answers 202 at once, or 201 with the picture when `Prefer: wait=<seconds>` lets it wait. Without authentication for clients on this machine only.",
    tag: "Pictures",
    access: "images:generate",
    body: GenerateImageParams,
    success: {
      status: 202,
      description: "It is being drawn, and found under its id",
      contentTypes: JSON_ONLY,
      schema: GenerateImageResponse,
    },
    errors: ["invalid_argument", "forbidden", "unsupported_media_type", "queue_full"],
  },
  varyImage: {
    method: "POST",
    path: "/images/{image_id}/variations",
    summary:
      "Draws a stored picture again, with new seeds or other settings, up to 8 times. Answers as drawing does. Without authentication for clients on this machine only.",
    tag: "Pictures",
    access: "images:generate",
    body: ImageOverrides.extend({
      count: z.int().min(1).max(MAX_VARIATIONS).optional().describe("How many; as many as seeds, or 1"),
      seeds: z.array(z.int().min(0)).optional().describe("One for each picture; absent: new ones"),
    }),
    success: {
      status: 202,
      description: "They are being drawn; what a full queue refused is an error in its place",
      contentTypes: JSON_ONLY,
      schema: z.object({ images: z.array(z.union([GenerateImageResponse, errorSchema])) }),
    },
    errors: ["invalid_argument", "forbidden", "image_not_found", "unsupported_media_type", "queue_full"],
  },
  listJobs: {
    method: "GET",
    path: "/jobs",
    summary: "The pictures that this process draws or keeps waiting, the oldest first, with where each is.",
    tag: "Pictures",
    access: "images:read",
    success: { status: 200, description: "The jobs", contentTypes: JSON_ONLY, schema: z.array(jobSchema) },
    errors: [],
  },
  watchJobs: {
    method: "GET",
    path: "/jobs/events",
    summary:
      "The same as a stream: a `job` event for each job and for each change, with the status running, succeeded or failed.",
    tag: "Pictures",
    access: "images:read",
    success: { status: 200, description: "Server-sent events", contentTypes: ["text/event-stream"] },
    errors: ["too_many_watchers"],
  },
  getImageMetadata: {
    method: "GET",
    path: "/images/{image_id}/metadata",
    summary: "What is known of a picture.",
    tag: "Pictures",
    access: "images:read",
    success: { status: 200, description: "Its metadata", contentTypes: JSON_ONLY, schema: imageMetadataSchema },
    pending: PENDING,
    errors: ["image_not_found", "generation_failed"],
  },
  deleteImage: {
    method: "DELETE",
    path: "/images/{image_id}",
    summary:
      "Deletes a picture, or ends the job that draws it: for its owner or an admin; without authentication for clients on this machine only.",
    tag: "Pictures",
    access: "images:delete",
    success: {
      status: 200,
      description: "It is deleted",
      contentTypes: JSON_ONLY,
      schema: z.object({ message: z.string(), image_id: z.string(), deleted: z.literal(true) }),
    },
    errors: ["forbidden", "image_not_found"],
  },
  keepImage: {
    method: "POST",
    path: "/images/{image_id}/keep",
    summary:
      "Keeps a picture from expiring: for its owner or an admin; without authentication for clients on this machine only.",
    tag: "Pictures",
    access: "images:delete",
    success: { status: 200, description: "It is kept", contentTypes: JSON_ONLY, schema: imageMetadataSchema },
    errors: ["forbidden", "image_not_found"],
  },
  releaseImage: {
    method: "DELETE",
    path: "/images/{image_id}/keep",
    summary:
      "Lets the time of a kept picture count again; it may be over. Without authentication for clients on this machine only.",
    tag: "Pictures",
    access: "images:delete",
    success: { status: 200, description: "It is no longer kept", contentTypes: JSON_ONLY, schema: imageMetadataSchema },
    errors: ["forbidden", "image_not_found"],
  },
  cleanupImages: {
    method: "POST",
    path: "/images/cleanup",
    summary: "Deletes what has expired, now. Without authentication for clients on this machine only.",
    tag: "Pictures",
    access: "images:admin",
    success: {
      status: 200,
      description: "It is done",
      contentTypes: JSON_ONLY,
      schema: z.object({
        message: z.string(),
        deleted_count: z.int(),
        ttl_seconds: z.number().nullable().describe("null when pictures never expire"),
      }),
    },
    errors: ["forbidden"],
  },
  postMcp: {
    method: "POST",
    path: "/mcp",
    summary: "MCP over streamable HTTP.",
    tag: "MCP",
    access: "signed_in",
    success: { status: 200, description: "JSON-RPC", contentTypes: ["application/json", "text/event-stream"] },
    errors: [],
  },
  getMcp: {
    method: "GET",
    path: "/mcp",
    summary: "The stream of an MCP session of protocol 2025-11-25.",
    tag: "MCP",
    access: "signed_in",
    success: { status: 200, description: "Server-sent events", contentTypes: ["text/event-stream"] },
    errors: [],
  },
  deleteMcp: {
    method: "DELETE",
    path: "/mcp",
    summary: "Ends an MCP session of protocol 2025-11-25.",
    tag: "MCP",
    access: "signed_in",
    success: { status: 200, description: "It is ended", contentTypes: [] },
    errors: [],
  },
  getHealth: {
    method: "GET",
    path: "/health",
    summary: "How the parts are. Always 200, from a report that is a few seconds old at most.",
    tag: "Operation",
    access: "public",
    success: {
      status: 200,
      description: "A word for each part",
      contentTypes: JSON_ONLY,
      schema: z.object({
        service: healthWord,
        kserve: healthWord,
        storage: healthWord,
        timestamp: z.string().meta({ format: "date-time" }),
      }),
    },
    errors: [],
  },
  getLiveness: {
    method: "GET",
    path: "/livez",
    summary: "Whether the process answers. Looks at nothing outside.",
    tag: "Operation",
    access: "public",
    success: {
      status: 200,
      description: "It does",
      contentTypes: JSON_ONLY,
      schema: z.object({ status: z.literal("alive") }),
    },
    errors: [],
  },
  getReadiness: {
    method: "GET",
    path: "/readyz",
    summary: "Whether to send clients here: 503 while the storage fails or the server shuts down.",
    tag: "Operation",
    access: "public",
    success: {
      status: 200,
      description: "Ready. The state of the model server is told, and changes nothing.",
      contentTypes: JSON_ONLY,
      schema: z.object({
        status: z.enum(["ready", "draining", "storage_unhealthy"]),
        storage: healthWord,
        kserve: healthWord,
      }),
    },
    errors: [],
  },
  getMetrics: {
    method: "GET",
    path: "/metrics",
    summary: "Metrics in the text format of Prometheus.",
    tag: "Operation",
    access: "images:admin",
    success: { status: 200, description: "Metrics", contentTypes: ["text/plain"] },
    errors: [],
  },
  getResourceMetadata: {
    method: "GET",
    path: "/.well-known/oauth-protected-resource",
    summary: "Where to get an access token for this server (RFC 9728); also with `/mcp` behind it. Only with OAuth.",
    tag: "Operation",
    access: "public",
    success: {
      status: 200,
      description: "The issuer and the scopes",
      contentTypes: JSON_ONLY,
      schema: z.object({
        resource: z.string(),
        authorization_servers: z.array(z.string()),
        scopes_supported: z.array(z.string()),
        bearer_methods_supported: z.array(z.string()),
        resource_name: z.string(),
      }),
    },
    errors: ["not_found"],
  },
  getOpenApi: {
    method: "GET",
    path: "/openapi.json",
    summary: "This API as OpenAPI 3.1.",
    tag: "Documentation",
    access: "public",
    success: { status: 200, description: "OpenAPI 3.1", contentTypes: JSON_ONLY },
    errors: [],
  },
  getDocs: {
    method: "GET",
    path: "/docs",
    summary: "This API for people.",
    tag: "Documentation",
    access: "public",
    success: { status: 200, description: "A page", contentTypes: ["text/html"] },
    errors: [],
  },
  getIndex: {
    method: "GET",
    path: "/",
    summary: "The gallery for browsers; for others, JSON that tells where the parts of this server are.",
    tag: "Gallery",
    access: "public",
    query: z.object({
      q: listQuerySchema.shape.q,
      cursor: z.string().optional().describe("Where the page begins; take it from the Link header of the page before"),
    }),
    success: { status: 200, description: "Pictures or links", contentTypes: ["text/html", "application/json"] },
    errors: ["invalid_argument"],
  },
  getPicturePage: {
    method: "GET",
    path: "/gallery/{image_id}",
    summary: "One picture with everything that is known of it, as a page.",
    tag: "Gallery",
    access: "images:read",
    success: { status: 200, description: "A page", contentTypes: ["text/html"] },
    errors: ["image_not_found"],
  },
  getAsset: {
    method: "GET",
    path: "/assets/{name}",
    summary: "What the pages load: style, scripts, icon.",
    tag: "Gallery",
    access: "public",
    success: {
      status: 200,
      description: "The file",
      contentTypes: ["text/css", "text/javascript", "image/svg+xml"],
    },
    errors: ["not_found"],
  },
  ...DOOR_ROUTES,
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;

/** Every route that is there when these doors are open, with its name, in the order of the table. */
export function listRoutes(doors: readonly Door[] = []): readonly (Route & { readonly name: RouteName })[] {
  return Object.entries<Route>(ROUTES)
    .filter(([, { door }]) => door === undefined || doors.includes(door))
    .map(([name, route]) => ({ ...route, name: name as RouteName }));
}

/** `404 image_not_found` and the like, for the documentation of a route. */
export function toErrorStatus(code: ErrorCode): number {
  return ERROR_TABLE[code].httpStatus;
}
