#!/usr/bin/env node
// The only file that an old Node must be able to read: no import above the check.
const REQUIRED = [22, 19];

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const [requiredMajor = 0, requiredMinor = 0] = REQUIRED;
if (major < requiredMajor || (major === requiredMajor && minor < requiredMinor)) {
  process.stderr.write(
    `mcp-image-server needs Node ${REQUIRED.join(".")} or newer, and this is Node ${process.versions.node}\n`,
  );
  process.exitCode = 1;
} else {
  const { keepCompiledCode } = await import("./keep-compiled-code.ts");
  keepCompiledCode(process.env);
  const { main } = await import("./main.ts");
  process.exitCode = await main(process.argv.slice(2), process.env);
}
