import { isIP } from "node:net";

/** How one kind of setting is read: the rule in words, and the strict parser that keeps it. */
export interface SettingKind<Value> {
  /** Goes on after the name: `must be …`. */
  readonly rule: string;
  /** The value, or `undefined` when the text breaks the rule. */
  readonly parse: (text: string) => Value | undefined;
  /** What is wrong with a text that breaks the rule, where more can be said than the rule; goes on in the same way. */
  readonly explain?: (text: string) => string | undefined;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\.?$/i;
const HTTP_URL = /^https?:\/\/[^\s\\?#@]+$/i;
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^\s\\/?#@]+$/i;
const MAX_TEXT_CHARACTERS = 1024;

export function integer({ min, max }: Range): SettingKind<number> {
  return {
    rule: `must be a whole number from ${min} to ${max}, digits only`,
    parse: (text) => (/^(?:0|[1-9]\d{0,15})$/.test(text) ? within(Number(text), { min, max }) : undefined),
  };
}

/** A number above 0 that may have a fraction. */
export function positiveDecimal({ max }: { readonly max: number }): SettingKind<number> {
  return {
    rule: `must be a number above 0, at most ${max}, such as 60 or 2.5`,
    parse: (text) =>
      /^\d{1,15}(?:\.\d{1,6})?$/.test(text) ? within(Number(text), { min: Number.MIN_VALUE, max }) : undefined,
  };
}

/** A number of seconds, or a word for "no limit", which parses to `Infinity`. */
export function secondsOr(word: string, range: Range): SettingKind<number> {
  const seconds = integer(range);
  return {
    rule: `must be a whole number of seconds from ${range.min} to ${range.max}, or the word ${word}`,
    parse: (text) => (text.toLowerCase() === word ? Infinity : seconds.parse(text)),
  };
}

/** One of the given words, in any case; `aliases` are further spellings. */
export function choice<const Word extends string>(
  words: readonly Word[],
  aliases: Readonly<Record<string, Word>> = {},
): SettingKind<Word> {
  return {
    rule: `must be one of ${[...words, ...Object.keys(aliases)].join(", ")}`,
    parse: (text) => {
      const lower = text.toLowerCase();
      const alias = Object.keys(aliases).find((candidate) => candidate.toLowerCase() === lower);
      return words.find((word) => word.toLowerCase() === lower) ?? (alias === undefined ? undefined : aliases[alias]);
    },
  };
}

/** A text that `pattern` accepts; `rule` says the pattern in words. */
export function text(pattern: RegExp, rule: string): SettingKind<string> {
  return {
    rule,
    parse: (value) => (value.length <= MAX_TEXT_CHARACTERS && pattern.test(value) ? value : undefined),
  };
}

/** A path of this machine; shell shorthands are refused because nobody expands them. */
export function path(): SettingKind<string> {
  return text(/^(?![~$%\s])[^\p{Cc}]*[^\s\p{Cc}]$/u, "must be a path, absolute or relative, without ~ or variables");
}

/** A name or an address to listen on. */
export function listenHost(): SettingKind<string> {
  return {
    rule: "must be a host name or an IP address without a port",
    parse: (value) => (HOST_NAME.test(value) || isIP(value) !== 0 ? value : undefined),
  };
}

/** An http(s) URL in its canonical form, its trailing slashes cut. */
export function httpUrl(): SettingKind<string> {
  return {
    rule: "must be an http or https URL without user information, query and fragment",
    parse: parseHttpUrl,
  };
}

/** An http(s) URL as it stands: issuers are compared letter by letter, the slash at the end too. */
export function issuerUrl(): SettingKind<string> {
  return {
    rule: "must be an http or https URL without user information, query and fragment",
    parse: (value) => (parseHttpUrl(value) === undefined ? undefined : value),
  };
}

/** An http(s) URL as with `httpUrl()`, or one reserved word. */
export function httpUrlOr(word: string): SettingKind<string> {
  const url = httpUrl();
  return {
    rule: `${url.rule}, or the word ${word}`,
    parse: (value) => (value.toLowerCase() === word ? word : url.parse(value)),
  };
}

/** Host names, addresses, `*.` before a name, or `*`; separated by commas, in lower case. */
export function hostList(): SettingKind<readonly string[]> {
  return list(
    "must be host names without ports, *.example.com for all below a name, or *, separated by commas",
    (value) => {
      const bare = value.replace(/^\[(.*)\]$/, "$1");
      const isName = bare === "*" || HOST_NAME.test(bare.replace(/^\*\./, ""));
      return isName || isIP(bare) !== 0 ? bare.toLowerCase() : undefined;
    },
  );
}

/** Origins, separated by commas, as a browser sends them. */
export function originList(): SettingKind<readonly string[]> {
  return list("must be origins such as https://app.example.com, without a path, separated by commas", (value) => {
    if (!ORIGIN.test(value) || !URL.canParse(value)) return undefined;
    const { origin } = new URL(value);
    return origin === "null" ? value.toLowerCase() : origin;
  });
}

/** Items separated by commas, each once. */
export function list<Item>(rule: string, parseItem: (value: string) => Item | undefined): SettingKind<readonly Item[]> {
  return {
    rule,
    parse: (value) => {
      const items = new Set<Item>();
      for (const part of value.split(",").map((entry) => entry.trim())) {
        if (part === "") continue;
        const item = parseItem(part);
        if (item === undefined) return undefined;
        items.add(item);
      }
      return [...items];
    },
  };
}

function parseHttpUrl(value: string): string | undefined {
  if (value.length > MAX_TEXT_CHARACTERS || !HTTP_URL.test(value) || !URL.canParse(value)) return undefined;
  const { origin, pathname } = new URL(value);
  return origin + pathname.replace(/\/+$/, "");
}

function within(value: number, { min, max }: Range): number | undefined {
  return value >= min && value <= max ? value : undefined;
}
