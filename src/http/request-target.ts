/** The parts of the first line's address. */
export interface RequestTarget {
  /** The authority of an absolute address, which replaces the Host header; `undefined` for the usual form. */
  readonly authority: string | undefined;
  /** As sent, still percent-encoded. */
  readonly path: string;
  /** As sent, without the question mark. */
  readonly query: string;
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/is;

/** Takes the address of a request apart; total, decodes nothing. */
export function toRequestTarget(url: string): RequestTarget {
  if (url.startsWith("/")) return split(undefined, url);
  const [, authority, rest = ""] = ABSOLUTE.exec(url) ?? [];
  if (authority === undefined) return split(undefined, url);
  return split(authority, rest.startsWith("/") ? rest : `/${rest}`);
}

/** The path without the base path, or `undefined` when it is not below it. */
export function stripBasePath(path: string, basePath: string): string | undefined {
  if (basePath === "" || !path.startsWith(basePath)) return undefined;
  const rest = path.slice(basePath.length);
  if (rest === "") return "/";
  return rest.startsWith("/") ? rest : undefined;
}

function split(authority: string | undefined, text: string): RequestTarget {
  const end = text.indexOf("?");
  return end === -1
    ? { authority, path: text, query: "" }
    : { authority, path: text.slice(0, end), query: text.slice(end + 1) };
}
