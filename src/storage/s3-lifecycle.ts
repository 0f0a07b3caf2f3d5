import type { LifecycleRule } from "@aws-sdk/client-s3";
import type { BucketCall, S3Bucket } from "./s3-bucket.ts";
import type { S3Keys } from "./s3-keys.ts";

/** What was done to the rules of a bucket. */
export type LifecycleChange = "added" | "changed" | "unchanged";

const SECONDS_PER_DAY = 24 * 60 * 60;

/**
 * The rule by which the store itself deletes what no server cleans up any more. It counts in whole days from midnight,
 * so it is a safety net behind the time to live, never before it. Kept pictures lie under another beginning of keys.
 */
export function toExpiryRule(keys: S3Keys, ttlSeconds: number): LifecycleRule {
  return {
    ID: `mcp-image-server ${keys.prefix}`.trim(),
    Status: "Enabled",
    Filter: { Prefix: keys.expiringPrefix },
    Expiration: { Days: Math.ceil(ttlSeconds / SECONDS_PER_DAY) + 1 },
  };
}

/** Puts the rule beside the others of the bucket, in the place of an earlier one of ours. */
export async function applyExpiryRule(
  bucket: S3Bucket,
  rule: LifecycleRule,
  signal: AbortSignal | undefined,
): Promise<LifecycleChange> {
  const call: BucketCall = { operation: "storage_write_failed", message: "Cannot set the lifecycle rule", signal };
  const rules = await bucket.readLifecycle(call);
  const known = rules.find(({ ID: id }) => id === rule.ID);
  if (known !== undefined && isSame(known, rule)) return "unchanged";
  await bucket.writeLifecycle([...rules.filter((each) => each !== known), rule], call);
  return known === undefined ? "added" : "changed";
}

function isSame(one: LifecycleRule, other: LifecycleRule): boolean {
  return (
    one.Status === other.Status &&
    one.Filter?.Prefix === other.Filter?.Prefix &&
    one.Expiration?.Days === other.Expiration?.Days
  );
}
