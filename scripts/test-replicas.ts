import { spawn } from "node:child_process";
import { once } from "node:events";
import { requireDebianPackage } from "./debian-packages.ts";

// Runs the tests that need a proxy and a Redis beside the server, which `npm test` skips where there is none. Fails, with the
// reason, where they cannot be had.

requireDebianPackage("nginx", ["/usr/sbin/nginx", "/usr/bin/nginx"]);
requireDebianPackage("redis-server", ["/usr/bin/redis-server", "/usr/bin/valkey-server"]);
const files = ["test/load-replicas.test.ts", "test/shared-limits.test.ts", "test/shared-changes.test.ts"];
const child = spawn(process.execPath, ["--test", "--test-reporter=spec", "--test-timeout=240000", ...files], {
  stdio: "inherit",
});
const [status] = await once(child, "exit");
process.exitCode = status === 0 ? 0 : 1;
