import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { addSetupCommands } from "./add-setup-commands.ts";
import type { CommandContext } from "./command-context.ts";
import type { GenerateCommandOptions } from "./commands/generate.ts";
import { addEngineCommand, addModelsCommands, type SetExitCode } from "./engine-commands.ts";
import { EXIT } from "./exit-code.ts";

/**
 * Runs the command that the words name, and gives its exit code. Wrong usage is explained on standard error.
 *
 * @throws whatever the command throws
 */
export async function runProgram(argv: readonly string[], context: CommandContext): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = createProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    throw error;
  }
}

function createProgram(context: CommandContext, setExitCode: SetExitCode): Command {
  const program = new Command("mcp-image-server")
    .description("An MCP server that turns a text prompt into a stored picture with a URL.")
    .version(context.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .option("--env-file <file>", "read settings from this file instead of .env")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    })
    .showSuggestionAfterError()
    .showHelpAfterError("(see --help)")
    .addHelpText(
      "after",
      [
        "",
        "Settings come from the environment and .env; `mcp-image-server config docs` lists them.",
        "Exit codes: 0 done, 64 wrong usage, 69 something cannot be reached, 73 cannot store, 78 wrong settings.",
      ].join("\n"),
    );
  const envFile = (): string | undefined => program.opts<{ envFile?: string }>().envFile;

  program
    .command("serve")
    .description("serve MCP and pictures over HTTP")
    .option("--local", "defaults for a person at a desk: built-in engine, loopback only, your data folder, 7 days")
    .option("--host <host>", "listen on this address instead of HOST")
    .option("--port <port>", "listen on this port instead of PORT")
    .action(async (options: { local?: boolean; host?: string; port?: string }) => {
      const { serve } = await import("./commands/serve.ts");
      setExitCode(await serve(context, { ...options, envFile: envFile() }));
    });

  program
    .command("stdio", { isDefault: true })
    .description("speak MCP on standard input and output (the default)")
    .allowExcessArguments()
    .action(async (_options: unknown, { args: [word] }: Command) => {
      // Whatever is no command comes here.
      if (word !== undefined) program.error(`error: unknown command '${word}'`);
      const { stdio } = await import("./commands/stdio.ts");
      setExitCode(await stdio(context, { envFile: envFile() }));
    });

  program
    .command("generate")
    .description("generate one picture into a file and print its path")
    .argument("[prompt]", "what to draw")
    .option("--from <file>", "repeat a picture: the settings that it tells of, where no others are given")
    .addOption(new Option("-n, --negative-prompt <text>", "what to avoid"))
    .addOption(numberOption("-W, --width <pixels>", "64 to 2048").default(undefined, "512"))
    .addOption(numberOption("-H, --height <pixels>", "64 to 2048").default(undefined, "512"))
    .addOption(
      numberOption("-s, --steps <count>", "denoising steps, 1 to 200").default(
        undefined,
        "what suits the model, else 50",
      ),
    )
    .addOption(
      numberOption("-g, --guidance <scale>", "guidance scale, 1 to 20").default(
        undefined,
        "what suits the model, else 7.5",
      ),
    )
    .addOption(numberOption("--seed <number>", "0 to 4294967295; the same seed gives the same picture"))
    .option("-o, --output <file>", "where to write; an existing file is not overwritten")
    .option("-f, --force", "overwrite the file")
    .option("--json", "print the metadata as JSON instead of the path")
    .action(async (prompt: string | undefined, options: Omit<GenerateCommandOptions, "prompt" | "envFile">) => {
      const { generate } = await import("./commands/generate.ts");
      setExitCode(await generate(context, { ...options, ...(prompt !== undefined && { prompt }), envFile: envFile() }));
    });

  program
    .command("inspect")
    .description("print what a picture tells of its making: prompt, seed, settings, origin")
    .argument("<file>", "the picture")
    .option("--json", "print it as JSON")
    .action(async (file: string, options: { json?: boolean }) => {
      const { inspect } = await import("./commands/inspect.ts");
      setExitCode(await inspect(context, { ...options, file }));
    });

  addEngineCommand(program, context, setExitCode, envFile);
  addModelsCommands(program, context, setExitCode, envFile);
  addConfigCommands(program, context, setExitCode, envFile);
  addStorageCommands(program, context, setExitCode, envFile);

  program
    .command("healthcheck")
    .description("ask the server of these settings whether it lives; for container health checks")
    .option("--ready", "ask whether it is ready to take work instead")
    .addOption(new Option("--url <url>", "ask the server at this base URL").argParser(toBaseUrl))
    .action(async (options: { ready?: boolean; url?: string }) => {
      const { healthcheck } = await import("./commands/healthcheck.ts");
      setExitCode(await healthcheck(context, { ...options, envFile: envFile() }));
    });

  program
    .command("doctor")
    .description("look at everything that a picture needs, and say what to do about what is wrong")
    .option("--local", "with the defaults of `serve --local`")
    .option("--generate", "also draw two tiny pictures with the model server; the built-in engine always does")
    .option("--json", "print the findings as JSON")
    .action(async (options: { local?: boolean; generate?: boolean; json?: boolean }) => {
      const { doctor } = await import("./commands/doctor.ts");
      setExitCode(await doctor(context, { ...options, envFile: envFile() }));
    });

  program
    .command("cleanup")
    .description("delete expired pictures now and print how many")
    .option("--local", "clean the data folder of `serve --local` and `stdio`")
    .action(async (options: { local?: boolean }) => {
      const { cleanup } = await import("./commands/cleanup.ts");
      setExitCode(await cleanup(context, { ...options, envFile: envFile() }));
    });

  addSetupCommands(program, context, setExitCode);
  return program;
}

