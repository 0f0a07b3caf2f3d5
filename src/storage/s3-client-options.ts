import type { S3Credentials } from "./s3-credentials.ts";

export interface S3ClientOptions {
  readonly endpointUrl: string | undefined;
  readonly regionName: string;
  /** `undefined`: the default credential chain (environment, profiles, IRSA, IMDS). */
  readonly credentials: S3Credentials | undefined;
  /** For one attempt; the SDK makes up to three. */
  readonly attemptTimeoutMs: number;
  /** Called with the storage's own time, from the Date header of each answer. */
  readonly onStorageDate: (storageMs: number) => void;
}
