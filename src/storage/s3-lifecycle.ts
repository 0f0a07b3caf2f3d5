import type { LifecycleRule } from "@aws-sdk/client-s3";
import type { BucketCall, S3Bucket } from "./s3-bucket.ts";
import type { ExpiryRule, LifecycleChange } from "./s3-expiry-rule.ts";

/** Puts the rule beside the others of the bucket, in the place of an earlier one of ours. */
export async function applyExpiryRule(
  bucket: S3Bucket,
  rule: ExpiryRule,
  signal: AbortSignal | undefined,
): Promise<LifecycleChange> {
  const call: BucketCall = { operation: "storage_write_failed", message: "Cannot set the lifecycle rule", signal };
  const rules = await bucket.readLifecycle(call);
  const known = rules.find(({ ID: id }) => id === rule.ID);
  if (known !== undefined && isSame(known, rule)) return "unchanged";
  await bucket.writeLifecycle([...rules.filter((each) => each !== known), rule], call);
  return known === undefined ? "added" : "changed";
}

function isSame(one: LifecycleRule, other: ExpiryRule): boolean {
  return (
    one.Status === other.Status &&
    one.Filter?.Prefix === other.Filter?.Prefix &&
    one.Expiration?.Days === other.Expiration?.Days
  );
}