function addStorageCommands(
  program: Command,
  context: CommandContext,
  setExitCode: SetExitCode,
  envFile: () => string | undefined,
): void {
  const storage = program
    .command("storage")
    .description("count what is stored, or let a bucket expire it")
    .helpCommand(false);
  storage
    .command("usage")
    .description("count what is stored and print it")
    .option("--local", "of the data folder of `serve --local` and `stdio`")
    .option("--json", "print it as JSON")
    .action(async (options: { local?: boolean; json?: boolean }) => {
      const { printStorageUsage } = await import("./commands/storage.ts");
      setExitCode(await printStorageUsage(context, { ...options, envFile: envFile() }));
    });
  storage
    .command("lifecycle")
    .description("print the rule by which the bucket itself deletes what is long expired")
    .option("--apply", "set the rule, beside those that the bucket has")
    .action(async (options: { apply?: boolean }) => {
      const { setStorageLifecycle } = await import("./commands/storage.ts");
      setExitCode(await setStorageLifecycle(context, { ...options, envFile: envFile() }));
    });
}

function addConfigCommands(
  program: Command,
  context: CommandContext,
  setExitCode: SetExitCode,
  envFile: () => string | undefined,
): void {
  const config = program.command("config").description("check, show or document the settings").helpCommand(false);
  for (const [name, description] of [
    ["check", "check the settings as `serve` would, and print every fault"],
    ["show", "print every setting with its source; secrets are masked"],
  ] as const) {
    config
      .command(name)
      .description(description)
      .option("--local", "with the defaults of `serve --local`")
      .action(async (options: { local?: boolean }) => {
        const commands = await import("./commands/config.ts");
        const run = name === "check" ? commands.checkConfig : commands.showConfig;
        setExitCode(await run(context, { ...options, envFile: envFile() }));
      });
  }
  config
    .command("docs")
    .description("print the documentation of every setting")
    .addOption(
      new Option("--format <format>", "Markdown table or .env example")
        .choices(["markdown", "env"])
        .default("markdown"),
    )
    .action(async (options: { format: "markdown" | "env" }) => {
      const { printConfigDocs } = await import("./commands/config.ts");
      setExitCode(printConfigDocs(context, options.format));
    });
}

function toBaseUrl(text: string): string {
  const protocol = URL.parse(text)?.protocol;
  if (protocol !== "http:" && protocol !== "https:") {
    throw new InvalidArgumentError("It must be a URL with http:// or https://.");
  }
  return text;
}

function numberOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string) => {
    if (!/^-?\d+(?:\.\d+)?$/.test(text)) throw new InvalidArgumentError("It must be a plain number.");
    return Number(text);
  });
}
