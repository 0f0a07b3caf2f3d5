import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import { test } from "node:test";

/** The floor of each folder of `src/`; a file may import its own folder and lower floors. See ARCHITECTURE.md. */
const FLOORS: Readonly<Record<string, number>> = {
  core: 0,
  logging: 1,
  config: 1,
  wire: 1,
  telemetry: 1,
  redis: 1,
  storage: 2,
  kserve: 2,
  engine: 2,
  queue: 2,
  access: 2,
  images: 3,
  cleanup: 3,
  mcp: 4,
  http: 4,
  app: 5,
  cli: 6,
};
/** `testing/` serves tests and examples alone; it may use floors 0 to 4. */
const TESTING_FLOOR = 5;

const sourceRoot = resolve(import.meta.dirname, "../src");

interface Import {
  readonly from: string;
  readonly to: string;
}

function listImports(): Import[] {
  return readdirSync(sourceRoot, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => {
      const source = readFileSync(resolve(sourceRoot, file), "utf8");
      const specifiers = source.matchAll(/(?:from|import|new URL)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g);
      return Array.from(specifiers, ([, specifier = ""]) => ({
        from: file,
        to: relative(sourceRoot, resolve(sourceRoot, dirname(file), specifier)),
      }));
    });
}

/** `undefined` for the package's entry points and for what lies outside `src/`. */
const folderOf = (file: string): string | undefined =>
  file.includes(sep) && !file.startsWith("..") ? file.split(sep)[0] : undefined;
const isTest = (file: string): boolean => file.endsWith(".test.ts");

test("every folder of src/ stands on a floor", () => {
  const folders = readdirSync(sourceRoot, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of folders) assert.ok(name === "testing" || name in FLOORS, `src/${name} has no floor`);
});

test("a source file imports its own folder and lower floors only", () => {
  const imports = listImports();
  assert.ok(imports.length > 50, "the imports were not found");
  for (const { from, to } of imports) {
    const [source, target] = [folderOf(from), folderOf(to)];
    // The package's entry points re-export; everything else lives in a folder.
    if (source === undefined || target === undefined || source === target) continue;
    if (target === "testing") {
      assert.ok(isTest(from), `${from} imports ${to}: only tests may`);
      continue;
    }
    const sourceFloor =
      source === "testing" || isTest(from) ? Math.max(TESTING_FLOOR, FLOORS[source] ?? 0) : (FLOORS[source] ?? 0);
    const targetFloor = FLOORS[target] ?? Infinity;
    assert.ok(targetFloor < sourceFloor, `${from} (floor ${sourceFloor}) imports ${to} (floor ${targetFloor})`);
  }
});

test("only the entry points re-export what is ours", () => {
  for (const file of readdirSync(sourceRoot, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  )) {
    if (folderOf(file) === undefined || file === `testing${sep}index.ts`) continue;
    assert.doesNotMatch(
      readFileSync(resolve(sourceRoot, file), "utf8"),
      /^export (?:type )?(?:\*|\{[^}]*\})(?: as \w+)? from "\./m,
      file,
    );
  }
});
