import { KServeError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import { FreshFile } from "./fresh-file.ts";

const HEADER_TEXT = /^[\x21-\x7e]+$/;

/** The token that opens the endpoint: a fixed text, or a file that is rewritten before the token in it ends. */
export class BearerToken {
  readonly #fixed: Secret | undefined;
  readonly #file: FreshFile | undefined;

  constructor(options: { readonly token: Secret | undefined; readonly file: string | undefined }) {
    this.#fixed = options.token;
    this.#file = options.file === undefined ? undefined : new FreshFile("KSERVE_AUTH_TOKEN_FILE", options.file);
  }

  /** The token; `undefined` when there is none. @throws {KServeError} `configuration_invalid` */
  async read(): Promise<string | undefined> {
    if (this.#file === undefined) return this.#fixed?.reveal();
    return parse(await this.#file.read());
  }

  /** Another token than the refused one, if the file now holds one. @throws {KServeError} `configuration_invalid` */
  async readOther(refused: string | undefined): Promise<string | undefined> {
    if (this.#file === undefined) return undefined;
    const token = parse(await this.#file.read({ again: true }));
    return token === refused ? undefined : token;
  }
}

function parse(text: string): string {
  if (HEADER_TEXT.test(text)) return text;
  throw new KServeError(
    "configuration_invalid",
    "Cannot generate the image: the file of KSERVE_AUTH_TOKEN_FILE holds no token",
    { details: { setting: "KSERVE_AUTH_TOKEN_FILE" } },
  );
}
