import type { LoadedS3 } from "./s3-client.ts";
import { toS3Failure } from "./s3-errors.ts";
import { mapConcurrently } from "./map-concurrently.ts";

const CONCURRENCY = 8;
/** Not allowed, or not known. */
const REFUSED = new Set([403, 405, 501]);

/**
 * Deletes many objects of a bucket in one request, or one by one where a store refuses the former: some do not know it,
 * and Ceph wants the right to it on the bucket, where the right to delete is one on the objects.
 */
export class S3Deletions {
  readonly #bucket: string;
  #isOneByOne = false;

  constructor(bucket: string) {
    this.#bucket = bucket;
  }

  /** Gives the keys that could not be deleted, with the reason. */
  async delete(s3: LoadedS3, keys: readonly string[], abortSignal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    if (this.#isOneByOne) return this.#deleteEach(s3, keys, abortSignal);
    try {
      const command = new s3.sdk.DeleteObjectsCommand({
        Bucket: this.#bucket,
        Delete: { Objects: keys.map((key) => ({ Key: key })), Quiet: true },
      });
      const { Errors = [] } = await s3.client.send(command, { abortSignal });
      return new Map(Errors.map(({ Key: key = "", Code: reason = "Unknown" }) => [key, reason]));
    } catch (error) {
      const [first, ...others] = keys;
      if (first === undefined || !REFUSED.has(toS3Failure(error).status ?? 0)) throw error;
      // Whoever may not delete this one may delete none, and the batch is not to blame.
      if ((await this.#deleteEach(s3, [first], abortSignal)).size > 0) throw error;
      this.#isOneByOne = true;
      return this.#deleteEach(s3, others, abortSignal);
    }
  }

  async #deleteEach(
    { sdk, client }: LoadedS3,
    keys: readonly string[],
    abortSignal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const failed = new Map<string, string>();
    await mapConcurrently(keys, CONCURRENCY, async (key) => {
      try {
        await client.send(new sdk.DeleteObjectCommand({ Bucket: this.#bucket, Key: key }), { abortSignal });
      } catch (error) {
        abortSignal.throwIfAborted();
        failed.set(key, toS3Failure(error).name);
      }
    });
    return failed;
  }
}
