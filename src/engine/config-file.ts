import { access, readFile } from "node:fs/promises";
import { ConfigurationError, isErrno } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";

/** A JSON object of the model's folder; each getter gives the default for a missing or null key. */
export class ConfigFile {
  readonly path: string;
  readonly #values: JsonObject;

  constructor(path: string, values: JsonObject) {
    this.path = path;
    this.#values = values;
  }

  has(key: string): boolean {
    return (this.#values[key] ?? undefined) !== undefined;
  }

  number(key: string, fallback?: number): number {
    return this.#read(key, fallback, (value) => typeof value === "number", "a number");
  }

  boolean(key: string, fallback: boolean): boolean {
    return this.#read(key, fallback, (value) => typeof value === "boolean", "true or false");
  }

  text(key: string, fallback?: string): string {
    return this.#read(key, fallback, (value) => typeof value === "string", "a text");
  }

  /** One of `allowed`; anything else is something that we cannot do, and that is said instead of ignored. */
  oneOf<Allowed extends string>(key: string, allowed: readonly Allowed[], fallback: Allowed): Allowed {
    const isAllowed = (value: unknown): value is Allowed => allowed.some((item) => item === value);
    return this.#read(key, fallback, isAllowed, allowed.join(" or "));
  }

  /** The numbers of an array, or `undefined` when there is none. */
  numbers(key: string): readonly number[] | undefined {
    if (!this.has(key)) return undefined;
    const isNumbers = (value: unknown): value is readonly number[] =>
      Array.isArray(value) && value.every((item) => typeof item === "number");
    return this.#read(key, undefined, isNumbers, "a list of numbers");
  }

  /** Fails when a switch that we do not implement is on. */
  refuse(...keys: readonly string[]): void {
    for (const key of keys) {
      const value = this.#values[key] ?? false;
      if (value !== false) throw this.#invalid(key, "absent or false");
    }
  }

  #read<Value>(
    key: string,
    fallback: Value | undefined,
    isValid: (value: unknown) => value is Value,
    expected: string,
  ): Value {
    const value = this.#values[key] ?? fallback;
    if (isValid(value)) return value;
    throw this.#invalid(key, expected);
  }

  #invalid(key: string, expected: string): ConfigurationError {
    const found = this.has(key) ? JSON.stringify(this.#values[key]).slice(0, 60) : "nothing";
    return new ConfigurationError(
      "configuration_invalid",
      `Cannot use model file "${this.path}": "${key}" must be ${expected}, found ${found}`,
    );
  }
}

/** @throws {ConfigurationError} `configuration_invalid` when the file is missing or holds no JSON object */
export async function loadConfigFile(path: string): Promise<ConfigFile> {
  return new ConfigFile(path, await loadJsonObject(path));
}

/** Like `loadConfigFile`, but a file that does not exist says nothing, so that every default holds. */
export async function loadOptionalConfigFile(path: string): Promise<ConfigFile> {
  const isMissing = await access(path).then(
    () => false,
    (error: unknown) => isErrno(error, "ENOENT"),
  );
  return isMissing ? new ConfigFile(path, {}) : loadConfigFile(path);
}

/** @throws {ConfigurationError} `configuration_invalid` when the file is missing or holds no JSON object */
export async function loadJsonObject(path: string): Promise<JsonObject> {
  let values: unknown;
  try {
    values = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    const reason = isErrno(error, "ENOENT", "ENOTDIR") ? "it does not exist" : "it is not readable JSON";
    throw new ConfigurationError("configuration_invalid", `Cannot use model file "${path}": ${reason}`, {
      cause: error,
    });
  }
  if (isJsonObject(values)) return values;
  throw new ConfigurationError("configuration_invalid", `Cannot use model file "${path}": it is not a JSON object`);
}
