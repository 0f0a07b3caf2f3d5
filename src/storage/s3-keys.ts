import { encodeTime, ID_ALPHABET, parseImageId, type ImageId } from "../core/image-id.ts";

/**
 * Keys are `{prefix}{complement of the time characters}-{id}`: S3 lists keys in ascending order only, and the
 * complement turns that into newest first. So one plain listing gives the newest pictures, and one that starts behind
 * a time gives exactly the expired ones. A long record lies beside its picture under `{key}.{token}.json`.
 */
const ID_PREFIX = "img_";
const TIME_CHARACTERS = encodeTime(0).length;
const LAST_TIME_MS = 2 ** 48 - 1;
const KEY_PATTERN = /^([0-9a-hjkmnp-tv-z]{10})-(?:(img_[0-9a-z]{26})(?:\.[0-9a-f]{16}\.json)?|probe-[0-9a-f]{16})$/;

/** A picture, its long record, or the short-lived object of a health check. */
export type ParsedKey =
  | { readonly kind: "image" | "record"; readonly id: ImageId; readonly createdAtMs: number }
  | { readonly kind: "probe"; readonly createdAtMs: number };

/** The keys under one prefix of a bucket. */
export class S3Keys {
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  toImageKey(id: ImageId): string {
    return `${this.prefix}${complement(timeOf(id))}-${id}`;
  }

  /** Each save has a token of its own, so that two saves of one id do not mix their records. */
  toRecordKey(id: ImageId, token: string): string {
    return `${this.toImageKey(id)}.${token}.json`;
  }

  /** Has a time, so that cleanup takes what a crash left. */
  toProbeKey(nowMs: number, token: string): string {
    return `${this.prefix}${complement(encodeTime(nowMs))}-probe-${token}`;
  }

  /** The prefix that the keys of all ids with this prefix have. */
  toKeyPrefix(idPrefix: string): string {
    if (ID_PREFIX.startsWith(idPrefix)) return this.prefix;
    const time = timeOf(idPrefix);
    return `${this.prefix}${complement(time)}${time.length < TIME_CHARACTERS ? "" : `-${idPrefix}`}`;
  }

  /** A listing that starts behind this gives the keys of images created before `timeMs`. */
  toKeyBefore(timeMs: number): string {
    const lastMs = Math.min(LAST_TIME_MS, Math.ceil(timeMs) - 1);
    return `${this.prefix}${complement(encodeTime(lastMs))}`;
  }

  /** A listing that starts behind this gives every picture, but not what is kept in a folder beside them. */
  get beforeAll(): string {
    return `${this.prefix}${complement(encodeTime(LAST_TIME_MS).charAt(0))}`;
  }

  /** What the keys of all pictures of our millennium begin with: until the year 3084 the first digit of the time is 0. */
  get expiringPrefix(): string {
    return `${this.prefix}${complement("0")}`;
  }

  /** `undefined` for a key that is not ours. */
  parse(key: string): ParsedKey | undefined {
    if (!key.startsWith(this.prefix)) return undefined;
    const match = KEY_PATTERN.exec(key.slice(this.prefix.length));
    const [, complemented, idText] = match ?? [];
    if (complemented === undefined) return undefined;
    const time = complement(complemented);
    if (idText === undefined) {
      const probe = parseImageId(`${ID_PREFIX}${time}${"0".repeat(16)}`);
      return probe?.kind === "current" ? { kind: "probe", createdAtMs: probe.createdAtMs } : undefined;
    }
    const image = parseImageId(idText);
    if (image?.kind !== "current" || timeOf(idText) !== time) return undefined;
    return { kind: key.endsWith(".json") ? "record" : "image", id: image.id, createdAtMs: image.createdAtMs };
  }
}

function timeOf(id: string): string {
  return id.slice(ID_PREFIX.length, ID_PREFIX.length + TIME_CHARACTERS);
}

function complement(characters: string): string {
  return Array.from(characters, (character) => ID_ALPHABET.charAt(31 - ID_ALPHABET.indexOf(character))).join("");
}
