import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { systemClock, type Clock } from "../core/clock.ts";
import {
  answer,
  toErrorResponse,
  type FakeS3Bucket,
  type FakeS3Operation,
  type FakeS3Request,
  type FakeS3Response,
  type FakeS3State,
} from "./fake-s3-operations.ts";

/** What goes wrong with a request. */
export type FakeS3Fault =
  /** An error of S3, without doing anything. */
  | { readonly kind: "error"; readonly status: number; readonly code: string }
  /** Never an answer. */
  | { readonly kind: "hang" }
  /** The headers and half of the body, then nothing more. */
  | { readonly kind: "stall" }
  /** The headers and half of the body, then the connection breaks. */
  | { readonly kind: "truncate" }
  /** The connection breaks without an answer; the request was done when `isDone`. */
  | { readonly kind: "reset"; readonly isDone: boolean };

export interface FakeS3ServerOptions extends Partial<
  Pick<FakeS3State, "supportsConditionalWrites" | "requiresContentMd5" | "isVersioned">
> {
  readonly accessKeyId?: string;
  /** When it is given, every request must carry it: the key is a temporary one. */
  readonly sessionToken?: string;
  /** Made before the first request. */
  readonly buckets?: readonly string[];
  /** Of the Date header and of what is stored. */
  readonly clock?: Clock;
}

/** S3 on a free port of 127.0.0.1, in memory, addressed by path. */
export interface FakeS3Server extends AsyncDisposable {
  readonly url: string;
  readonly buckets: Map<string, FakeS3Bucket>;
  /** Keys that DeleteObjects answers with AccessDenied. */
  readonly protectedKeys: Set<string>;
  /** The operations asked for, in order; a test may empty it. */
  readonly operations: FakeS3Operation[];
  /** The next `times` (default 1) requests fail so; only those of `operation` when it is given. */
  failNext(fault: FakeS3Fault, options?: { readonly times?: number; readonly operation?: FakeS3Operation }): void;
  /** Forgets the faults that did not come to pass. */
  clearFaults(): void;
  /** Resolves when the next request has been read and is about to be answered, or not. */
  waitForOperation(): Promise<void>;
  /** Safe to call twice; breaks open connections. */
  close(): Promise<void>;
}

interface PlannedFault {
  readonly fault: FakeS3Fault;
  readonly operation: FakeS3Operation | undefined;
  left: number;
}

export const FAKE_S3_ACCESS_KEY_ID = "AKIAFAKE";
export const FAKE_S3_SECRET_ACCESS_KEY = "fake-secret-access-key";

export async function startFakeS3Server(options: FakeS3ServerOptions = {}): Promise<FakeS3Server> {
  const clock = options.clock ?? systemClock;
  const accessKeyId = options.accessKeyId ?? FAKE_S3_ACCESS_KEY_ID;
  const state: FakeS3State = {
    buckets: new Map((options.buckets ?? []).map((name) => [name, new Map()])),
    protectedKeys: new Set(),
    nowMs: () => clock.nowMs(),
    supportsConditionalWrites: options.supportsConditionalWrites ?? true,
    requiresContentMd5: options.requiresContentMd5 ?? false,
    isVersioned: options.isVersioned ?? false,
    lifecycles: new Map(),
  };
  const operations: FakeS3Operation[] = [];
  const requests = new EventEmitter();
  let faults: PlannedFault[] = [];

  const takeFault = (operation: FakeS3Operation): FakeS3Fault | undefined => {
    const planned = faults.find((each) => each.operation === undefined || each.operation === operation);
    if (planned === undefined) return undefined;
    planned.left--;
    faults = faults.filter((each) => each.left > 0);
    return planned.fault;
  };

  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    outgoing.setHeader("date", new Date(clock.nowMs()).toUTCString());
    const request = await parseRequest(incoming);
    operations.push(request.operation);
    setImmediate(() => requests.emit("request"));
    const fault = takeFault(request.operation);
    if (fault?.kind === "hang") return;
    if (fault?.kind === "error") {
      respond(outgoing, request, toErrorResponse(fault.status, fault.code));
      return;
    }
    if (fault?.kind === "reset" && !fault.isDone) {
      incoming.socket.destroy();
      return;
    }
    const { signer, sessionToken, expiresAtMs } = readSignature(incoming, request.query);
    if (expiresAtMs < clock.nowMs()) {
      respond(outgoing, request, toErrorResponse(403, "AccessDenied"));
      return;
    }
    const isKnown = signer === accessKeyId && sessionToken === options.sessionToken;
    const response = isKnown ? answer(request, state) : toErrorResponse(403, "InvalidAccessKeyId", signer);
    if (fault === undefined) respond(outgoing, request, response);
    else if (fault.kind === "reset") incoming.socket.destroy();
    else respondHalf(outgoing, response, fault.kind === "truncate");
  };

  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;

  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    buckets: state.buckets,
    protectedKeys: state.protectedKeys,
    operations,
    failNext: (fault, { times = 1, operation } = {}) => {
      faults.push({ fault, operation, left: times });
    },
    clearFaults: () => {
      faults = [];
    },
    waitForOperation: async () => {
      await once(requests, "request");
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function parseRequest(incoming: IncomingMessage): Promise<FakeS3Request> {
  const url = new URL(incoming.url ?? "/", "http://127.0.0.1");
  const [bucket = "", ...rest] = decodeURIComponent(url.pathname.slice(1)).split("/");
  const key = rest.join("/");
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]),
  );
  const operation = toOperation(incoming, key, url.searchParams);
  return { operation, bucket, key, query: url.searchParams, headers, body: await buffer(incoming) };
}

