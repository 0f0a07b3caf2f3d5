import { KServeError } from "../core/errors.ts";
import { sniffImageFormat } from "../core/image-format.ts";
import { countPadding, hasUrlSafeCharacter } from "./base64.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import { GrowingBuffer } from "./growing-buffer.ts";

/** Stands in the JSON where the picture was; a text that no runtime sends. */
export const PICTURE_PLACEHOLDER = "\u0000picture";

/** A whole response body, the picture already apart where the scanner could take it. */
export interface ScannedBody {
  /** The body; with a picture, `PICTURE_PLACEHOLDER` stands where its base64 was. */
  readonly text: Buffer;
  readonly picture: Buffer | undefined;
  /** Where the picture lies, with room in front for chunks behind its header. */
  readonly memory?: GrowingBuffer | undefined;
}

export interface PictureScannerOptions {
  readonly maxImageBytes: number;
  /** From `content-length`, so that the buffer need not grow. */
  readonly expectedBodyBytes?: number;
  /** Lends the memory for the picture. Default: it is fresh. */
  readonly pool?: BufferPool | undefined;
}

/** The picture's key is looked for in this much of the body; what comes later goes to the tolerant decoder. */
const MAX_HEAD_BYTES = 64 * 1024;
const FIRST_TEXT_BYTES = 4 * 1024;
const FIRST_PICTURE_BYTES = 256 * 1024;
/** The chunks that are put into a picture are some hundred bytes, and its prompt. */
const HEADROOM_BYTES = 16 * 1024;
const PICTURE_KEY = /"b64(?:_json)?"[ \t\r\n]{0,8}:[ \t\r\n]{0,8}"/g;
/** No match is longer, so a match split over two chunks begins at most this far back. */
const MAX_KEY_BYTES = 32;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const PLACEHOLDER_BYTES = Buffer.from(JSON.stringify(PICTURE_PLACEHOLDER).slice(1, -1));

/**
 * Takes the picture out of `{"predictions":[{"image":{"b64":"…"}}]}` or `{"data":[{"b64_json":"…"}]}` while the body arrives, so that neither the body
 * nor the base64 is ever held whole. Wherever the text is not plain base64 (an escape, a strange character, a wrong
 * length), it puts the text back together and leaves the body to the tolerant decoder: the scanner never guesses.
 */
export class PictureScanner {
  readonly #maxImageBytes: number;
  readonly #expectedPictureBytes: number;
  readonly #pool: BufferPool | undefined;
  readonly #text = new GrowingBuffer({ initialBytes: FIRST_TEXT_BYTES });
  #picture: GrowingBuffer | undefined;
  #mode: "head" | "picture" | "rest" = "head";
  /** Base64 characters that wait for the rest of their group of four. */
  #carry = "";

  constructor(options: PictureScannerOptions) {
    this.#maxImageBytes = options.maxImageBytes;
    const expected = options.expectedBodyBytes ?? 0;
    this.#expectedPictureBytes = Math.min(Math.ceil((expected / 4) * 3), options.maxImageBytes);
    this.#pool = options.pool;
  }

  /** @throws {KServeError} `image_too_large` as soon as the picture has more than `maxImageBytes` */
  write(chunk: Buffer): void {
    switch (this.#mode) {
      case "head":
        this.#writeHead(chunk);
        break;
      case "picture":
        this.#writePicture(chunk);
        break;
      case "rest":
        this.#text.append(chunk);
        break;
    }
  }

