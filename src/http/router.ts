import { listRoutes, type RouteName } from "./route-table.ts";

/** The routes of one path, by method. */
export interface MatchedPath {
  readonly routes: ReadonlyMap<string, RouteName>;
  /** The segment that stands for the id, still encoded. */
  readonly imageId: string;
  /** For the Allow header. */
  readonly methods: readonly string[];
}

interface PathRoutes {
  readonly routes: Map<string, RouteName>;
  readonly methods: string[];
}

const IMAGE_PATH = /^\/images\/([^/]+)(\/metadata)?$/;

/** Finds the routes of a path. One slash at the end makes no difference. */
export class Router {
  readonly #paths = new Map<string, PathRoutes>();

  constructor() {
    for (const { name, method, path } of listRoutes()) {
      const key = trimSlash(path);
      const entry: PathRoutes = this.#paths.get(key) ?? { routes: new Map(), methods: [] };
      entry.routes.set(method, name);
      entry.methods.push(method);
      const hasHead = method === "GET" && path !== "/mcp";
      if (hasHead) {
        entry.routes.set("HEAD", name);
        entry.methods.push("HEAD");
      }
      this.#paths.set(key, entry);
    }
    for (const { methods } of this.#paths.values()) methods.push("OPTIONS");
  }

  match(path: string): MatchedPath | undefined {
    const trimmed = trimSlash(path);
    const direct = trimmed.includes("{") ? undefined : this.#paths.get(trimmed);
    if (direct !== undefined) return { ...direct, imageId: "" };
    const [, imageId = "", tail = ""] = IMAGE_PATH.exec(trimmed) ?? [];
    const entry = imageId === "" ? undefined : this.#paths.get(`/images/{image_id}${tail}`);
    return entry && { ...entry, imageId };
  }
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
