import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { bashCompletion } from "../completion/bash-completion.ts";
import { readCommandTree } from "../completion/command-tree.ts";
import { fishCompletion } from "../completion/fish-completion.ts";
import { zshCompletion } from "../completion/zsh-completion.ts";
import { EXIT } from "../exit-code.ts";

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

export type Shell = keyof typeof SCRIPTS;

/** Prints a script with which the shell completes the commands and options of this very program. */
export function completion(context: CommandContext, shell: Shell, program: Command): number {
  context.stdout.write(SCRIPTS[shell](program.name(), readCommandTree(program)));
  return EXIT.ok;
}
