import { listCommands, type CommandNode, type OptionNode } from "./command-tree.ts";
import { shellCases } from "./shell-cases.ts";

/** A script that zsh reads with `source` after `compinit`, or finds as the file `_<program>` in its `fpath`. */
export function zshCompletion(program: string, tree: CommandNode): string {
  const { steps, valued, values } = shellCases(tree, offer);
  const candidates = listCommands(tree).map(
    (node) => `"${node.path}") candidates=(${candidatesOf(node).join(" ")}) ;;`,
  );
  const name = `_${program.replaceAll("-", "_")}`;
  return `#compdef ${program}
${name}() {
  local command="" index word
  local -a candidates
  for ((index = 2; index < CURRENT; index++)); do
    word="\${words[index]}"
    case "$command/$word" in
      ${steps.join("\n      ")}
      ${valued}) ((index++)) ;;
    esac
  done
  case "$command/\${words[CURRENT-1]}" in
    ${values.join("\n    ")}
  esac
  case "$command" in
    ${candidates.join("\n    ")}
  esac
  _describe '${program}' candidates
}
if [ "\${funcstack[1]}" = "_${program}" ]; then ${name} "$@"; else compdef ${name} ${program}; fi
`;
}

function offer({ value, words }: OptionNode): string {
  if (value === "words") return `compadd -- ${words.join(" ")}`;
  return value === "folder" ? "_files -/" : "_files";
}

function candidatesOf({ commands, words, options }: CommandNode): string[] {
  return [
    ...commands.map(({ name, description }) => described(name, description)),
    ...words.map((word) => quoted(word)),
    ...options.flatMap(({ flags, description }) => flags.map((flag) => described(flag, description))),
  ];
}

/** A colon divides the word from what it means. */
function described(word: string, description: string): string {
  return quoted(`${word}:${description.replaceAll(":", String.raw`\:`)}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
