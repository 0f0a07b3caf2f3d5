import { InvalidArgumentError, Option, type Command } from "commander";
import type { CommandContext } from "./command-context.ts";
import type { EngineCommandOptions } from "./commands/engine.ts";

export type SetExitCode = (code: number) => void;

/** `engine`: the built-in engine alone. */
export function addEngineCommand(
  program: Command,
  context: CommandContext,
  setExitCode: SetExitCode,
  envFile: () => string | undefined,
): void {
  program
    .command("engine")
    .description("run the built-in diffusion engine alone, as a KServe model server (V1 and V2)")
    .option("--model <folder>", "a diffusers ONNX export, instead of MODEL_PATH or the model in this package")
    .option("--model-name <name>", "what clients call the model; by default its own name")
    .option("--host <host>", "listen on this address; there is no authentication", "127.0.0.1")
    .addOption(countOption("--port <port>", "listen on this port; 0 takes a free one", 0, 65_535).default(8080))
    .addOption(
      new Option("--socket [path]", "listen on a Unix socket instead, without a path on a fresh one").conflicts([
        "port",
        "host",
      ]),
    )
    .option("--executor <name>", "wasm or native, instead of ENGINE_EXECUTOR")
    .option("--threads <count>", "threads of a network, with native, instead of ENGINE_THREADS")
    .option("--memory <megabytes>", "what the networks may take, instead of ENGINE_MEMORY_LIMIT")
    .addOption(countOption("--max-waiting <count>", "requests that may wait; one more gets 503", 0, 10_000).default(32))
    .action(async (options: Omit<EngineCommandOptions, "envFile">) => {
      const { engine } = await import("./commands/engine.ts");
      setExitCode(await engine(context, { ...options, envFile: envFile() }));
    });
}

/** `models list|info|check|pull`: what the built-in engine draws with. */
export function addModelsCommands(
  program: Command,
  context: CommandContext,
  setExitCode: SetExitCode,
  envFile: () => string | undefined,
): void {
  const models = program
    .command("models")
    .description("list, look into, check or fetch models of the built-in engine")
    .helpCommand(false);
  models
    .command("list")
    .description("list the models that are here; the one that is drawn with has a star")
    .option("--json", "print JSON")
    .action(async (options: { json?: boolean }) => {
      const { listModelsCommand } = await import("./commands/models.ts");
      setExitCode(await listModelsCommand(context, { ...options, envFile: envFile() }));
    });
  models
    .command("info")
    .description("print what is known of a model")
    .argument("[folder]", "a diffusers ONNX export; by default the one that is drawn with")
    .option("--json", "print JSON")
    .action(async (folder: string | undefined, options: { json?: boolean }) => {
      const { showModel } = await import("./commands/models.ts");
      setExitCode(await showModel(context, folder, { ...options, envFile: envFile() }));
    });
  models
    .command("check")
    .description("load a model, draw two steps with it, and tell how long a picture takes here")
    .argument("[folder]", "a diffusers ONNX export; by default the one that is drawn with")
    .option("--json", "print JSON")
    .action(async (folder: string | undefined, options: { json?: boolean }) => {
      const { checkModel } = await import("./commands/models.ts");
      setExitCode(await checkModel(context, folder, { ...options, envFile: envFile() }));
    });
  models
    .command("pull")
    .description("fetch a model from a hub; what was cut off goes on where it ended")
    .argument("<address>", "https://hub.example/owner/name, or with /tree/revision/folder behind it")
    .option("--to <folder>", "where to; by default below your data folder")
    .addHelpText("after", "\nHUB_TOKEN in the environment is shown to the hub, for models that need one.")
    .action(async (address: string, options: { to?: string }) => {
      const { pullModelCommand } = await import("./commands/models.ts");
      setExitCode(await pullModelCommand(context, address, options));
    });
}

function countOption(flags: string, description: string, min: number, max: number): Option {
  return new Option(flags, description).argParser((text: string) => {
    if (/^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text);
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  });
}
