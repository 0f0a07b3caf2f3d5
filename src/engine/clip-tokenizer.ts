import type { JsonObject, JsonValue } from "../core/json.ts";

const START = "<|startoftext|>";
const END = "<|endoftext|>";

/** How CLIP splits a text before byte pair encoding (openai/CLIP, simple_tokenizer.py). */
const WORD_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/** The `tokenizer.json` of a CLIP tokenizer that was exported as `vocab.json` and `merges.txt` only. */
export function toClipTokenizerJson(vocabulary: JsonObject, merges: string): JsonObject {
  const special = [START, END].flatMap((content) => {
    const id = vocabulary[content];
    return typeof id === "number" ? [{ content, id }] : [];
  });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map(({ content, id }) => {
      return { id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };
    }),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Lowercase" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: WORD_PATTERN }, behavior: "Removed", invert: true },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [specialItem(START), { Sequence: { id: "A", type_id: 0 } }, specialItem(END)],
      pair: [],
      special_tokens: Object.fromEntries(
        special.map(({ content, id }): [string, JsonValue] => [content, { id: content, ids: [id], tokens: [content] }]),
      ),
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      unk_token: END,
      continuing_subword_prefix: null,
      end_of_word_suffix: "</w>",
      fuse_unk: false,
      byte_fallback: false,
      vocab: vocabulary,
      merges: merges
        .split(/\r?\n/)
        .filter((line) => line !== "" && !line.startsWith("#version"))
        .map((line) => line.split(" ")),
    },
  };
}

function specialItem(token: string): JsonObject {
  return { SpecialToken: { id: token, type_id: 0 } };
}
