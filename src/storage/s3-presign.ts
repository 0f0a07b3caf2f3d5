import { createHash, createHmac } from "node:crypto";

/** What a client's own GET needs to be signed with. */
export interface PresignCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface PresignOptions {
  /** The address of the object, without a query. */
  readonly url: URL;
  readonly region: string;
  readonly credentials: PresignCredentials;
  readonly nowMs: number;
  /** 1 to 604,800. */
  readonly expiresSeconds: number;
  /** Further parameters, such as `response-cache-control`. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** The address of the object for a GET without further credentials: Signature Version 4 in the query. */
export function presignS3Get(options: PresignOptions): string {
  const { url, region, credentials, nowMs, expiresSeconds, parameters = {} } = options;
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/s3/aws4_request`;
  const query = Object.entries({
    ...parameters,
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": `${credentials.accessKeyId}/${scope}`,
    "X-Amz-Date": time,
    "X-Amz-Expires": String(expiresSeconds),
    "X-Amz-SignedHeaders": "host",
    ...(credentials.sessionToken !== undefined && { "X-Amz-Security-Token": credentials.sessionToken }),
  })
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join("&");
  const request = ["GET", url.pathname, query, `host:${url.host}`, "", "host", "UNSIGNED-PAYLOAD"].join("\n");
  const hashed = createHash("sha256").update(request).digest("hex");
  const text = ["AWS4-HMAC-SHA256", time, scope, hashed].join("\n");
  const key = [day, region, "s3", "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`);
  return `${url.origin}${url.pathname}?${query}&X-Amz-Signature=${hmac(key, text).toString("hex")}`;
}

export interface ObjectAddress {
  readonly bucket: string;
  readonly key: string;
  readonly region: string;
  /** Of a server other than AWS; its objects are addressed by path. */
  readonly endpointUrl: string | undefined;
}

/** Where clients find an object. */
export function toObjectUrl({ bucket, key, region, endpointUrl }: ObjectAddress): URL {
  const path = key.split("/").map(encode).join("/");
  if (endpointUrl !== undefined) return new URL(`${endpointUrl.replace(/\/+$/, "")}/${bucket}/${path}`);
  const host = `s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
  // The certificate of AWS names one label before the host.
  return new URL(bucket.includes(".") ? `https://${host}/${bucket}/${path}` : `https://${bucket}.${host}/${path}`);
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/** As RFC 3986 says, which is stricter than `encodeURIComponent`. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}
