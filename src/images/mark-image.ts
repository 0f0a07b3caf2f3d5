import { createExifComment } from "../core/exif-comment.ts";
import type { ImageFormat } from "../core/image-format.ts";
import { isSigned } from "../core/is-signed.ts";
import { insertJpegMetadata } from "../core/jpeg-metadata.ts";
import type { PictureMetadata } from "../core/picture-metadata.ts";
import { createInternationalText, createPngText } from "../core/png-text.ts";
import { insertWebpMetadata } from "../core/webp-metadata.ts";
import type { PictureMemory } from "../kserve/generated-image.ts";

/** What a picture tells about itself; everything but `software` follows from the request, so equal seeds stay equal bytes. */
export interface ImageMark {
  /** `undefined`: both prompts stay out of the picture. */
  readonly prompt: string | undefined;
  readonly negativePrompt: string | undefined;
  readonly numInferenceSteps: number | undefined;
  readonly guidanceScale: number | undefined;
  readonly seed: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  readonly modelName: string;
}

/** IPTC's terms for how media came to be, https://cv.iptc.org/newscodes/digitalsourcetype/ */
export const DIGITAL_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/";
const DIGITAL_SOURCE_TYPE = `${DIGITAL_SOURCE_TYPES}trainedAlgorithmicMedia`;
const SOFTWARE = "mcp-image-server";

/** Behind the signature (8 bytes) and IHDR, which is always first and 25 bytes long. */
const HEADER_END = 33;

/**
 * A verified picture that tells its making: a PNG in text chunks, JPEG and WebP in Exif data (the same `parameters` as the
 * comment of the user, where Stable Diffusion tools look for it) and XMP. In `memory` a PNG is not copied.
 */
export function markPicture(format: ImageFormat, bytes: Buffer, mark: ImageMark, memory?: PictureMemory): Buffer {
  switch (format) {
    case "png":
      return markPng(bytes, mark, memory);
    case "jpeg":
      return insertJpegMetadata(bytes, toMetadata(mark));
    case "webp":
      return insertWebpMetadata(bytes, toMetadata(mark));
  }
}

function toMetadata(mark: ImageMark): PictureMetadata {
  return { exif: createExifComment(parametersText(mark)), xmp: xmpText() };
}

/**
 * A verified PNG with text chunks behind its header: `parameters` (the line that Stable Diffusion tools read),
 * `invokeai_metadata` (the same as JSON, which InvokeAI reads), and XMP that
 * says it was made by a trained model. Pixels are not touched. In `memory`, where the bytes then lie, nothing is copied
 * but the header. A signed picture stays as it is.
 */
export function markPng(bytes: Buffer, mark: ImageMark, memory?: PictureMemory): Buffer {
  if (isSigned("png", bytes)) return bytes;
  const chunks = Buffer.concat([
    createPngText("parameters", parametersText(mark)),
    createPngText("invokeai_metadata", invokeAiText(mark)),
    createInternationalText("XML:com.adobe.xmp", xmpText()),
  ]);
  if (memory === undefined) return Buffer.concat([bytes.subarray(0, HEADER_END), chunks, bytes.subarray(HEADER_END)]);
  memory.insert(HEADER_END, chunks);
  return memory.bytes;
}

/** The text that AUTOMATIC1111's web UI writes: prompt, negative prompt, then `Key: value` pairs. */
export function parametersText(mark: ImageMark): string {
  const pairs = [
    mark.numInferenceSteps !== undefined && `Steps: ${mark.numInferenceSteps}`,
    mark.guidanceScale !== undefined && `CFG scale: ${mark.guidanceScale}`,
    `Seed: ${mark.seed}`,
    `Size: ${mark.width}x${mark.height}`,
    // Readers split at commas and colons.
    `Model: ${mark.modelName.replaceAll(/[,:]/g, "")}`,
    `Version: ${SOFTWARE}`,
  ].filter((pair) => pair !== false);
  const line = pairs.join(", ");
  if (mark.prompt === undefined) return line;
  const negative = mark.negativePrompt === undefined ? [] : [`Negative prompt: ${mark.negativePrompt}`];
  return [mark.prompt, ...negative, line].join("\n");
}

/** The JSON that InvokeAI keeps in a picture, in ASCII, so that every reader of text chunks takes it. */
function invokeAiText(mark: ImageMark): string {
  const text = JSON.stringify({
    generation_mode: "txt2img",
    ...(mark.prompt !== undefined && { positive_prompt: mark.prompt, negative_prompt: mark.negativePrompt }),
    width: mark.width,
    height: mark.height,
    seed: mark.seed,
    cfg_scale: mark.guidanceScale,
    steps: mark.numInferenceSteps,
    model: { name: mark.modelName },
    app_version: SOFTWARE,
  });
  return text.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function xmpText(): string {
  return [
    '<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"',
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="mcp-image-server"',
    ` Iptc4xmpExt:DigitalSourceType="${DIGITAL_SOURCE_TYPE}"/>`,
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>',
  ].join("");
}
