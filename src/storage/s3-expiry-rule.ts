import type { S3Keys } from "./s3-keys.ts";

/** A rule of a bucket, in the form of the API. */
export interface ExpiryRule {
  readonly ID: string;
  readonly Status: "Enabled";
  readonly Filter: { readonly Prefix: string };
  readonly Expiration: { readonly Days: number };
}

/** What was done to the rules of a bucket. */
export type LifecycleChange = "added" | "changed" | "unchanged";

const SECONDS_PER_DAY = 24 * 60 * 60;

/**
 * The rule by which the store itself deletes what no server cleans up any more. It counts in whole days from midnight,
 * so it is a safety net behind the time to live, never before it. Kept pictures lie under another beginning of keys.
 */
export function toExpiryRule(keys: S3Keys, ttlSeconds: number): ExpiryRule {
  return {
    ID: `mcp-image-server ${keys.prefix}`.trim(),
    Status: "Enabled",
    Filter: { Prefix: keys.expiringPrefix },
    Expiration: { Days: Math.ceil(ttlSeconds / SECONDS_PER_DAY) + 1 },
  };
}
