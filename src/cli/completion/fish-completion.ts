import { listCommands, type CommandNode, type OptionNode } from "./command-tree.ts";

/** A script that fish reads with `source`. */
export function fishCompletion(program: string, tree: CommandNode): string {
  const lines = listCommands(tree).flatMap((node) => {
    const here = condition(node);
    return [
      ...node.commands.map(({ name, description }) => `-n ${here} -a ${quoted(name)} -d ${quoted(description)}`),
      ...(node.words.length > 0 ? [`-n ${here} -a ${quoted(node.words.join(" "))}`] : []),
      ...node.options.map((option) => `-n ${here} ${printOption(option)}`),
    ];
  });
  return [
    `# fish completion for ${program}`,
    `complete -c ${program} -f`,
    ...lines.map((line) => `complete -c ${program} ${line}`),
    "",
  ].join("\n");
}

/** Where the cursor is: behind the words of this command, and behind none of those below it. */
function condition({ path, commands }: CommandNode): string {
  const names = path === "" ? [] : path.split("/");
  const seen = names.map((name) => `__fish_seen_subcommand_from ${name}`);
  const below = commands.map(({ name }) => name).join(" ");
  const tests = below === "" ? seen : [...seen, `not __fish_seen_subcommand_from ${below}`];
  return quoted(tests.join("; and "));
}

function printOption({ flags, description, value, words }: OptionNode): string {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const kinds: Record<OptionNode["value"], string[]> = {
    none: [],
    text: ["-x"],
    words: ["-x", `-a ${quoted(words.join(" "))}`],
    folder: ["-x", "-a '(__fish_complete_directories)'"],
    file: ["-r", "-F"],
  };
  return [...names, ...kinds[value], `-d ${quoted(description)}`].join(" ");
}

/** Within single quotes fish reads a backslash before a quote and before itself. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", String.raw`\'`)}'`;
}
