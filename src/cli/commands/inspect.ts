import { stat, readFile } from "node:fs/promises";
import { isErrno, ValidationError } from "../../core/errors.ts";
import { sniffImageFormat } from "../../core/image-format.ts";
import type { JsonObject } from "../../core/json.ts";
import { verifyImage, type VerifiedImage } from "../../core/verify-image.ts";
import { readStory, type PictureStory } from "../../images/read-mark.ts";
import { readCredentials } from "../../images/signing/read-credentials.ts";
import type { CommandContext } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";

export interface InspectCommandOptions {
  readonly file: string;
  readonly json?: boolean;
}

/** No picture of a model is as large; a wrong file name shall not fill the memory. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** Prints what a picture tells of its making, and whether that is signed. */
export async function inspect(context: CommandContext, { file, json }: InspectCommandOptions): Promise<number> {
  const { bytes, format, width, height } = await readPicture(file);
  const story = readStory(bytes, format);
  const credentials = await readCredentials({ format, bytes });
  const facts = { file, format, width, height, size: bytes.length, ...toFacts(story), ...credentials };
  context.stdout.write(json === true ? `${JSON.stringify(facts)}\n` : toLines(facts));
  return EXIT.ok;
}

/** A whole picture that a person named. @throws {ValidationError} `invalid_argument`, `image_invalid` */
export async function readPicture(file: string): Promise<VerifiedImage & { readonly bytes: Buffer }> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) throw unreadable(file, "it is too large for a picture");
    const bytes = await readFile(file);
    if (sniffImageFormat(bytes) === undefined) throw unreadable(file, "it is not PNG, JPEG or WebP");
    return { bytes, ...verifyImage(bytes) };
  } catch (error) {
    if (isErrno(error, "ENOENT")) throw unreadable(file, "there is no such file", error);
    if (isErrno(error, "EISDIR")) throw unreadable(file, "it is a folder", error);
    if (isErrno(error, "EACCES", "EPERM")) throw unreadable(file, "it may not be read", error);
    throw error;
  }
}

function unreadable(file: string, reason: string, cause?: unknown): ValidationError {
  const publicMessage = `Cannot read "${file}": ${reason}`;
  return new ValidationError("invalid_argument", publicMessage, {
    publicMessage,
    ...(cause !== undefined && { cause }),
  });
}

function toFacts(story: PictureStory | undefined): JsonObject {
  if (story === undefined) return {};
  const { settings, modelName, software, digitalSourceType } = story;
  return {
    ...settings,
    ...(modelName !== undefined && { model_name: modelName }),
    ...(software !== undefined && { software }),
    ...(digitalSourceType !== undefined && { digital_source_type: digitalSourceType }),
  };
}

function toLines(facts: JsonObject): string {
  const told = Object.entries(facts).map(
    ([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  if (facts["prompt"] === undefined) told.push("The picture does not tell its prompt.");
  return `${told.join("\n")}\n`;
}
