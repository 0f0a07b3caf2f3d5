import { constants, existsSync } from "node:fs";
import { access, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { createGenerator } from "../../app/create-generator.ts";
import { isErrno, StorageError, ValidationError } from "../../core/errors.ts";
import { IMAGE_FORMATS, sniffImageFormat } from "../../core/image-format.ts";
import type { JsonObject } from "../../core/json.ts";
import { systemRandom } from "../../core/random.ts";
import { drawImage } from "../../images/draw-image.ts";
import { parseGenerateImageParams, toGenerateImageRequest } from "../../images/generate-image-params.ts";
import { readStory } from "../../images/read-mark.ts";
import { PictureSigner } from "../../images/signing/picture-signer.ts";
import { prepareSettings, type CommandContext } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";
import { ProgressLine } from "../progress-line.ts";
import { readPicture } from "./inspect.ts";
import { waitForSignal } from "../wait-for-signal.ts";

export interface GenerateCommandOptions {
  readonly envFile: string | undefined;
  readonly prompt?: string;
  /** A picture whose settings are taken where no other ones are given. */
  readonly from?: string;
  readonly negativePrompt?: string;
  readonly width?: number;
  readonly height?: number;
  readonly steps?: number;
  readonly guidance?: number;
  readonly seed?: number;
  readonly output?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Generates one picture into a file and prints its path, or its metadata. */
export async function generate(context: CommandContext, options: GenerateCommandOptions): Promise<number> {
  const told = options.from === undefined ? {} : await readSettings(options.from);
  const request = toGenerateImageRequest(
    parseGenerateImageParams({
      ...told,
      ...toGiven(options),
    }),
  );
  const { settings } = await prepareSettings(context, {
    envFile: options.envFile,
    desk: true,
    requireEndpoint: true,
  });
  const { signing } = settings.images;
  const signer = signing && new PictureSigner({ settings: signing, version: context.version });
  await signer?.check();
  // Drawn here, so that the file's name is known, and found to be free, before minutes are spent on a picture.
  const seed = request.seed ?? systemRandom.uint32();
  const toPath = (extension: string): string =>
    resolve(options.output ?? `${toFileName(request.prompt)}-${seed}.${extension}`);
  if (!options.force && existsSync(toPath("png"))) throw alreadyThere(toPath("png"));
  await assertFolder(toPath("png"));
  const cancel = new AbortController();
  const ended = new AbortController();
  void waitForSignal(ended.signal).then(() => cancel.abort());
  await using generator = createGenerator(settings);
  const { imageData, metadata } = await drawing();
  ended.abort();

  const extension = IMAGE_FORMATS[sniffImageFormat(imageData) ?? "png"].extension;
  const path = toPath(extension);
  await write(path, imageData, options.force ?? false);
  context.stdout.write(options.json ? `${JSON.stringify({ path, metadata })}\n` : `${path}\n`);
  return EXIT.ok;

  async function drawing() {
    using line = new ProgressLine(context.stderr);
    return await drawImage(
      generator.images,
      { ...request, seed },
      {
        embedsPrompt: settings.images.embedsPrompt,
        signer,
        signal: cancel.signal,
        onProgress: (progress) => line.report(progress),
      },
    );
  }
}

/** The settings that a picture tells of; at least its prompt. */
async function readSettings(file: string): Promise<JsonObject> {
  const { bytes, format } = await readPicture(file);
  const story = readStory(bytes, format);
  if (story?.settings["prompt"] !== undefined) return story.settings;
  const publicMessage = `Cannot repeat "${file}": the picture does not tell its prompt`;
  throw new ValidationError("invalid_argument", publicMessage, { publicMessage });
}

/** What was given on the command line. */
function toGiven(options: GenerateCommandOptions): JsonObject {
  const { prompt, negativePrompt, width, height, steps, guidance, seed } = options;
  return {
    ...(prompt !== undefined && { prompt }),
    ...(negativePrompt !== undefined && { negative_prompt: negativePrompt }),
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(steps !== undefined && { num_inference_steps: steps }),
    ...(guidance !== undefined && { guidance_scale: guidance }),
    ...(seed !== undefined && { seed }),
  };
}

/** The first words of a prompt as a file name of letters, digits and dashes. */
function toFileName(prompt: string): string {
  const words = prompt
    .toLowerCase()
    .normalize("NFKD")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return words.slice(0, 40).replace(/-+$/, "") || "picture";
}

/** Whether something can be written there. */
async function assertFolder(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK);
  } catch (error) {
    throw new StorageError("storage_write_failed", `Cannot write "${path}"`, { cause: error });
  }
}

async function write(path: string, imageData: Buffer, overwrite: boolean): Promise<void> {
  try {
    await writeFile(path, imageData, { flag: overwrite ? "w" : "wx" });
  } catch (error) {
    if (isErrno(error, "EEXIST")) throw alreadyThere(path);
    throw new StorageError("storage_write_failed", `Cannot write "${path}"`, { cause: error });
  }
}

function alreadyThere(path: string): StorageError {
  return new StorageError("image_exists", `Cannot write "${path}": it exists already; use --force or --output`);
}
