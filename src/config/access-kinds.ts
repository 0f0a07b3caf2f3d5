import { hash } from "node:crypto";
import { BlockList, isIP } from "node:net";
import { SCOPES, type Scope } from "../core/scope.ts";
import { list, type SettingKind } from "./setting-kinds.ts";

/** One key of an API client; the key itself is not kept. */
export interface ApiKeySetting {
  readonly name: string;
  /** SHA-256 of the key. */
  readonly digest: Uint8Array;
  readonly scopes: readonly Scope[];
}

const API_KEY =
  /^(?<name>[A-Za-z0-9][\w.@-]{0,63}):(?:sha256-(?<hex>[0-9a-f]{64})|(?!sha256-)(?<key>[\x21-\x2b\x2d-\x39\x3b-\x7e]{20,512}))(?::(?<words>[a-z+]+))?$/;
const DEFAULT_WORDS = "generate+read+delete";

/** Keys of API clients, one a line or separated by commas. */
export function apiKeys(): SettingKind<readonly ApiKeySetting[]> {
  return {
    rule: "must be name:key or name:key:generate+read+delete+admin, one a line or separated by commas; a key has 20 characters or more, or is sha256- and its digest in hexadecimal",
    parse: (text) => {
      const keys = text
        .split(/[,\n]/)
        .map((line) => line.trim())
        .filter((line) => line !== "")
        .map((line) => parseApiKey(line));
      const known = keys.filter((key) => key !== undefined);
      const names = new Set(known.map(({ name }) => name));
      return known.length === keys.length && known.length > 0 && names.size === known.length ? known : undefined;
    },
  };
}

function parseApiKey(line: string): ApiKeySetting | undefined {
  const { name, hex, key, words = DEFAULT_WORDS } = API_KEY.exec(line)?.groups ?? {};
  const scopes = words.split("+").map((word) => SCOPES.find((scope) => scope === `images:${word}`));
  const known = scopes.filter((scope) => scope !== undefined);
  if (name === undefined || known.length < scopes.length) return undefined;
  return {
    name,
    digest: hex === undefined ? hash("sha256", key ?? "", "buffer") : Buffer.from(hex, "hex"),
    scopes: known,
  };
}

/** One key or two, of 32 to 256 printable characters without spaces or commas. */
export function signingKeys(): SettingKind<readonly string[]> {
  return {
    rule: "must be one key or two, separated by a comma, each of 32 to 256 printable ASCII characters",
    parse: (text) => {
      const keys = text
        .split(/[,\n]/)
        .map((key) => key.trim())
        .filter((key) => key !== "");
      const isRight = keys.length >= 1 && keys.length <= 2 && new Set(keys).size === keys.length;
      return isRight && keys.every((key) => /^[\x21-\x7e]{32,256}$/.test(key)) ? keys : undefined;
    },
  };
}

/** Addresses and networks such as `10.0.0.0/8`, separated by commas. */
export function networkList(): SettingKind<readonly string[]> {
  return list("must be addresses or networks such as 10.0.0.0/8 or fd00::/8, separated by commas", (value) =>
    isNetwork(value) ? value.toLowerCase() : undefined,
  );
}

function isNetwork(value: string): boolean {
  const [address = "", prefix, more] = value.split("/");
  const family = isIP(address);
  if (family === 0 || more !== undefined) return false;
  if (prefix === undefined) return true;
  if (!/^\d{1,3}$/.test(prefix)) return false;
  try {
    new BlockList().addSubnet(address, Number(prefix), family === 4 ? "ipv4" : "ipv6");
    return true;
  } catch {
    return false;
  }
}

/** What a token must be for, separated by commas. */
export function audienceList(): SettingKind<readonly string[]> {
  return list("must be names or URLs without spaces, separated by commas", (value) =>
    /^[\x21-\x7e]{1,512}$/.test(value) ? value : undefined,
  );
}

const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

/** Algorithms of signatures; those with a shared secret are none of them, and `none` is not either. */
export function algorithmList(): SettingKind<readonly string[]> {
  return list(`must be some of ${ALGORITHMS.join(", ")}, separated by commas`, (value) =>
    ALGORITHMS.find((algorithm) => algorithm === value),
  );
}

/** The address of a Redis or Valkey. */
export function redisUrl(): SettingKind<string> {
  return {
    rule: "must be a URL that begins with redis:// or rediss://",
    parse: (value) => (/^rediss?:\/\/[\x21-\x7e]{1,1000}$/.test(value) && URL.canParse(value) ? value : undefined),
  };
}
