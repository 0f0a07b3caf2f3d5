import { registerHooks } from "node:module";

const entry = new URL("../../src/index.ts", import.meta.url).href;

/** Lets examples import this package by its name, though nothing is built: `node --import` loads this first. */
registerHooks({
  resolve: (specifier, context, nextResolve) =>
    specifier === "mcp-image-server" ? { url: entry, shortCircuit: true } : nextResolve(specifier, context),
});
