// A package in CommonJS that is imported as a whole on first use would lose its names in a bundle.
export { createClient } from "@redis/client";
