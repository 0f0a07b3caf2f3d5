/** What a `.env` file says: the last line of a name wins. */
export interface ParsedEnvFile {
  readonly values: Readonly<Record<string, string>>;
  /** Numbers of lines that are neither empty, nor a comment, nor `NAME=value`. */
  readonly faultyLines: readonly number[];
}

const ASSIGNMENT = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=/;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\" };

/**
 * Reads the text of a `.env` file. A line is `NAME=value`, with `export` before it or not. A `#` begins a comment at
 * the start of a line, after a space and after a quoted value, so that `key#1` stays whole. Values in single quotes
 * are literal; in double quotes `\n`, `\r`, `\t`, `\"` and `\\` are understood. A value ends with its line.
 */
export function parseEnvFile(text: string): ParsedEnvFile {
  const values = new Map<string, string>();
  const faultyLines: number[] = [];
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  for (const [index, line] of lines.entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const assignment = ASSIGNMENT.exec(line);
    const name = assignment?.[1];
    const value = assignment === null ? undefined : parseValue(line.slice(assignment[0].length));
    if (name === undefined || value === undefined) faultyLines.push(index + 1);
    else values.set(name, value);
  }
  return { values: Object.fromEntries(values), faultyLines };
}

function parseValue(rest: string): string | undefined {
  const trimmed = rest.trim();
  const single = /^'([^']*)'\s*(?:#.*)?$/s.exec(trimmed);
  if (single) return single[1];
  const double = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/s.exec(trimmed);
  if (double) return double[1]?.replace(/\\(.)/gs, (escape, character: string) => ESCAPES[character] ?? escape);
  if (/^['"]/.test(trimmed)) return undefined;
  return rest.replace(/\s#.*$/s, "").trim();
}
