import { listCommands, type CommandNode, type OptionNode } from "./command-tree.ts";

/** Patterns of a `case` that bash and zsh read alike: the command, a slash, and a word behind it. */
export interface ShellCases {
  /** Words that lead into a command: `/config`, `config/check`. */
  readonly steps: readonly string[];
  /** Options whose value is the next word, which is then no command. */
  readonly valued: string;
  /** What to offer for the value of an option. */
  readonly values: readonly string[];
}

/** @param offer the shell's statement that offers values of this kind */
export function shellCases(tree: CommandNode, offer: (option: OptionNode) => string): ShellCases {
  const nodes = listCommands(tree);
  const options = nodes.flatMap(({ path, options: own }) =>
    own
      .filter(({ value }) => value !== "none")
      .map((option) => ({ option, pattern: option.flags.map((flag) => `${path}/${flag}`).join("|") })),
  );
  const isFree = ({ option }: (typeof options)[number]): boolean => option.value === "text";
  const joined = (some: typeof options): string => some.map(({ pattern }) => pattern).join("|");
  return {
    steps: nodes.flatMap(({ path, commands }) =>
      commands.map((child) => `${path}/${child.name}) command="${child.path}" ;;`),
    ),
    valued: joined(options),
    values: [
      ...options.filter((one) => !isFree(one)).map(({ option, pattern }) => `${pattern}) ${offer(option)}; return ;;`),
      `${joined(options.filter(isFree))}) return ;;`,
    ],
  };
}
