import type { BucketCall, S3Bucket } from "./s3-bucket.ts";
import type { S3ImageId, S3Records } from "./s3-records.ts";
import type { S3Usage } from "./s3-usage.ts";

/** A picture in one of its two places, and what it takes to work on it. */
export interface ImageObject {
  readonly bucket: S3Bucket;
  readonly records: S3Records;
  readonly counter: S3Usage;
  readonly image: S3ImageId;
  readonly call: BucketCall;
}

/**
 * Moves a picture from the other place to this one; true when it then lies there, false when it was in neither.
 * The store copies it, with its record, before the old object goes: a crash in the middle leaves both, which reads as
 * one, and any process may finish the move.
 */
export async function moveObject({ bucket, records, counter, image, call }: ImageObject): Promise<boolean> {
  const from: S3ImageId = { ...image, isKept: !image.isKept };
  const fromKey = records.keysOf(from).toImageKey(image.id);
  const toKey = records.keysOf(image).toImageKey(image.id);
  const object = await bucket.head(fromKey, call);
  if (object === undefined) return (await bucket.head(toKey, call)) !== undefined;
  const fromRecordKey = records.toSpilledKey(from, object);
  const toRecordKey = records.toSpilledKey(image, object);
  if (fromRecordKey !== undefined && toRecordKey !== undefined) await bucket.copy(fromRecordKey, toRecordKey, call);
  if (!(await bucket.copy(fromKey, toKey, call))) {
    if ((await bucket.head(toKey, call)) !== undefined) return true; // another call was faster
    if (toRecordKey !== undefined) await bucket.delete(toRecordKey, call);
    return false;
  }
  await bucket.delete(fromKey, call);
  counter.move(image, object.size);
  if (fromRecordKey !== undefined) await bucket.delete(fromRecordKey, call);
  return true;
}

/** Deletes a picture from this place, and says whether it was there. */
export async function deleteObject({ bucket, records, counter, image, call }: ImageObject): Promise<boolean> {
  const key = records.keysOf(image).toImageKey(image.id);
  const object = await bucket.head(key, call);
  if (object === undefined) return false;
  await bucket.delete(key, call);
  const recordKey = records.toSpilledKey(image, object);
  if (recordKey !== undefined) await bucket.delete(recordKey, call);
  if (!image.isKept) counter.subtract(image.createdAtMs, object.size, 1);
  return true;
}
