import type { Endpoint } from "./endpoint.ts";

/** The path, behind the endpoint's prefix, of an address at the endpoint itself; `undefined` for any other address. */
export function toSameOriginPath(address: string, endpoint: Endpoint): string | undefined {
  const host = endpoint.hostname.includes(":") ? `[${endpoint.hostname}]` : endpoint.hostname;
  const port = endpoint.port === undefined ? "" : `:${endpoint.port}`;
  const base = `${endpoint.isSecure ? "https" : "http"}://${host}${port}`;
  if (!URL.canParse(address, base)) return undefined;
  const url = new URL(address, base);
  if (url.origin !== new URL(base).origin || url.username !== "" || url.password !== "") return undefined;
  const path = url.pathname + url.search;
  if (path.startsWith(`${endpoint.pathPrefix}/`)) return path.slice(endpoint.pathPrefix.length);
  // A server behind a gateway does not know its prefix; an absolute address elsewhere on the host is another server.
  return address.startsWith("/") ? path : undefined;
}
