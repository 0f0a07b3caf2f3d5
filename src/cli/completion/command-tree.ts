import type { Command } from "commander";

/** What a shell must know of a command to complete what is typed behind it. */
export interface CommandNode {
  /** The words behind the program's name: none of the program itself, `config/check` of a command in a command. */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly commands: readonly CommandNode[];
  readonly options: readonly OptionNode[];
  /** Words that may stand as its arguments. */
  readonly words: readonly string[];
}

export interface OptionNode {
  /** `-o` and `--output`. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly value: "none" | "words" | "file" | "folder" | "text";
  readonly words: readonly string[];
}

/** The commands and options of a program, as they are, with `--help` of each. */
export function readCommandTree(program: Command): CommandNode {
  return readCommand(program, []);
}

/** The command itself and all below it. */
export function listCommands(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(listCommands)];
}

function readCommand(command: Command, path: readonly string[]): CommandNode {
  const help = command.createHelp();
  return {
    path: path.join("/"),
    name: command.name(),
    description: command.description(),
    commands: help.visibleCommands(command).map((child) => readCommand(child, [...path, child.name()])),
    options: help.visibleOptions(command).map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
      description: option.description,
      value: valueKind(option.flags, option.argChoices),
      words: option.argChoices ?? [],
    })),
    words: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  };
}

function valueKind(flags: string, choices: readonly string[] | undefined): OptionNode["value"] {
  const [, value] = /[<[]([^\]>]+)/.exec(flags) ?? [];
  if (value === undefined) return "none";
  if (choices !== undefined) return "words";
  if (value === "folder") return "folder";
  return value === "file" || value === "path" ? "file" : "text";
}
