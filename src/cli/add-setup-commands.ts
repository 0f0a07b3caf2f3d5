import { Argument, type Command, Option } from "commander";
import type { CommandContext } from "./command-context.ts";
import { CLIENT_NAMES, type ClientName } from "./clients/client-kinds.ts";
import type { Shell } from "./commands/completion.ts";
import type { PrintConfigOptions } from "./commands/print-config.ts";

/** Commands that help to set up what is around the server: MCP clients, the shell. */
export function addSetupCommands(program: Command, context: CommandContext, setExitCode: (code: number) => void): void {
  program
    .command("print-config")
    .description("print what an MCP client needs to use this server, and where it belongs")
    .addArgument(new Argument("[client]", "the MCP client").choices(CLIENT_NAMES))
    .option("--list", "list the clients and their files")
    .option("--url <url>", "use the server at this URL instead of starting one")
    .option("--key", "with --url: the server wants a key")
    .addOption(
      new Option("--env <name=value>", "a setting for the server that the client starts; may be repeated")
        .argParser((text: string, previous: readonly string[]) => [...previous, text])
        .default([], "none"),
    )
    .option("--here", "start this very installation instead of the published package")
    .option("--name <name>", "what the client calls the server", "images")
    .action(async (client: ClientName | undefined, options: Omit<PrintConfigOptions, "client">) => {
      const { printConfig } = await import("./commands/print-config.ts");
      setExitCode(printConfig(context, { ...options, client }));
    });

  program
    .command("completion")
    .description("print a script with which your shell completes commands and options")
    .addArgument(new Argument("<shell>", "the shell").choices(["bash", "zsh", "fish"] satisfies Shell[]))
    .action(async (shell: Shell) => {
      const { completion } = await import("./commands/completion.ts");
      setExitCode(completion(context, shell, program));
    });
}
