/** Header names and values in turn, as `writeHead` takes them fastest. */
export type HeaderList = readonly string[];

const COMMON: HeaderList = [
  "X-Content-Type-Options",
  "nosniff",
  "Referrer-Policy",
  "no-referrer",
  "X-Frame-Options",
  "DENY",
  "Vary",
  "Origin",
];

/** Goes with every answer that is not a picture. */
export const ANSWER_HEADERS: HeaderList = [...COMMON, "Cross-Origin-Resource-Policy", "same-origin"];

/** A picture may be shown by any page, and is never a document that runs anything. */
export const PICTURE_HEADERS: HeaderList = [
  ...COMMON,
  "Cross-Origin-Resource-Policy",
  "cross-origin",
  "Content-Security-Policy",
  "default-src 'none'; sandbox",
];

/** For data that a browser must not treat as a page. */
export const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** What a script of another origin may read beside the body. */
const EXPOSED =
  "ETag, Link, Location, Retry-After, WWW-Authenticate, X-Request-Id, Mcp-Session-Id, MCP-Protocol-Version, Content-Range";

const ALLOWED_REQUEST_HEADERS =
  "Accept, Authorization, Content-Type, If-None-Match, If-Modified-Since, If-Range, Range, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Traceparent, Tracestate, Baggage";

/** What lets a page of an allowed origin read the answer; never with credentials. */
export function toCorsHeaders(origin: string): HeaderList {
  return ["Access-Control-Allow-Origin", origin, "Access-Control-Expose-Headers", EXPOSED];
}

/** The answer to the question before a call from another origin. */
export function toPreflightHeaders(methods: readonly string[]): HeaderList {
  return [
    "Access-Control-Allow-Methods",
    methods.join(", "),
    "Access-Control-Allow-Headers",
    ALLOWED_REQUEST_HEADERS,
    "Access-Control-Max-Age",
    "7200",
  ];
}
