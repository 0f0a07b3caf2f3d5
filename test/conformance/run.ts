import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { serveFixture } from "./serve-fixture.ts";

// Runs the official conformance suite against the product's endpoint, once for each protocol era.

const CLI = resolve(import.meta.dirname, "../../node_modules/@modelcontextprotocol/conformance/dist/index.js");
const REQUIREMENTS = ["2026-07-28", "2025-11-25"];
const TIMEOUT_MS = 180_000;

interface Verdict {
  readonly passed: boolean;
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
    return { passed: code === 0, report };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The table and the totals, when they are enough. */
function summaryOf({ passed, report }: Verdict): string {
  const start = report.lastIndexOf("=== SUMMARY ===");
  return passed && start !== -1 ? report.slice(start) : report;
}

await using fixture = await serveFixture();
for (const requirements of REQUIREMENTS) {
  const verdict = await check(fixture.url, requirements);
  console.log(`\n=== Server requirements of ${requirements}\n${summaryOf(verdict)}`);
  console.log(`${requirements}: ${verdict.passed ? "passed" : "FAILED"}`);
  if (!verdict.passed) process.exitCode = 1;
}
