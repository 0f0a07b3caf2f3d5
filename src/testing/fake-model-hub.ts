import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** What the hub does wrong with a file, until the list is empty. */
export type HubFault =
  /** Sends this many bytes, then nothing until `breakOff()` breaks the connection. */
  | { readonly kind: "cut"; readonly bytes: number }
  | { readonly kind: "status"; readonly status: number }
  /** Sends content of the right length that is not the file's. */
  | { readonly kind: "damage" }
  /** Sends the whole file although a part was asked for. */
  | { readonly kind: "ignore_range" };

export interface HubRequest {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** A hub with one repository, `owner/name`, whose large files lie at another host. */
export class FakeModelHub implements AsyncDisposable {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly requests: HubRequest[] = [];
  /** By path. */
  readonly faults = new Map<string, HubFault[]>();
  /** Where files are redirected to; `undefined`: they come from the hub itself. */
  storeUrl: string | undefined;
  readonly #stalled = new Set<ServerResponse>();
  readonly #server = createServer((request, response) => this.#answer(request, response));
  #url = "";

  constructor(files: Readonly<Record<string, Buffer | string>>) {
    this.files = new Map(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]));
  }

  get url(): string {
    return this.#url;
  }

  async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    this.#url = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
    return this;
  }

  /** Breaks the connections of files that are cut off. */
  breakOff(): void {
    for (const response of this.#stalled) response.destroy();
    this.#stalled.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close").catch(() => undefined);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? "/", this.#url);
    const { range, authorization } = request.headers;
    this.requests.push({ path: pathname, range, authorization });
    if (pathname === "/api/models/owner/name/tree/main") {
      response.end(JSON.stringify([...this.files].map(([path, content]) => toEntry(path, content))));
      return;
    }
    const [, path = ""] = /^\/owner\/name\/resolve\/main\/(.+)$/.exec(pathname) ?? [];
    const content = this.files.get(path);
    if (content === undefined) response.writeHead(404).end();
    else if (this.storeUrl !== undefined) response.writeHead(302, { location: this.storeUrl + pathname }).end();
    else this.#send(response, content, range, this.faults.get(path)?.shift());
  }

  #send(response: ServerResponse, content: Buffer, range: string | undefined, fault: HubFault | undefined): void {
    if (fault?.kind === "status") {
      response.writeHead(fault.status).end();
      return;
    }
    const from = fault?.kind === "ignore_range" ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const body = fault?.kind === "damage" ? Buffer.alloc(content.length - from, 1) : content.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      "content-length": body.length,
      ...(from > 0 && { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` }),
    });
    if (fault?.kind !== "cut") {
      response.end(body);
      return;
    }
    this.#stalled.add(response);
    response.write(body.subarray(0, fault.bytes));
  }
}

/** Large files have a SHA-256, small ones git's own name. */
function toEntry(path: string, content: Buffer): object {
  const sha1 = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
  const sha256 = createHash("sha256").update(content).digest("hex");
  const lfs = path.endsWith(".onnx") ? { lfs: { oid: sha256, size: content.length } } : {};
  return { type: "file", path, size: content.length, oid: sha1, ...lfs };
}