/** Who says to have signed the request, in its header or, presigned, in its query; signatures are not computed. */
function readSignature(incoming: IncomingMessage, query: URLSearchParams) {
  const header = incoming.headers["x-amz-security-token"];
  const [, signer = ""] = /^AWS4-HMAC-SHA256 Credential=([^/]+)\//.exec(incoming.headers.authorization ?? "") ?? [];
  const credential = query.get("X-Amz-Credential");
  if (credential === null) return { signer, sessionToken: header?.toString(), expiresAtMs: Infinity };
  const time = (query.get("X-Amz-Date") ?? "").replace(/^(....)(..)(..T..)(..)/, "$1-$2-$3:$4:");
  const expiresAtMs = Date.parse(time) + Number(query.get("X-Amz-Expires")) * 1000;
  return {
    signer: credential.split("/")[0] ?? "",
    sessionToken: query.get("X-Amz-Security-Token") ?? undefined,
    expiresAtMs,
  };
}

function toOperation({ method = "", headers }: IncomingMessage, key: string, query: URLSearchParams): FakeS3Operation {
  if (key === "") {
    if (method === "GET" && query.has("versioning")) return "GetBucketVersioning";
    if (method === "GET" && query.has("lifecycle")) return "GetBucketLifecycleConfiguration";
    if (method === "PUT" && query.has("lifecycle")) return "PutBucketLifecycleConfiguration";
    if (method === "POST" && query.has("delete")) return "DeleteObjects";
    if (method === "GET" && query.get("list-type") === "2") return "ListObjectsV2";
    if (method === "HEAD") return "HeadBucket";
    if (method === "PUT") return "CreateBucket";
  }
  if (method === "PUT") return headers["x-amz-copy-source"] === undefined ? "PutObject" : "CopyObject";
  if (method === "GET") return "GetObject";
  if (method === "HEAD") return "HeadObject";
  if (method === "DELETE") return "DeleteObject";
  throw new Error(`The fake S3 server does not know ${method} ${key}`);
}

function respond(outgoing: ServerResponse, request: FakeS3Request, response: FakeS3Response): void {
  outgoing.writeHead(response.status, response.headers);
  outgoing.end(request.operation === "HeadObject" || request.operation === "HeadBucket" ? undefined : response.body);
}

function respondHalf(outgoing: ServerResponse, response: FakeS3Response, breaks: boolean): void {
  const body = Buffer.from(response.body ?? "");
  outgoing.writeHead(response.status, { ...response.headers, "content-length": body.length });
  outgoing.write(body.subarray(0, body.length / 2), () => {
    if (breaks) outgoing.destroy();
  });
}
