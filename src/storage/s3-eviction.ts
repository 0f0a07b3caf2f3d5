import { type BucketCall, type S3Bucket } from "./s3-bucket.ts";
import { MAX_KEYS } from "./s3-key-batches.ts";
import type { S3Keys } from "./s3-keys.ts";
import type { S3Usage } from "./s3-usage.ts";
import type { Evicted } from "./storage-quota.ts";

interface SizedKey {
  readonly key: string;
  readonly size: number;
}

/** Deletes the oldest objects that are not kept until so many bytes are free. Keys list newest first: it takes the end. */
export async function evictOldestObjects(
  bucket: S3Bucket,
  keys: S3Keys,
  usage: S3Usage,
  wantedBytes: number,
  signal: AbortSignal | undefined,
): Promise<Evicted> {
  const call: BucketCall = { operation: "storage_delete_failed", message: "Cannot make room", signal };
  let [images, bytes] = [0, 0];
  for (;;) {
    const slotEndMs = usage.oldestSlotEndMs;
    if (slotEndMs === undefined || bytes >= wantedBytes) return { images, bytes };
    const oldest = await listOldest(bucket, keys, slotEndMs, call);
    const chosen = chooseFromEnd(oldest, keys, wantedBytes - bytes);
    const failed =
      chosen.length === 0
        ? new Map<string, string>()
        : await bucket.deleteAll(
            chosen.map(({ key }) => key),
            call,
          );
    for (const { key, size } of chosen) {
      const parsed = keys.parse(key);
      if (parsed === undefined || failed.has(key)) continue;
      const isImage = parsed.kind === "image" ? 1 : 0;
      images += isImage;
      bytes += size;
      usage.subtract(parsed.createdAtMs, size, isImage);
    }
    if (failed.size > 0) return { images, bytes };
    if (chosen.length === oldest.length && oldest.length < MAX_KEYS) usage.dropSlotBefore(slotEndMs);
  }
}

/** Whole pictures: a long record, which lies behind its picture, goes with it. */
function chooseFromEnd(oldest: readonly SizedKey[], keys: S3Keys, wantedBytes: number): SizedKey[] {
  const chosen: SizedKey[] = [];
  let bytes = 0;
  for (const object of oldest.toReversed()) {
    chosen.push(object);
    bytes += object.size;
    if (bytes >= wantedBytes && keys.parse(object.key)?.kind === "image") break;
  }
  return chosen;
}

/** At most `MAX_KEYS`, the last of the listing. */
async function listOldest(bucket: S3Bucket, keys: S3Keys, endMs: number, call: BucketCall): Promise<SizedKey[]> {
  let startAfter = keys.toKeyBefore(endMs);
  let oldest: SizedKey[] = [];
  for (;;) {
    const page = await bucket.list({ prefix: keys.prefix, startAfter, limit: MAX_KEYS, delimiter: "/" }, call);
    const ours = page.keys.flatMap((key, index) => {
      const kind = keys.parse(key)?.kind;
      return kind === undefined || kind === "probe" ? [] : [{ key, size: page.sizes[index] ?? 0 }];
    });
    oldest = [...oldest, ...ours].slice(-MAX_KEYS);
    if (!page.isTruncated) return oldest;
    startAfter = page.end ?? startAfter;
  }
}
