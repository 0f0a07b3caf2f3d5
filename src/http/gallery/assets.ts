import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { MCPImageError } from "../../core/errors.ts";
import { findPackageRoot } from "../../core/package-root.ts";
import { acceptsGzip, type Answer } from "../answer.ts";
import type { Exchange } from "../exchange.ts";

/** Everything that the pages load, by name. */
const CONTENT_TYPES = {
  "gallery.css": "text/css; charset=utf-8",
  "gallery.js": "text/javascript; charset=utf-8",
  "filters.js": "text/javascript; charset=utf-8",
  "picture.js": "text/javascript; charset=utf-8",
  "compose.js": "text/javascript; charset=utf-8",
  "jobs.js": "text/javascript; charset=utf-8",
  "shared.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
} as const satisfies Record<string, string>;

export type AssetName = keyof typeof CONTENT_TYPES;

interface Asset {
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
  readonly etag: string;
}

/** The files that the gallery's pages load; each is read once, when it is first asked for. */
export class Assets {
  readonly #folder: string;
  readonly #assets = new Map<AssetName, Asset>();

  constructor(folder: string = join(findPackageRoot(), "web", "gallery")) {
    this.#folder = folder;
  }

  /** Sends a file. A browser asks again each time, and is told in a few bytes that nothing has changed. */
  answer(name: string, { headers }: Pick<Exchange, "headers">): Answer {
    if (!isAssetName(name)) throw new MCPImageError("not_found", "No asset has this name");
    const { bytes, gzipped, etag } = this.#load(name);
    const shared = ["Cache-Control", "no-cache", "ETag", etag, "Vary", "Accept-Encoding"];
    const contentType = CONTENT_TYPES[name];
    if (headers["if-none-match"]?.includes(etag) === true) {
      return { status: 304, contentType, body: "", headers: shared };
    }
    if (!acceptsGzip(headers)) return { status: 200, contentType, body: bytes, headers: shared };
    return { status: 200, contentType, body: gzipped, headers: [...shared, "Content-Encoding", "gzip"] };
  }

  #load(name: AssetName): Asset {
    let asset = this.#assets.get(name);
    if (asset === undefined) {
      const bytes = readFileSync(join(this.#folder, name));
      const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
      asset = { bytes, gzipped: gzipSync(bytes, { level: 9 }), etag };
      this.#assets.set(name, asset);
    }
    return asset;
  }
}

function isAssetName(name: string): name is AssetName {
  return Object.hasOwn(CONTENT_TYPES, name);
}
