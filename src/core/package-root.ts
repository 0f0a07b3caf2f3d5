import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigurationError } from "./errors.ts";

/** The nearest folder above this file that has a `package.json`: the same from the source and from a bundle. */
export function findPackageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new ConfigurationError("configuration_invalid", "Cannot find the package's own folder");
    folder = parent;
  }
  return folder;
}
