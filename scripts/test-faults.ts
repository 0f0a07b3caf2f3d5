import { spawn } from "node:child_process";
import { once } from "node:events";
import { requireDebianPackage } from "./debian-packages.ts";

// Runs the tests in which the kernel's own answers to system calls fail, come late, or kill who asks. Fails, with the reason,
// where there is no strace, or it may watch no process.

if (process.platform !== "linux") throw new Error("Only Linux has strace");
requireDebianPackage("strace", ["/usr/bin/strace"]);
const words = [
  "--test",
  "--test-reporter=spec",
  "--test-concurrency=2",
  "--test-timeout=240000",
  "test/faults/*.test.ts",
];
const child = spawn(process.execPath, words, { stdio: "inherit" });
const [status] = await once(child, "exit");
process.exitCode = status === 0 ? 0 : 1;
