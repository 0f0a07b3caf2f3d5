import { listCommands, type CommandNode, type OptionNode } from "./command-tree.ts";
import { shellCases } from "./shell-cases.ts";

/** A script that bash reads with `source`. */
export function bashCompletion(program: string, tree: CommandNode): string {
  const { steps, valued, values } = shellCases(tree, reply);
  const words = listCommands(tree).map((node) => `"${node.path}") words="${wordsOf(node).join(" ")}" ;;`);
  return `# bash completion for ${program}
_${identifier(program)}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="" words="" index word
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "$command/$word" in
      ${steps.join("\n      ")}
      ${valued}) ((index++)) ;;
    esac
  done
  case "$command/$previous" in
    ${values.join("\n    ")}
  esac
  case "$command" in
    ${words.join("\n    ")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _${identifier(program)} ${program}
`;
}

function reply({ value, words }: OptionNode): string {
  if (value === "words") return `COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$current"))`;
  if (value === "folder") return 'COMPREPLY=($(compgen -d -- "$current"))';
  return 'COMPREPLY=($(compgen -f -- "$current"))';
}

function wordsOf(node: CommandNode): string[] {
  return [...node.commands.map(({ name }) => name), ...node.words, ...node.options.flatMap(({ flags }) => flags)];
}

function identifier(program: string): string {
  return program.replaceAll("-", "_");
}
