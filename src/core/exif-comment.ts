/** The tags of Exif 2.32 that lead to the comment of a user, and of the comment itself. */
const EXIF_FOLDER_TAG = 0x8769;
const USER_COMMENT_TAG = 0x9286;
/** What a comment begins with: the code of its characters, in eight bytes. */
const UNICODE = "UNICODE\0";
const ASCII = "ASCII\0\0\0";
const CODE_BYTES = 8;
const HEAD_BYTES = 8;
const ENTRY_BYTES = 12;
const LONG = 4;
const UNDEFINED = 7;

/** Exif data, as it lies in a JPEG or WebP file, that holds a text as the comment of its user and nothing else. */
export function createExifComment(text: string): Buffer {
  const comment = Buffer.concat([Buffer.from(UNICODE, "latin1"), Buffer.from(text, "utf16le").swap16()]);
  const head = Buffer.alloc(44);
  head.write("MM\0*", "latin1");
  head.writeUInt32BE(8, 4);
  writeFolder(head, 8, { tag: EXIF_FOLDER_TAG, type: LONG, count: 1, value: 26 });
  writeFolder(head, 26, { tag: USER_COMMENT_TAG, type: UNDEFINED, count: comment.length, value: head.length });
  return Buffer.concat([head, comment]);
}

/** The comment in Exif data; `undefined` when there is none, or the data is damaged. */
export function readExifComment(exif: Uint8Array): string | undefined {
  const bytes = Buffer.from(exif.buffer, exif.byteOffset, exif.length);
  const order = bytes.toString("latin1", 0, 4);
  if (bytes.length < HEAD_BYTES || (order !== "MM\0*" && order !== "II*\0")) return undefined;
  const isBig = order.startsWith("MM");
  const folder = findEntry(bytes, readUint(bytes, 4, 4, isBig), EXIF_FOLDER_TAG, isBig);
  const comment = folder && findEntry(bytes, folder.value, USER_COMMENT_TAG, isBig);
  if (comment === undefined) return undefined;
  const { count, value: start } = comment;
  if (count < CODE_BYTES || start + count > bytes.length) return undefined;
  const code = bytes.toString("latin1", start, start + CODE_BYTES);
  const text = bytes.subarray(start + CODE_BYTES, start + count);
  if (code === ASCII) return text.toString("latin1");
  if (code !== UNICODE || text.length % 2 !== 0) return undefined;
  return (isBig ? Buffer.from(text).swap16() : text).toString("utf16le");
}

interface Entry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  /** The value, or where it lies. */
  readonly value: number;
}

/** A folder of one entry, and no folder behind it. */
function writeFolder(bytes: Buffer, offset: number, { tag, type, count, value }: Entry): void {
  bytes.writeUInt16BE(1, offset);
  bytes.writeUInt16BE(tag, offset + 2);
  bytes.writeUInt16BE(type, offset + 4);
  bytes.writeUInt32BE(count, offset + 6);
  bytes.writeUInt32BE(value, offset + 10);
}

function findEntry(
  bytes: Buffer,
  folder: number,
  tag: number,
  isBig: boolean,
): Omit<Entry, "tag" | "type"> | undefined {
  if (folder + 2 > bytes.length) return undefined;
  const count = readUint(bytes, folder, 2, isBig);
  for (let i = 0; i < count; i++) {
    const entry = folder + 2 + i * ENTRY_BYTES;
    if (entry + ENTRY_BYTES > bytes.length) return undefined;
    if (readUint(bytes, entry, 2, isBig) !== tag) continue;
    return { count: readUint(bytes, entry + 4, 4, isBig), value: readUint(bytes, entry + 8, 4, isBig) };
  }
  return undefined;
}

function readUint(bytes: Buffer, offset: number, length: 2 | 4, isBig: boolean): number {
  return isBig ? bytes.readUIntBE(offset, length) : bytes.readUIntLE(offset, length);
}
