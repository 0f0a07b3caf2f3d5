import { readFile, stat } from "node:fs/promises";
import { KServeError } from "../core/errors.ts";
import { getLogger } from "../logging/logger.ts";

const MAX_BYTES = 1024 * 1024;

const logger = getLogger("kserve");

/**
 * A small text file that others rewrite, such as a mounted token or certificate: read at each use, and from the disk
 * only when it has changed.
 */
export class FreshFile {
  readonly #setting: string;
  readonly #path: string;
  #version = "";
  #text: string | undefined;

  /** @param setting what names the file, for errors */
  constructor(setting: string, path: string) {
    this.#setting = setting;
    this.#path = path;
  }

  /**
   * The text, without blanks around it. While the file cannot be read, what it held before.
   *
   * @param options.again reads it from the disk although it seems not to have changed
   * @throws {KServeError} `configuration_invalid` when it could never be read
   */
  async read(options: { readonly again?: boolean } = {}): Promise<string> {
    try {
      const { mtimeMs, ino, size } = await stat(this.#path);
      const version = `${mtimeMs} ${ino} ${size}`;
      if (this.#text !== undefined && version === this.#version && !options.again) return this.#text;
      if (size > MAX_BYTES) throw new RangeError(`It is larger than ${MAX_BYTES} bytes`);
      const text = (await readFile(this.#path, "utf8")).trim();
      if (text === "") throw new RangeError("It is empty");
      this.#version = version;
      this.#text = text;
      return text;
    } catch (error) {
      if (this.#text === undefined) throw unreadable(this.#setting, error);
      logger.warn("kserve_file_not_read", { setting: this.#setting, error });
      return this.#text;
    }
  }
}

function unreadable(setting: string, cause: unknown): KServeError {
  return new KServeError("configuration_invalid", `Cannot generate the image: the file of ${setting} cannot be read`, {
    details: { setting },
    cause,
  });
}
