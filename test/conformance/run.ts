import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { serveFixture } from "./serve-fixture.ts";

// Runs the official conformance suite against the product's endpoint, once for each protocol era. Scenarios of extensions
// and drafts are not part of what is required; the suite forgives when one fails, this run does not.

const CLI = resolve(import.meta.dirname, "../../node_modules/@modelcontextprotocol/conformance/dist/index.js");
const REQUIREMENTS = ["2026-07-28", "2025-11-25"];
const TIMEOUT_MS = 180_000;

interface Verdict {
  readonly passed: boolean;
  /** Scenarios that failed without counting for the suite. */
  readonly unscoredFailures: readonly string[];
  /** Everything that the suite printed. */
  readonly report: string;
}

async function check(url: string, requirements: string): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), "mcp-conformance-"));
  try {
    const suite = spawn(process.execPath, [CLI, "server", "--url", url, "--requirements", requirements, "-o", folder], {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
    });
    let report = "";
    for (const stream of [suite.stdout, suite.stderr]) stream.on("data", (chunk: Buffer) => (report += String(chunk)));
    const [code] = await once(suite, "close");
    const unscoredFailures = Array.from(report.matchAll(/^ {2}✗ (\S+) \(/gm), ([, name = ""]) => name);
    return { passed: code === 0 && unscoredFailures.length === 0, unscoredFailures, report };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The table of scenarios, or everything when something failed. */
function summaryOf({ passed, report }: Verdict): string {
  const start = report.lastIndexOf("=== SUMMARY ===");
  return passed && start !== -1 ? report.slice(start) : report;
}

/** The totals of what is required: the suite's own total counts extensions and drafts too. */
function totalsOf({ report }: Verdict): string {
  const unscored = new Set(Array.from(report.matchAll(/^ {2}[✓✗] (\S+) \(/gm), ([, name]) => name));
  const rows = Array.from(report.matchAll(/^[✓✗] (\S+): (\d+) passed, (\d+) failed$/gm));
  const required = rows.filter(([, name]) => !unscored.has(name));
  const sum = (column: number): number => required.reduce((total, row) => total + Number(row[column]), 0);
  return `${required.length} required scenarios, ${sum(2)} checks passed, ${sum(3)} failed`;
}

await using fixture = await serveFixture();
for (const requirements of REQUIREMENTS) {
  const verdict = await check(fixture.url, requirements);
  console.log(`\n=== Server requirements of ${requirements}\n${summaryOf(verdict)}`);
  console.log(`${requirements}: ${verdict.passed ? "passed" : "FAILED"} (${totalsOf(verdict)})`);
  for (const name of verdict.unscoredFailures) console.log(`${name} failed; it is not required, but has passed before`);
  if (!verdict.passed) process.exitCode = 1;
}
