import { isIPv4, isIPv6 } from "node:net";

export interface HostAndPort {
  /** In lower case, without a trailing dot; an IPv6 address is in brackets and in its shortest form. */
  readonly name: string;
  /** Empty when there is none. */
  readonly port: string;
}

const HOST_AND_PORT = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9_][a-z0-9_.-]{0,252})(?::([0-9]{0,5}))?$/i;
const MAX_PORT = 65_535;

/** The parts of `host[:port]`, or `undefined` for anything else: user information, paths, spaces, bad ports. */
export function parseHostAndPort(text: string): HostAndPort | undefined {
  const [, host, port = ""] = HOST_AND_PORT.exec(text) ?? [];
  if (host === undefined || Number(port) > MAX_PORT) return undefined;
  const name = host.startsWith("[") ? toShortIPv6(host) : host.toLowerCase().replace(/\.$/, "");
  return name === undefined ? undefined : { name, port };
}

/** The name that the host of a URL to this address has: `[::1]` for `::1`, `10.0.0.1` for `::ffff:10.0.0.1`. */
export function toHostName(address: string): string {
  const plain = stripMapping(address.replace(/^\[(.*)\]$/, "$1"));
  if (isIPv6(plain)) return toShortIPv6(`[${plain.replace(/%.*$/, "")}]`) ?? plain;
  return plain.toLowerCase().replace(/\.$/, "");
}

/** True for names that lead to this machine without asking anybody. */
export function isLoopbackName(name: string): boolean {
  return name === "localhost" || name === "[::1]" || isLoopbackIPv4(name) || /^\[::ffff:7f[0-9a-f]{2}:/.test(name);
}

/** True for the address of a socket whose other end is on this machine. */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = stripMapping(address);
  return plain === "::1" || isLoopbackIPv4(plain);
}

function isLoopbackIPv4(text: string): boolean {
  return text.startsWith("127.") && isIPv4(text);
}

function stripMapping(address: string): string {
  return address.toLowerCase().startsWith("::ffff:") && isIPv4(address.slice(7)) ? address.slice(7) : address;
}

function toShortIPv6(bracketed: string): string | undefined {
  return isIPv6(bracketed.slice(1, -1)) ? new URL(`http://${bracketed}`).hostname : undefined;
}
