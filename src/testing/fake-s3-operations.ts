import { createHash } from "node:crypto";

/** What S3 keeps of one object. */
export interface FakeS3Object {
  readonly body: Buffer;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly modifiedAtMs: number;
}

/** The objects of one bucket by key. */
export type FakeS3Bucket = Map<string, FakeS3Object>;

export type FakeS3Operation =
  | "PutObject"
  | "CopyObject"
  | "GetObject"
  | "HeadObject"
  | "DeleteObject"
  | "DeleteObjects"
  | "ListObjectsV2"
  | "HeadBucket"
  | "GetBucketVersioning"
  | "GetBucketLifecycleConfiguration"
  | "PutBucketLifecycleConfiguration"
  | "CreateBucket";

/** One request, after its body was read. */
export interface FakeS3Request {
  readonly operation: FakeS3Operation;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface FakeS3Response {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

export interface FakeS3State {
  readonly buckets: Map<string, FakeS3Bucket>;
  /** Keys that DeleteObjects may not delete. */
  readonly protectedKeys: Set<string>;
  readonly nowMs: () => number;
  /** False: `If-None-Match` and `If-Match` on a PUT are answered 501, as by OpenStack Swift. */
  readonly supportsConditionalWrites: boolean;
  /** True: DeleteObjects without Content-MD5 is answered 400, as by OpenStack Swift. */
  readonly requiresContentMd5: boolean;
  readonly isVersioned: boolean;
  /** The documents of the rules by bucket. */
  readonly lifecycles: Map<string, string>;
}

const METADATA_HEADER = "x-amz-meta-";
/** Bytes of names and values, as on AWS. */
const MAX_METADATA_BYTES = 2048;
const MAX_KEYS = 1000;

export function answer(request: FakeS3Request, state: FakeS3State): FakeS3Response {
  if (request.operation === "CreateBucket") {
    state.buckets.set(request.bucket, state.buckets.get(request.bucket) ?? new Map());
    return { status: 200 };
  }
  const bucket = state.buckets.get(request.bucket);
  if (bucket === undefined) return toErrorResponse(404, "NoSuchBucket");
  switch (request.operation) {
    case "GetBucketVersioning":
      return toXml(
        200,
        `<VersioningConfiguration>${state.isVersioned ? "<Status>Enabled</Status>" : ""}</VersioningConfiguration>`,
      );
    case "GetBucketLifecycleConfiguration": {
      const rules = state.lifecycles.get(request.bucket);
      return rules === undefined ? toErrorResponse(404, "NoSuchLifecycleConfiguration") : toXml(200, rules);
    }
    case "PutBucketLifecycleConfiguration":
      if (request.headers["content-md5"] === undefined) return toErrorResponse(400, "InvalidRequest");
      state.lifecycles.set(request.bucket, request.body.toString().replace(/^<\?xml[^>]*>/, ""));
      return { status: 200 };
    case "HeadBucket":
      return { status: 200 };
    case "PutObject":
      return putObject(request, bucket, state);
    case "CopyObject":
      return copyObject(request, bucket, state);
    case "GetObject":
    case "HeadObject":
      return getObject(request, bucket);
    case "DeleteObject":
      bucket.delete(request.key);
      return { status: 204 };
    case "DeleteObjects":
      return deleteObjects(request, bucket, state);
    case "ListObjectsV2":
      return listObjects(request, bucket);
  }
}

/** As on AWS, the words about wrong keys repeat the key. */
export function toErrorResponse(status: number, code: string, accessKeyId = ""): FakeS3Response {
  const key = `<AWSAccessKeyId>${accessKeyId}</AWSAccessKeyId>`;
  const message = `<Message>${`${code} ${accessKeyId}`.trim()}</Message>`;
  return toXml(status, `<Error><Code>${code}</Code>${message}${key}<RequestId>1</RequestId></Error>`);
}

function putObject(request: FakeS3Request, bucket: FakeS3Bucket, state: FakeS3State): FakeS3Response {
  const { headers, key, body } = request;
  if (headers["if-none-match"] !== undefined) {
    if (!state.supportsConditionalWrites) return toErrorResponse(501, "NotImplemented");
    if (bucket.has(key)) return toErrorResponse(412, "PreconditionFailed");
  }
  if (headers["if-match"] !== undefined) {
    if (!state.supportsConditionalWrites) return toErrorResponse(501, "NotImplemented");
    const object = bucket.get(key);
    if (object === undefined) return toErrorResponse(404, "NoSuchKey");
    if (toEtag(object.body) !== headers["if-match"]) return toErrorResponse(412, "PreconditionFailed");
  }
  if (headers["content-encoding"]?.includes("aws-chunked") === true) return toErrorResponse(501, "NotImplemented");
  const metadata: Record<string, string> = {};
  for (const [name, value = ""] of Object.entries(headers)) {
    if (name.startsWith(METADATA_HEADER)) metadata[name.slice(METADATA_HEADER.length)] = value;
  }
  if (Object.entries(metadata).flat().join("").length > MAX_METADATA_BYTES) {
    return toErrorResponse(400, "MetadataTooLarge");
  }
  const contentType = headers["content-type"] ?? "binary/octet-stream";
  bucket.set(key, { body, contentType, metadata, modifiedAtMs: state.nowMs() });
  return { status: 200, headers: { etag: toEtag(body) } };
}

/** Within one bucket. */
function copyObject(request: FakeS3Request, bucket: FakeS3Bucket, state: FakeS3State): FakeS3Response {
  const source = decodeURIComponent(request.headers["x-amz-copy-source"] ?? "").replace(/^\/?[^/]+\//, "");
  const object = bucket.get(source);
  if (object === undefined) return toErrorResponse(404, "NoSuchKey");
  bucket.set(request.key, { ...object, modifiedAtMs: state.nowMs() });
  return toXml(200, `<CopyObjectResult><ETag>${toXmlText(toEtag(object.body))}</ETag></CopyObjectResult>`);
}

function getObject(request: FakeS3Request, bucket: FakeS3Bucket): FakeS3Response {
  const object = bucket.get(request.key);
  if (object === undefined) return toErrorResponse(404, "NoSuchKey");
  const { body, contentType, metadata, modifiedAtMs } = object;
  const headers = Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [`${METADATA_HEADER}${name}`, value]),
  );
  const lastModified = new Date(modifiedAtMs).toUTCString();
  const facts = { "content-type": contentType, etag: toEtag(body), "last-modified": lastModified };
  const [, first] = /^bytes=(\d+)-$/.exec(request.headers["range"] ?? "") ?? [];
  if (first === undefined) {
    return { status: 200, headers: { ...headers, ...facts, "content-length": String(body.length) }, body };
  }
  if (Number(first) >= body.length) return toErrorResponse(416, "InvalidRange");
  const part = body.subarray(Number(first));
  const range = `bytes ${first}-${body.length - 1}/${body.length}`;
  const partHeaders = { "content-range": range, "content-length": String(part.length) };
  return { status: 206, headers: { ...headers, ...facts, ...partHeaders }, body: part };
}

function deleteObjects(request: FakeS3Request, bucket: FakeS3Bucket, state: FakeS3State): FakeS3Response {
  const { headers, body } = request;
  const md5 = headers["content-md5"];
  const hasChecksum = Object.keys(headers).some((name) => name.startsWith("x-amz-checksum-"));
  if (md5 === undefined && (state.requiresContentMd5 || !hasChecksum)) return toErrorResponse(400, "InvalidRequest");
  if (md5 !== undefined && md5 !== createHash("md5").update(body).digest("base64")) {
    return toErrorResponse(400, "BadDigest");
  }
  const keys = Array.from(body.toString().matchAll(/<Key>([^<]*)<\/Key>/g), ([, key = ""]) => fromXmlText(key));
  if (keys.length === 0 || keys.length > MAX_KEYS) return toErrorResponse(400, "MalformedXML");
  const errors: string[] = [];
  for (const key of keys) {
    if (state.protectedKeys.has(key))
      errors.push(`<Error><Key>${toXmlText(key)}</Key><Code>AccessDenied</Code></Error>`);
    else bucket.delete(key);
  }
  return toXml(200, `<DeleteResult>${errors.join("")}</DeleteResult>`);
}

function listObjects(request: FakeS3Request, bucket: FakeS3Bucket): FakeS3Response {
  const { query } = request;
  const prefix = query.get("prefix") ?? "";
  const startAfter = query.get("continuation-token") ?? query.get("start-after") ?? "";
  const limit = Math.min(MAX_KEYS, Number(query.get("max-keys") ?? MAX_KEYS));
  const keys = [...bucket.keys()]
    .filter((key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(startAfter)) > 0)
    .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  const { entries, isTruncated } = toListing(keys, prefix, query.get("delimiter") ?? "", limit);
  const page = entries.filter((entry) => bucket.has(entry));
  const encode = query.get("encoding-type") === "url" ? encodeURIComponent : toXmlText;
  const contents = page.map((key) => {
    const object = bucket.get(key);
    const modified = new Date(object?.modifiedAtMs ?? 0).toISOString();
    return `<Contents><Key>${encode(key)}</Key><LastModified>${modified}</LastModified><Size>${object?.body.length ?? 0}</Size></Contents>`;
  });
  const folders = entries
    .filter((entry) => !bucket.has(entry))
    .map((entry) => `<CommonPrefixes><Prefix>${encode(entry)}</Prefix></CommonPrefixes>`);
  const next = isTruncated ? `<NextContinuationToken>${encode(entries.at(-1) ?? "")}</NextContinuationToken>` : "";
  const head = `<KeyCount>${entries.length}</KeyCount><IsTruncated>${String(isTruncated)}</IsTruncated>${next}`;
  return toXml(200, `<ListBucketResult>${head}${contents.join("")}${folders.join("")}</ListBucketResult>`);
}

/** Keys, and in place of those that share a beginning up to the delimiter, that beginning. */
function toListing(
  keys: readonly string[],
  prefix: string,
  delimiter: string,
  limit: number,
): { readonly entries: readonly string[]; readonly isTruncated: boolean } {
  const entries: string[] = [];
  for (const key of keys) {
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const entry = end === -1 ? key : key.slice(0, end + delimiter.length);
    if (entry === entries.at(-1)) continue;
    if (entries.length === limit) return { entries, isTruncated: true };
    entries.push(entry);
  }
  return { entries, isTruncated: false };
}

function toEtag(body: Buffer): string {
  return `"${createHash("md5").update(body).digest("hex")}"`;
}

function toXml(status: number, text: string): FakeS3Response {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n${text}`;
  return { status, headers: { "content-type": "application/xml" }, body };
}

function toXmlText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function fromXmlText(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
}
