import { MCPImageError, ValidationError } from "../core/errors.ts";
import { errorFields } from "../logging/error-fields.ts";
import type { CommandContext, Environment } from "./command-context.ts";
import { toExitCode } from "./exit-code.ts";
import { PACKAGE_VERSION } from "./package-version.ts";

/**
 * Runs one command and gives the exit code. Never throws, never ends the process.
 *
 * @param argv the words behind the program's name
 */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  const { stdin, stdout, stderr } = process;
  const context: CommandContext = { env, stdin, stdout, stderr, version: PACKAGE_VERSION };
  try {
    return await run(argv, context);
  } catch (error) {
    stderr.write(`mcp-image-server: ${describe(error)}\n`);
    return toExitCode(error);
  }
}

/** What clients start again and again does not wait for the parser of arguments. */
async function run(argv: readonly string[], context: CommandContext): Promise<number> {
  const [command = "stdio", ...more] = argv;
  if (command === "stdio" && more.length === 0) {
    const { stdio } = await import("./commands/stdio.ts");
    return stdio(context, { envFile: undefined });
  }
  const { runProgram } = await import("./run-program.ts");
  return runProgram(argv, context);
}

/** What a person at a terminal reads of an error: our words, and the cause when the error is none of ours. */
function describe(error: unknown): string {
  if (error instanceof ValidationError) return error.publicMessage;
  if (error instanceof MCPImageError && error.code !== "internal") {
    const { causes } = errorFields(error);
    const details = Array.isArray(causes) ? causes.map((cause) => `\n  because: ${String(cause)}`).join("") : "";
    return `${error.message}${details}`;
  }
  return String(errorFields(error)["error"]);
}
