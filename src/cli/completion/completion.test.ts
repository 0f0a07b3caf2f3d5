import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Argument, Command, Option } from "commander";
import { readCommandTree } from "./command-tree.ts";
import { fishCompletion } from "./fish-completion.ts";
import { zshCompletion } from "./zsh-completion.ts";

function createProgram(): Command {
  const program = new Command("my-tool").helpCommand(false).option("--env-file <file>", "a file: it's ours");
  program
    .command("draw")
    .description("draw one picture")
    .addArgument(new Argument("<shape>", "what").choices(["circle", "star"]))
    .addOption(new Option("-c, --color <color>", "its color").choices(["red", "blue"]))
    .option("--into <folder>", "where to");
  program.command("secret", { hidden: true });
  const config = program.command("config").description("settings").helpCommand(false);
  config.command("show").description("show them");
  return program;
}

const HELP = { flags: ["-h", "--help"], description: "display help for command", value: "none", words: [] };

describe("readCommandTree()", () => {
  test("reads commands, options and choices as they are, and leaves out what is hidden", () => {
    assert.deepEqual(readCommandTree(createProgram()), {
      path: "",
      name: "my-tool",
      description: "",
      words: [],
      options: [{ flags: ["--env-file"], description: "a file: it's ours", value: "file", words: [] }, HELP],
      commands: [
        {
          path: "draw",
          name: "draw",
          description: "draw one picture",
          words: ["circle", "star"],
          options: [
            { flags: ["-c", "--color"], description: "its color", value: "words", words: ["red", "blue"] },
            { flags: ["--into"], description: "where to", value: "folder", words: [] },
            HELP,
          ],
          commands: [],
        },
        {
          path: "config",
          name: "config",
          description: "settings",
          words: [],
          options: [HELP],
          commands: [
            {
              path: "config/show",
              name: "show",
              description: "show them",
              words: [],
              options: [HELP],
              commands: [],
            },
          ],
        },
      ],
    });
  });
});

describe("zshCompletion()", () => {
  test("describes candidates, escapes colons and quotes, and works sourced and from fpath", () => {
    const script = zshCompletion("my-tool", readCommandTree(createProgram()));
    assert.match(script, /^#compdef my-tool\n/);
    assert.ok(script.includes(String.raw`'--env-file:a file\: it'\''s ours'`), script);
    assert.ok(script.includes(`"draw") candidates=('circle' 'star' '-c:its color' '--color:its color'`), script);
    assert.ok(script.includes("draw/-c|draw/--color) compadd -- red blue; return ;;"), script);
    assert.ok(script.includes("draw/--into) _files -/; return ;;"), script);
    assert.ok(script.includes('config/show) command="config/show" ;;'), script);
    assert.ok(script.endsWith('then _my_tool "$@"; else compdef _my_tool my-tool; fi\n'), script);
  });
});

describe("fishCompletion()", () => {
  test("offers each thing behind its own command alone", () => {
    const lines = fishCompletion("my-tool", readCommandTree(createProgram())).split("\n");
    const top = "'not __fish_seen_subcommand_from draw config'";
    for (const line of [
      "complete -c my-tool -f",
      `complete -c my-tool -n ${top} -a 'draw' -d 'draw one picture'`,
      String.raw`complete -c my-tool -n ${top} -l env-file -r -F -d 'a file: it\'s ours'`,
      "complete -c my-tool -n '__fish_seen_subcommand_from draw' -a 'circle star'",
      "complete -c my-tool -n '__fish_seen_subcommand_from draw' -s c -l color -x -a 'red blue' -d 'its color'",
      "complete -c my-tool -n '__fish_seen_subcommand_from config; and not __fish_seen_subcommand_from show' -a 'show' -d 'show them'",
    ]) {
      assert.ok(lines.includes(line), `${line}\n\n${lines.join("\n")}`);
    }
  });
});
