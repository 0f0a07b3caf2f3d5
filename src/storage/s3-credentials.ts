import { ConfigurationError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  /** Belongs to temporary keys. */
  readonly sessionToken: Secret | undefined;
}

/** Keys as a caller of the storage gives them. */
export interface GivenCredentials {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: Secret | string;
  readonly sessionToken?: Secret | string;
}

/** The keys with their secrets wrapped; `undefined` where none were given, for the default credential chain. */
export function toCredentials({
  accessKeyId,
  secretAccessKey,
  sessionToken,
}: GivenCredentials): S3Credentials | undefined {
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const message = "Cannot use S3: an access key id and a secret access key belong together";
    throw new ConfigurationError("configuration_invalid", message);
  }
  return {
    accessKeyId,
    secretAccessKey: toSecret(secretAccessKey),
    sessionToken: sessionToken === undefined ? undefined : toSecret(sessionToken),
  };
}

function toSecret(text: Secret | string): Secret {
  return typeof text === "string" ? new Secret(text) : text;
}
