import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer as TokenizerRuntime } from "@huggingface/tokenizers";
import { ConfigurationError, isErrno } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { toClipTokenizerJson } from "./clip-tokenizer.ts";
import { loadJsonObject } from "./config-file.ts";

/** A prompt as the text encoder takes it, and what was lost on the way. */
export interface EncodedPrompt {
  /** Exactly as many as the text encoder wants. */
  readonly ids: readonly number[];
  /** Words outside the vocabulary, each once, in order. */
  readonly unknownWords: readonly string[];
  /** True when the end of the prompt did not fit. */
  readonly truncated: boolean;
}

export interface TokenizerOptions {
  /** Tokens that the text encoder takes. */
  readonly length: number;
  /** True: unknown words leave no token, for models that were never trained with one. */
  readonly skipUnknownWords?: boolean;
}

/** What a person takes for one word: letters and numbers, a pictogram with what belongs to it, or a flag. */
const WORDS =
  /[\p{L}\p{N}][\p{L}\p{M}\p{N}'’-]*|\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\u{FE0F}|\u{200D}\p{Extended_Pictographic})*|\p{Regional_Indicator}{2}/gu;

/** Turns prompts into token ids of a fixed length, as diffusers does with `padding="max_length"`. */
export class Tokenizer {
  readonly #runtime: TokenizerRuntime;
  readonly #length: number;
  readonly #padId: number;
  readonly #unknownId: number | undefined;

  readonly #skipUnknown: boolean;

  constructor(tokenizerJson: JsonObject, config: JsonObject, options: TokenizerOptions) {
    this.#runtime = new TokenizerRuntime(tokenizerJson, config);
    this.#length = options.length;
    this.#skipUnknown = options.skipUnknownWords ?? false;
    this.#padId = this.#idOf(config["pad_token"]) ?? 0;
    this.#unknownId = this.#idOf(config["unk_token"]);
  }

  encode(prompt: string): EncodedPrompt {
    const encoded: readonly number[] = this.#runtime.encode(prompt).ids;
    const whole = this.#skipUnknown ? encoded.filter((id) => id !== this.#unknownId) : encoded;
    const ids = whole.length > this.#length ? this.#cut(prompt, whole) : whole;
    return {
      ids: [...ids, ...Array.from({ length: this.#length - ids.length }, () => this.#padId)],
      unknownWords: this.#unknownWords(prompt),
      truncated: whole.length > this.#length,
    };
  }

  /** Cuts the words at the end, never the special tokens around them. */
  #cut(prompt: string, whole: readonly number[]): number[] {
    const bare = this.#bareIds(prompt);
    const special = whole.length - bare.length;
    let prefix = 0;
    while (prefix < special && !bare.every((id, i) => whole[prefix + i] === id)) prefix++;
    return [...whole.slice(0, prefix), ...bare.slice(0, this.#length - special), ...whole.slice(prefix + bare.length)];
  }

  #unknownWords(prompt: string): string[] {
    if (this.#unknownId === undefined) return [];
    const unknownId = this.#unknownId;
    const words = prompt.match(WORDS) ?? [];
    return [...new Set(words)].filter((word) => this.#bareIds(word).includes(unknownId));
  }

  /** Without the special tokens around it. */
  #bareIds(text: string): number[] {
    return this.#runtime.encode(text, { add_special_tokens: false }).ids;
  }

  /** A special token is a text, or an object with its `content`. */
  #idOf(token: unknown): number | undefined {
    const text = isJsonObject(token) ? token["content"] : token;
    return typeof text === "string" ? this.#runtime.token_to_id(text) : undefined;
  }
}

/**
 * Reads `tokenizer.json`, or builds one from the `vocab.json` and `merges.txt` of a CLIP tokenizer.
 *
 * @throws {ConfigurationError} `configuration_invalid` when neither is there
 */
export async function loadTokenizer(folder: string, options: TokenizerOptions): Promise<Tokenizer> {
  const config = await loadJsonObject(join(folder, "tokenizer_config.json"));
  return new Tokenizer(await loadTokenizerJson(folder), config, options);
}

async function loadTokenizerJson(folder: string): Promise<JsonObject> {
  const path = join(folder, "tokenizer.json");
  try {
    await readFile(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    return loadClipTokenizerJson(folder, path);
  }
  return loadJsonObject(path);
}

async function loadClipTokenizerJson(folder: string, wanted: string): Promise<JsonObject> {
  try {
    const merges = await readFile(join(folder, "merges.txt"), "utf8");
    return toClipTokenizerJson(await loadJsonObject(join(folder, "vocab.json")), merges);
  } catch (error) {
    throw new ConfigurationError(
      "configuration_invalid",
      `Cannot use model file "${wanted}": it does not exist, and there is no vocab.json with merges.txt either`,
      { cause: error },
    );
  }
}
