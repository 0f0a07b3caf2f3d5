import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { createMcpbManifest } from "./mcpb-manifest.ts";
import { writeZip, type ZipEntry } from "./write-zip.ts";

/** What the bundled command reads beside itself; it needs no package. */
const CONTENT = [
  "package.json",
  "LICENSE",
  "README.md",
  "dist/THIRD-PARTY-LICENSES.txt",
  "dist/cli",
  "dist/vendor",
  "models",
  "skills",
  "web",
];

const root = resolve(import.meta.dirname, "..");

/** Every file of the bundle, the manifest first. */
export function listBundleEntries(): ZipEntry[] {
  const manifest = `${JSON.stringify(createMcpbManifest(), undefined, 2)}\n`;
  const paths = CONTENT.flatMap((path) => {
    if (!existsSync(join(root, path))) throw new Error(`${path} is missing: run npm run build first`);
    if (!statSync(join(root, path)).isDirectory()) return [path];
    return readdirSync(join(root, path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(root.length + 1)
          .replaceAll("\\", "/"),
      )
      .sort();
  });
  return [
    { path: "manifest.json", bytes: Buffer.from(manifest) },
    ...paths.map((path) => ({ path, bytes: readFileSync(join(root, path)) })),
  ];
}

if (import.meta.main) {
  const bundle = writeZip(listBundleEntries());
  const file = join("dist", `${packageJson.name}-${packageJson.version}.mcpb`);
  writeFileSync(join(root, file), bundle);
  const sha256 = createHash("sha256").update(bundle).digest("hex");
  console.log(`${file}: ${(bundle.length / 1024 / 1024).toFixed(1)} MiB, sha256 ${sha256}`);
}
