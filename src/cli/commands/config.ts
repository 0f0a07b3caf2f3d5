import { printEnvExample, printSettingsMarkdown, printSettings } from "../../config/print-settings.ts";
import { PictureSigner } from "../../images/signing/picture-signer.ts";
import { prepareSettings, type CommandContext } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";

export interface ConfigOptions {
  readonly envFile: string | undefined;
  readonly local?: boolean;
}

/** Says that the settings are fine; a fault is thrown with all the others. */
export async function checkConfig(context: CommandContext, options: ConfigOptions): Promise<number> {
  const { envFile, local: desk = false } = options;
  const { settings } = await prepareSettings(context, { envFile, desk, requireEndpoint: true });
  const { signing } = settings.images;
  if (signing) await new PictureSigner({ settings: signing, version: context.version }).check();
  context.stdout.write("The settings are valid\n");
  return EXIT.ok;
}

/** Prints each setting with its value and where it came from. */
export async function showConfig(context: CommandContext, options: ConfigOptions): Promise<number> {
  const loaded = await prepareSettings(context, {
    envFile: options.envFile,
    desk: options.local ?? false,
    requireEndpoint: false,
  });
  context.stdout.write(printSettings(loaded));
  return EXIT.ok;
}

/** Prints what every setting is for. */
export function printConfigDocs(context: CommandContext, format: "markdown" | "env"): number {
  context.stdout.write(format === "env" ? printEnvExample() : printSettingsMarkdown());
  return EXIT.ok;
}
