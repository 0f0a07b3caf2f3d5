import type { Plugin } from "esbuild";

/** zod exports the error messages of fifty languages; nobody asks for any but the one that it sets by itself. */
const englishOnly: Plugin = {
  name: "english-only",
  setup(bundle) {
    bundle.onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: "js",
    }));
  },
};

/** Modules of Node that take long to load; `node:http` alone loads the whole web platform, as an import reads every export. */
const SLOW_BUILTINS =
  /^(?:node:)?(?:assert|child_process|cluster|crypto|dns\/promises|fs\/promises|https?|os|perf_hooks|readline|timers\/promises|tls|v8|worker_threads|zlib)$/;

/** Each of those is loaded when something of it is first used. */
const builtinsOnUse: Plugin = {
  name: "builtins-on-use",
  setup(bundle) {
    bundle.onResolve({ filter: SLOW_BUILTINS }, ({ path, kind }) =>
      kind === "dynamic-import" ? { path, external: true } : { path, namespace: "builtin" },
    );
    bundle.onLoad({ filter: /./, namespace: "builtin" }, ({ path }) => ({
      contents: `
        const load = () => process.getBuiltinModule(${JSON.stringify(path)});
        for (const name of ${JSON.stringify(Object.keys(process.getBuiltinModule(path) ?? {}))})
          Object.defineProperty(exports, name, { enumerable: true, get: () => load()[name] });`,
      loader: "js",
    }));
  },
};

/** The SDK brings a validator of JSON Schema, a sixth of all the code at a start, for questions to users; we have none. */
const noValidator: Plugin = {
  name: "no-validator",
  setup(bundle) {
    bundle.onLoad({ filter: /@modelcontextprotocol[\\/]server[\\/]dist[\\/]ajvProvider-/ }, () => ({
      contents: `
        class NoValidator {
          getValidator() {
            throw new Error("There is no validator of JSON Schema in this bundle");
          }
        }
        export { NoValidator as n };`,
      loader: "js",
    }));
  },
};

/** pino can write through a thread, which it is never asked to do: lines are written where they are made. */
const noLogThread: Plugin = {
  name: "no-log-thread",
  setup(bundle) {
    bundle.onLoad({ filter: /[\\/]node_modules[\\/]thread-stream[\\/]index\.js$/ }, () => ({
      contents: "module.exports = undefined;",
      loader: "js",
    }));
  },
};

/** Spare the command what it does not need, or not at once. */
export const START_UP_PLUGINS: readonly Plugin[] = [englishOnly, builtinsOnUse, noValidator, noLogThread];
