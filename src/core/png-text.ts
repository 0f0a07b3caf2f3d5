import { inflateSync } from "node:zlib";
import { createPngChunk, listPngChunks } from "./png.ts";

/** What `tEXt` can hold: Latin-1 without controls but the line feed. PNG specification, section 11.3.3.2. */
const LATIN_1_TEXT = /^[\n\x20-\x7e\xa0-\xff]*$/;
/** A text as it is read, decompressed; a prompt is some thousand. */
const MAX_TEXT_BYTES = 1024 * 1024;

/** A text chunk: `tEXt`, which every reader knows, or `iTXt` where the text is not Latin-1. */
export function createPngText(keyword: string, text: string): Buffer {
  if (!LATIN_1_TEXT.test(text)) return createInternationalText(keyword, text);
  return createPngChunk("tEXt", Buffer.from(`${keyword}\0${text}`, "latin1"));
}

/** An uncompressed `iTXt` chunk: section 11.3.3.4. */
export function createInternationalText(keyword: string, text: string): Buffer {
  const head = Buffer.from(`${keyword}\0\0\0\0\0`, "latin1");
  return createPngChunk("iTXt", Buffer.concat([head, Buffer.from(text, "utf8")]));
}

/** The texts of a verified PNG by keyword, the first of each; what does not read is left out. */
export function readPngTexts(bytes: Uint8Array): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const { type, dataStart, dataLength } of listPngChunks(bytes)) {
    if (type !== "tEXt" && type !== "zTXt" && type !== "iTXt") continue;
    const data = Buffer.from(bytes.buffer, bytes.byteOffset + dataStart, dataLength);
    const end = data.indexOf(0);
    if (end < 1) continue;
    const keyword = data.toString("latin1", 0, end);
    const text = readText(type, data.subarray(end + 1));
    if (text !== undefined && !texts.has(keyword)) texts.set(keyword, text);
  }
  return texts;
}

function readText(type: "tEXt" | "zTXt" | "iTXt", data: Buffer): string | undefined {
  switch (type) {
    case "tEXt":
      return data.length > MAX_TEXT_BYTES ? undefined : data.toString("latin1");
    case "zTXt":
      return inflate(data.subarray(1))?.toString("latin1");
    case "iTXt": {
      const language = data.indexOf(0, 2);
      const translated = language === -1 ? -1 : data.indexOf(0, language + 1);
      if (translated === -1) return undefined;
      const text = data.subarray(translated + 1);
      if (data[0] === 1) return inflate(text)?.toString("utf8");
      return text.length > MAX_TEXT_BYTES ? undefined : text.toString("utf8");
    }
  }
}

function inflate(data: Buffer): Buffer | undefined {
  try {
    return inflateSync(data, { maxOutputLength: MAX_TEXT_BYTES });
  } catch {
    return undefined;
  }
}
