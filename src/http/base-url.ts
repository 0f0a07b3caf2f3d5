import { isIPv6 } from "node:net";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const ANY_ADDRESS: ReadonlySet<string> = new Set(["", "0.0.0.0", "::"]);

/**
 * The base of every URL that leaves the process, without a trailing slash: the public one, else the listen address,
 * `localhost` standing for "every address". Never made from what a client sent.
 *
 * @param address `undefined` before listening; then only a public base is known
 */
export function toBaseUrl(address: ListenAddress | undefined, publicBaseUrl: string | undefined): string {
  if (publicBaseUrl !== undefined) return publicBaseUrl.replace(/\/+$/, "");
  if (address === undefined) throw new Error("The base URL is known only after listening");
  return `http://${toUrlHost(address.host)}${address.port === 80 ? "" : `:${address.port}`}`;
}

/** The path of a base URL, without a trailing slash: empty for most. */
export function toBasePath(publicBaseUrl: string | undefined): string {
  return publicBaseUrl === undefined ? "" : new URL(publicBaseUrl).pathname.replace(/\/+$/, "");
}

/** Where the metadata of the MCP resource is: its path stands behind the well-known one (RFC 9728, section 3.1). */
export function toResourceMetadataUrl(baseUrl: string): string {
  const { origin, pathname } = new URL(`${baseUrl}/mcp`);
  return `${origin}/.well-known/oauth-protected-resource${pathname}`;
}

function toUrlHost(host: string): string {
  if (ANY_ADDRESS.has(host)) return "localhost";
  return isIPv6(host) ? `[${host.replace("%", "%25")}]` : host;
}
