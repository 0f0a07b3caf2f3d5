import { ConfigurationError } from "../core/errors.ts";
import type { ProtocolName } from "../config/settings.ts";

/** Where a model server answers, parsed from `KSERVE_ENDPOINT`. */
export interface Endpoint {
  readonly isSecure: boolean;
  readonly hostname: string;
  /** `undefined`: the default port of the scheme. */
  readonly port: number | undefined;
  /** What stands before `/v1/…`; empty or begins with a slash, never ends with one. */
  readonly pathPrefix: string;
  /** The model that the URL itself names. */
  readonly modelName: string | undefined;
  /** The version that a V2 URL names. */
  readonly modelVersion: string | undefined;
  /** The protocol whose path the URL ends with. */
  readonly protocol: ProtocolName | undefined;
  /** What stands before `/images/generations` in OpenAI's protocol. */
  readonly apiPath: string | undefined;
}

const SETTING = "KSERVE_ENDPOINT";
/** How the path ends when the URL leads further than to the server, behind any prefix. */
const SUFFIXES: readonly (readonly [RegExp, ProtocolName | undefined])[] = [
  [/^(?<prefix>.*?)\/v1\/models\/(?<model>[^/]+)$/, "v1"],
  // Both KServe and OpenAI begin so.
  [/^(?<prefix>.*?)\/v1(?:\/models)?$/, undefined],
  [
    /^(?<prefix>.*?)\/v2(?:\/models(?:\/(?<model>[^/]+)(?:\/versions\/(?<version>[^/]+))?(?:\/(?:infer|ready))?)?)?$/,
    "v2",
  ],
  [/^(?<prefix>.*?)(?<api>\/v[13])\/images\/generations$/, "openai"],
  [/^(?<prefix>.*?)(?<api>\/openai\/v1|\/v3)(?:\/images\/generations|\/models)?$/, "openai"],
];
const PREDICT_SUFFIX = /:predict$/;

/**
 * Parses the address of an InferenceService: bare, with a path prefix, or as far as its predict URL.
 *
 * @throws {ConfigurationError} `configuration_invalid` naming KSERVE_ENDPOINT
 */
export function parseEndpoint(text: string): Endpoint {
  const trimmed = text.trim();
  if (!URL.canParse(trimmed)) throw invalid("it is not a URL; write it as https://host or http://host:port");
  const url = new URL(trimmed);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw invalid("it must begin with http:// or https://");
  if (url.username !== "" || url.password !== "") {
    throw invalid("it must not hold a user name or password; use KSERVE_AUTH_TOKEN");
  }
  if (trimmed.includes("?")) throw invalid("it must not have a query");
  if (trimmed.includes("#")) throw invalid("it must not have a fragment");
  const path = url.pathname.replace(/\/+$/, "");
  const { prefix, model, version, api, protocol } = splitPath(path);
  return {
    isSecure: url.protocol === "https:",
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? undefined : Number(url.port),
    pathPrefix: prefix.replace(/\/+$/, ""),
    modelName: model === undefined ? undefined : decodeModelName(model),
    modelVersion: version,
    protocol,
    apiPath: api,
  };
}

/**
 * The protocol that the operator fixed, in the setting or by the URL; `undefined` when neither does.
 *
 * @throws {ConfigurationError} `configuration_invalid` when the two differ
 */
export function chooseProtocol(endpoint: Endpoint, setting: ProtocolName | "auto"): ProtocolName | undefined {
  if (setting === "auto") return endpoint.protocol;
  if (endpoint.protocol !== undefined && setting !== endpoint.protocol) {
    throw new ConfigurationError(
      "configuration_invalid",
      `${SETTING} ends with a path of the protocol ${endpoint.protocol}, but KSERVE_PROTOCOL is ${setting}`,
      { details: { setting: "KSERVE_PROTOCOL" } },
    );
  }
  return setting;
}

/**
 * The model name that the operator fixed, in the setting or in the URL; `undefined` when neither does.
 *
 * @throws {ConfigurationError} `configuration_invalid` when the two differ
 */
export function chooseModelName(endpoint: Endpoint, setting: string | undefined): string | undefined {
  if (setting !== undefined && endpoint.modelName !== undefined && setting !== endpoint.modelName) {
    throw new ConfigurationError(
      "configuration_invalid",
      `${SETTING} names the model "${endpoint.modelName}", but KSERVE_MODEL_NAME is "${setting}"`,
      { details: { setting: "KSERVE_MODEL_NAME" } },
    );
  }
  return setting ?? endpoint.modelName;
}

interface PathParts {
  readonly prefix: string;
  readonly model: string | undefined;
  readonly version: string | undefined;
  readonly api: string | undefined;
  readonly protocol: ProtocolName | undefined;
}

function splitPath(path: string): PathParts {
  // The shortest prefix wins: `/openai/v1` is a path of its own, not `/v1` behind a prefix.
  let best: PathParts = { prefix: path, model: undefined, version: undefined, api: undefined, protocol: undefined };
  for (const [pattern, protocol] of SUFFIXES) {
    const { prefix = path, model, version, api } = pattern.exec(path)?.groups ?? {};
    if (prefix.length < best.prefix.length) best = { prefix, model, version, api, protocol };
  }
  return best;
}

function decodeModelName(model: string): string {
  let name: string;
  try {
    name = decodeURIComponent(model).replace(PREDICT_SUFFIX, "");
  } catch {
    throw invalid("the model name in its path is not encoded correctly");
  }
  if (name === "") throw invalid("the model name in its path is empty");
  return name;
}

/** Never quotes the value: it may hold a password. */
function invalid(reason: string): ConfigurationError {
  return new ConfigurationError("configuration_invalid", `${SETTING} is not valid: ${reason}`, {
    details: { setting: SETTING },
  });
}
