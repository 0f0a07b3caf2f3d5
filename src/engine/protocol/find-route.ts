/** What a route does. */
export type Action =
  | { readonly of: "server"; readonly name: "alive" | "models" | "metadata" | "live" | "ready" }
  | { readonly of: "model"; readonly name: "ready" | "progress" | "predict" | "metadata" | "versions" | "infer" };

export type Route =
  | { readonly kind: "server"; readonly action: Extract<Action, { readonly of: "server" }>["name"] }
  | {
      readonly kind: "model";
      readonly model: string;
      readonly action: Extract<Action, { readonly of: "model" }>["name"];
    }
  | { readonly kind: "wrong_method"; readonly allowed: "GET" | "POST" }
  | { readonly kind: "unknown" };

/** Every address of the engine; `M` is the name of the model. */
const ROUTES: readonly (readonly [pattern: RegExp, method: "GET" | "POST", action: Action])[] = [
  [/^\/$/, "GET", { of: "server", name: "alive" }],
  [/^\/v1\/models$/, "GET", { of: "server", name: "models" }],
  [/^\/v1\/models\/(?<model>[^/:]+)$/, "GET", { of: "model", name: "ready" }],
  [/^\/v1\/models\/(?<model>[^/:]+)\/progress$/, "GET", { of: "model", name: "progress" }],
  [/^\/v1\/models\/(?<model>[^/:]+):predict$/, "POST", { of: "model", name: "predict" }],
  [/^\/v2$/, "GET", { of: "server", name: "metadata" }],
  [/^\/v2\/health\/live$/, "GET", { of: "server", name: "live" }],
  [/^\/v2\/health\/ready$/, "GET", { of: "server", name: "ready" }],
  [/^\/v2\/models$/, "GET", { of: "server", name: "models" }],
  [/^\/v2\/models\/(?<model>[^/]+)$/, "GET", { of: "model", name: "metadata" }],
  [/^\/v2\/models\/(?<model>[^/]+)\/ready$/, "GET", { of: "model", name: "ready" }],
  [/^\/v2\/models\/(?<model>[^/]+)\/infer$/, "POST", { of: "model", name: "infer" }],
  [/^\/v2\/models\/(?<model>[^/]+)\/versions\/[^/]+(?:\/ready)?$/, "GET", { of: "model", name: "versions" }],
  [/^\/v2\/models\/(?<model>[^/]+)\/versions\/[^/]+\/infer$/, "POST", { of: "model", name: "versions" }],
];

export function findRoute(method: string, pathname: string): Route {
  let path: string;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    return { kind: "unknown" };
  }
  for (const [pattern, allowed, action] of ROUTES) {
    const match = pattern.exec(path);
    if (match === null) continue;
    if (method !== allowed) return { kind: "wrong_method", allowed };
    if (action.of === "server") return { kind: "server", action: action.name };
    return { kind: "model", model: match.groups?.["model"] ?? "", action: action.name };
  }
  return { kind: "unknown" };
}