  /** What was found; call it once, after the last chunk. */
  finish(): ScannedBody {
    if (this.#mode === "picture") this.#putBack(Buffer.alloc(0));
    return { text: this.#text.bytes, picture: this.#picture?.bytes, memory: this.#picture };
  }

  #writeHead(chunk: Buffer): void {
    const searchFrom = Math.max(0, this.#text.length - MAX_KEY_BYTES);
    const before = this.#text.length;
    this.#text.append(chunk);
    // A picture that comes as itself is no JSON, whatever its metadata may hold.
    const isPicture = sniffImageFormat(this.#text.bytes) !== undefined;
    const start = isPicture ? undefined : findPictureStart(this.#text.bytes, searchFrom);
    if (start === undefined) {
      if (isPicture || this.#text.length > MAX_HEAD_BYTES) this.#mode = "rest";
      return;
    }
    this.#text.truncate(start);
    this.#picture = new GrowingBuffer({
      initialBytes: Math.max(this.#expectedPictureBytes, FIRST_PICTURE_BYTES),
      headroomBytes: HEADROOM_BYTES,
      pool: this.#pool,
    });
    this.#mode = "picture";
    this.#writePicture(chunk.subarray(start - before));
  }

  #writePicture(chunk: Buffer): void {
    const quote = chunk.indexOf(QUOTE);
    const isLast = quote !== -1;
    const end = isLast ? quote : chunk.length;
    // The group on the border of two chunks goes alone, so that no long text is put together from them.
    const border = Math.min(4 - this.#carry.length, end);
    const group = this.#carry + chunk.toString("latin1", 0, border);
    if (!isLast && border === end) {
      this.#carry = group;
      return;
    }
    // Up to the closing quote, the last group is held back: only there may it be padded.
    const bodyEnd = isLast ? end : end - ((end - border - 1) % 4) - 1;
    if (!this.#decodeBoth(group, chunk.toString("latin1", border, bodyEnd), isLast)) {
      this.#putBack(chunk);
      return;
    }
    this.#carry = chunk.toString("latin1", bodyEnd, end);
    if (!isLast) return;
    this.#text.append(PLACEHOLDER_BYTES);
    this.#text.append(chunk.subarray(quote));
    this.#mode = "rest";
  }

  /** True when both texts were decoded whole; else neither was. */
  #decodeBoth(group: string, body: string, isLast: boolean): boolean {
    const before = this.#picture?.length ?? 0;
    const isDecoded = this.#decode(group, isLast && body === "") && this.#decode(body, isLast);
    if (!isDecoded) this.#picture?.truncate(before);
    return isDecoded;
  }

  /** True when every character was decoded. */
  #decode(text: string, isLast: boolean): boolean {
    const picture = this.#picture;
    if (picture === undefined || text.length % 4 !== 0) return false;
    const before = picture.length;
    const expectedBytes = (text.length / 4) * 3 - (isLast ? countPadding(text) : 0);
    if (before + expectedBytes > this.#maxImageBytes) throw pictureTooLarge(this.#maxImageBytes);
    return picture.appendBase64(text, expectedBytes) === expectedBytes && !hasUrlSafeCharacter(text);
  }

  /** Restores the text as it came: whole groups of base64 encode back to the same characters. */
  #putBack(chunk: Buffer): void {
    if (this.#picture) this.#text.append(Buffer.from(this.#picture.bytes.toString("base64"), "latin1"));
    this.#text.append(Buffer.from(this.#carry, "latin1"));
    this.#text.append(chunk);
    this.#picture?.release();
    this.#picture = undefined;
    this.#carry = "";
    this.#mode = "rest";
  }
}

/** The error for a picture above the limit. */
export function pictureTooLarge(maxImageBytes: number): KServeError {
  return new KServeError("image_too_large", `Cannot take the picture: it has more than ${maxImageBytes} bytes`, {
    details: { max_bytes: maxImageBytes },
  });
}

/** The offset behind the opening quote of the picture's base64. */
function findPictureStart(text: Buffer, searchFrom: number): number | undefined {
  const searched = text.toString("latin1", searchFrom);
  for (const match of searched.matchAll(PICTURE_KEY)) {
    // An escaped quote before the key means that it ends a longer text.
    const start = searchFrom + match.index;
    if (text[start - 1] !== BACKSLASH) return start + match[0].length;
  }
  return undefined;
}
