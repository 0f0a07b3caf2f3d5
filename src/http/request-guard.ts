import type { ErrorCode } from "../core/errors.ts";
import { isLoopbackName, parseHostAndPort, toHostName, type HostAndPort } from "./host-name.ts";

export interface GuardSettings {
  readonly publicBaseUrl: string | undefined;
  /** Names without ports; `*.example.com` is every name below it, `*` every name. */
  readonly allowedHosts: readonly string[];
  /** Such as `https://app.example.com`; `https://*.example.com` is every host below it. */
  readonly allowedOrigins: readonly string[];
}

/** What the guard looks at. */
export interface GuardedRequest {
  /** `undefined`: there is none. */
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** The address of ours that the connection came in on. */
  readonly localAddress: string | undefined;
}

/** `https://*.example.com`, taken apart. */
interface OriginPattern {
  readonly start: string;
  readonly end: string;
}

type HostVerdict = "named" | "any" | "refused";

const MAX_REMEMBERED = 256;
const ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/([^\s\\/?#@]+)$/i;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: "80", https: "443" };

/**
 * Lets a request pass when its Host names this server and its Origin, if it has one, may call it: what stops DNS
 * rebinding and foreign pages. Ports of the Host are not compared, as forwarding changes them.
 *
 * This server is named by loopback names, the address the connection came in on, the public base URL and the allowed
 * hosts. Its own origin is that of the request's Host, unless nothing but `*` let the Host pass.
 */
export class RequestGuard {
  readonly #hosts: NamePatterns;
  readonly #origins: ReadonlySet<string>;
  readonly #originPatterns: readonly OriginPattern[];
  /** Host headers that passed by name: nearly every request repeats one of a few. */
  readonly #rememberedHosts = new Set<string>();

  constructor({ publicBaseUrl, allowedHosts, allowedOrigins }: GuardSettings) {
    const publicUrl = publicBaseUrl === undefined ? undefined : new URL(publicBaseUrl);
    this.#hosts = new NamePatterns([...allowedHosts, ...(publicUrl ? [publicUrl.hostname] : [])]);
    const origins = [...allowedOrigins, ...(publicUrl ? [publicUrl.origin] : [])];
    this.#origins = new Set(origins.map((origin) => parseOrigin(origin)).filter((origin) => origin !== undefined));
    this.#originPatterns = origins.flatMap((origin) => toOriginPattern(origin) ?? []);
  }

  /** The code to refuse the request with, or `undefined` when it may pass. */
  check(request: GuardedRequest): ErrorCode | undefined {
    const { host, origin, localAddress } = request;
    if (host === undefined) return "forbidden_host";
    if (origin === undefined && this.#rememberedHosts.has(host)) return undefined;
    const parsed = parseHostAndPort(host);
    const verdict = parsed === undefined ? "refused" : this.#checkName(parsed.name, localAddress);
    if (parsed === undefined || verdict === "refused") return "forbidden_host";
    if (verdict === "named" && this.#hosts.isStatic(parsed.name)) this.#remember(host);
    if (origin === undefined || this.#isAllowedOrigin(origin)) return undefined;
    return verdict === "named" && isOriginOf(parsed, origin) ? undefined : "forbidden_origin";
  }

  #checkName(name: string, localAddress: string | undefined): HostVerdict {
    if (this.#hosts.isStatic(name)) return "named";
    if (localAddress !== undefined && toHostName(localAddress) === name) return "named";
    return this.#hosts.isAny ? "any" : "refused";
  }

  #isAllowedOrigin(origin: string): boolean {
    const parsed = parseOrigin(origin);
    if (parsed === undefined) return false;
    return (
      this.#origins.has(parsed) ||
      this.#originPatterns.some(({ start, end }) => parsed.startsWith(start) && parsed.endsWith(end))
    );
  }

  #remember(host: string): void {
    if (this.#rememberedHosts.size >= MAX_REMEMBERED) this.#rememberedHosts.clear();
    this.#rememberedHosts.add(host);
  }
}

/** A set of names, of which some stand for all names below them. */
class NamePatterns {
  readonly isAny: boolean;
  readonly #names: ReadonlySet<string>;
  readonly #suffixes: readonly string[];

  constructor(entries: readonly string[]) {
    this.isAny = entries.includes("*");
    this.#names = new Set(entries.filter((entry) => !entry.includes("*")).map((entry) => toHostName(entry)));
    this.#suffixes = entries.filter((entry) => entry.startsWith("*.")).map((entry) => entry.slice(1).toLowerCase());
  }

  /** True for a loopback name and for a name on the list, whatever `*` allows. */
  isStatic(name: string): boolean {
    return isLoopbackName(name) || this.#names.has(name) || this.#suffixes.some((suffix) => name.endsWith(suffix));
  }
}

/** The origin in lower case without a default port, or `undefined` for `null` and anything that is no origin. */
function parseOrigin(text: string): string | undefined {
  const [, scheme, host] = ORIGIN.exec(text.toLowerCase()) ?? [];
  if (scheme === undefined || host === undefined) return undefined;
  const parsed = parseHostAndPort(host);
  if (parsed === undefined || host.endsWith(".") || host.includes(".:")) return undefined;
  const port = parsed.port === "" || parsed.port === DEFAULT_PORTS[scheme] ? "" : `:${parsed.port}`;
  return `${scheme}://${parsed.name}${port}`;
}

/** True when a page of this origin came from this host, through plain HTTP or a proxy that adds TLS. */
function isOriginOf({ name, port }: HostAndPort, origin: string): boolean {
  const parsed = parseOrigin(origin);
  if (parsed === undefined) return false;
  return Object.entries(DEFAULT_PORTS).some(
    ([scheme, defaultPort]) => parsed === `${scheme}://${name}${port === "" || port === defaultPort ? "" : `:${port}`}`,
  );
}

function toOriginPattern(origin: string): OriginPattern | undefined {
  const [scheme, rest] = origin.toLowerCase().split("://*.");
  return scheme === undefined || rest === undefined ? undefined : { start: `${scheme}://`, end: `.${rest}` };
}
