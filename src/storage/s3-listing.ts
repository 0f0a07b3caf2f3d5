import type { ParsedQuery } from "./find-query.ts";
import { type BucketCall, type S3Bucket } from "./s3-bucket.ts";
import { MAX_KEYS } from "./s3-key-batches.ts";
import type { S3Keys } from "./s3-keys.ts";
import type { KeySpaces, S3ImageId } from "./s3-records.ts";

/**
 * Every picture that the query means, newest first. One request lists a page, and tells beside it whether anything
 * is kept; only then is there a second. What expires is listed first: a picture that is being kept meanwhile appears
 * there before it is gone here.
 */
export async function* listKeys(
  bucket: S3Bucket,
  spaces: KeySpaces,
  query: ParsedQuery,
  call: BucketCall,
): AsyncGenerator<S3ImageId> {
  if (query.timeRange === undefined || query.cursor?.kind === "legacy") return;
  const state = { mayHaveKept: true };
  const current = listSpace(bucket, spaces.current, query, call, false, (isWhole, prefixes) => {
    if (isWhole) state.mayHaveKept = prefixes.includes(spaces.kept.prefix);
  });
  let next = await current.next();
  if (!state.mayHaveKept) {
    while (next.done !== true) {
      yield next.value;
      next = await current.next();
    }
    return;
  }
  const kept = listSpace(bucket, spaces.kept, { ...query, createdAfterMs: Number.NEGATIVE_INFINITY }, call, true);
  let nextKept = await kept.next();
  while (next.done !== true || nextKept.done !== true) {
    if (nextKept.done === true || (next.done !== true && next.value.id >= nextKept.value.id)) {
      if (next.done !== true) yield next.value;
      next = await current.next();
    } else {
      yield nextKept.value;
      nextKept = await kept.next();
    }
  }
}

/** @param onFirstPage learns whether the page began at the start of the space, and which folders lie in it */
async function* listSpace(
  bucket: S3Bucket,
  keys: S3Keys,
  query: ParsedQuery,
  call: BucketCall,
  isKept: boolean,
  onFirstPage?: (isWhole: boolean, commonPrefixes: readonly string[]) => void,
): AsyncGenerator<S3ImageId> {
  const prefix = keys.toKeyPrefix(query.prefix);
  let startAfter = query.cursor && keys.toImageKey(query.cursor.id);
  const isWhole = prefix === keys.prefix && startAfter === undefined;
  // One more tells whether there is a next page; the others may be taken by folders, such as that of what is kept.
  let limit = Math.min(MAX_KEYS, query.limit + (isKept ? 1 : 4));
  for (let isFirst = true; ; isFirst = false) {
    const page = await bucket.list(
      { prefix, limit, delimiter: "/", ...(startAfter !== undefined && { startAfter }) },
      call,
    );
    if (isFirst) onFirstPage?.(isWhole, page.commonPrefixes);
    for (const key of page.keys) {
      const parsed = keys.parse(key);
      if (parsed === undefined) continue;
      if (parsed.createdAtMs <= query.createdAfterMs) return;
      if (parsed.kind === "image") yield { kind: "current", id: parsed.id, createdAtMs: parsed.createdAtMs, isKept };
    }
    if (!page.isTruncated) return;
    startAfter = page.end ?? startAfter;
    limit = MAX_KEYS;
  }
}
