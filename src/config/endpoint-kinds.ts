import { validateHeaderName, validateHeaderValue } from "node:http";
import { isIP } from "node:net";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import type { SettingKind } from "./setting-kinds.ts";

const MAX_JSON_CHARACTERS = 16_384;
const MAX_HEADERS = 32;
/** Those that the connection or the protocol decides. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "accept-encoding",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const HOST = /^(?<name>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;
const PARAMETER_NAME = /^[A-Za-z_]\w{0,63}$/;

/** Header names, in lower case, and their values. */
export function headerMap(): SettingKind<Readonly<Record<string, string>>> {
  return {
    rule: 'must be a JSON object of texts such as {"x-api-key":"…"}, without Host, Content-Type and the headers of the connection',
    parse: (text) => {
      const entries = Object.entries(parseObject(text) ?? { "": null });
      if (entries.length > MAX_HEADERS) return undefined;
      const headers: Record<string, string> = {};
      for (const [name, value] of entries) {
        const lower = name.toLowerCase();
        if (!isHeader(lower, value) || OWN_HEADERS.has(lower) || lower in headers) return undefined;
        headers[lower] = value;
      }
      return headers;
    },
  };
}

/** Parameters beside the prompt. */
export function parameterMap(): SettingKind<JsonObject> {
  return {
    rule: 'must be a JSON object such as {"clip_skip":2}, without prompt',
    parse: (text) => {
      const parameters = parseObject(text);
      if (parameters === undefined || "prompt" in parameters) return undefined;
      return Object.keys(parameters).every((name) => PARAMETER_NAME.test(name)) ? parameters : undefined;
    },
  };
}

/** Names of parameters, separated by commas. */
export function parameterNames(): SettingKind<readonly string[]> {
  return {
    rule: "must be names of parameters separated by commas, such as seed,negative_prompt; not prompt",
    parse: (text) => {
      const names = text.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]));
      const isGood = names.every((name) => PARAMETER_NAME.test(name) && name !== "prompt");
      return isGood ? [...new Set(names)] : undefined;
    },
  };
}

/** A host name or an address, with a port if it is not the usual one. */
export function hostHeader(): SettingKind<string> {
  return {
    rule: "must be a host name, with a port if need be",
    parse: (text) => (HOST.test(text) ? text.toLowerCase() : undefined),
  };
}

/** A host name; an address has no place in TLS's server name. */
export function serverName(): SettingKind<string> {
  return {
    rule: "must be a host name without a port",
    parse: (text) => {
      const name = HOST.exec(text)?.groups?.["name"];
      return name === text && isIP(name.replace(/^\[|\]$/g, "")) === 0 ? text.toLowerCase() : undefined;
    },
  };
}

export function yesOrNo(): SettingKind<boolean> {
  return {
    rule: "must be true or false",
    parse: (text) => ({ true: true, false: false })[text.toLowerCase()],
  };
}

function isHeader(name: string, value: unknown): value is string {
  if (typeof value !== "string") return false;
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

function parseObject(text: string): JsonObject | undefined {
  if (text.length > MAX_JSON_CHARACTERS) return undefined;
  try {
    const document: unknown = JSON.parse(text);
    return isJsonObject(document) ? document : undefined;
  } catch {
    return undefined;
  }
}
