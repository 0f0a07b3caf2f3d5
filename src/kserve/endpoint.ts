import { ConfigurationError } from "../core/errors.ts";

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
}

const SETTING = "KSERVE_ENDPOINT";
/** `/v1`, `/v1/models`, `/v1/models/NAME` and `/v1/models/NAME:predict`, behind any prefix. */
const V1_SUFFIX = /^(?<prefix>.*?)\/v1(?:\/models(?:\/(?<model>[^/]+))?)?$/;
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
  const { prefix = path, model } = V1_SUFFIX.exec(path)?.groups ?? {};
  return {
    isSecure: url.protocol === "https:",
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? undefined : Number(url.port),
    pathPrefix: prefix.replace(/\/+$/, ""),
    modelName: model === undefined ? undefined : decodeModelName(model),
  };
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
