import { listRoutes, type Door, type RouteName } from "./route-table.ts";

/** The routes of one path, by method. */
export interface MatchedPath {
  readonly routes: ReadonlyMap<string, RouteName>;
  /** The segment that stands for the part in braces, still encoded; empty when the path has none. */
  readonly imageId: string;
  /** For the Allow header. */
  readonly methods: readonly string[];
}

interface PathRoutes {
  readonly routes: Map<string, RouteName>;
  readonly methods: string[];
}

/** The path of a protected resource stands behind its well-known path; there is one resource, wherever it is mounted. */
const RESOURCE_METADATA = "/.well-known/oauth-protected-resource";
/** What stands around the one segment in braces. */
interface PathPattern extends PathRoutes {
  readonly start: string;
  readonly end: string;
}

const PATTERN = /^([^{]*)\{\w+\}([^{]*)$/;

/** Finds the routes of a path. One slash at the end makes no difference. */
export class Router {
  readonly #paths = new Map<string, PathRoutes>();
  readonly #patterns: readonly PathPattern[];

  constructor(doors: readonly Door[] = []) {
    for (const { name, method, path } of listRoutes(doors)) {
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
    this.#patterns = [...this.#paths].flatMap(([path, entry]) => {
      const [, start, end] = PATTERN.exec(path) ?? [];
      return start === undefined || end === undefined ? [] : [{ ...entry, start, end }];
    });
  }

  match(path: string): MatchedPath | undefined {
    const trimmed = path.startsWith(`${RESOURCE_METADATA}/`) ? RESOURCE_METADATA : trimSlash(path);
    const direct = trimmed.includes("{") ? undefined : this.#paths.get(trimmed);
    if (direct !== undefined) return { ...direct, imageId: "" };
    for (const { start, end, routes, methods } of this.#patterns) {
      if (!trimmed.startsWith(start) || !trimmed.endsWith(end)) continue;
      const imageId = trimmed.slice(start.length, trimmed.length - end.length);
      if (imageId !== "" && !imageId.includes("/")) return { routes, methods, imageId };
    }
    return undefined;
  }
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
