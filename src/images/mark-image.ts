import { createPngChunk } from "../core/png.ts";
import type { PictureMemory } from "../kserve/generated-image.ts";

/** What a picture tells about itself; everything but `software` follows from the request, so equal seeds stay equal bytes. */
export interface ImageMark {
  readonly prompt: string;
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

/** IPTC's term for media made by a trained model, https://cv.iptc.org/newscodes/digitalsourcetype/ */
const DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/** Behind the signature (8 bytes) and IHDR, which is always first and 25 bytes long. */
const HEADER_END = 33;

/**
 * A verified PNG with text chunks behind its header: `parameters` (the line that Stable Diffusion tools read) and XMP that
 * says it was made by a trained model. Pixels are not touched. In `memory`, where the bytes then lie, nothing is copied
 * but the header.
 */
export function markPng(bytes: Uint8Array, mark: ImageMark, memory?: PictureMemory): Buffer {
  const chunks = Buffer.concat([
    createInternationalText("parameters", parametersText(mark)),
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
    `Model: ${mark.modelName}`,
    "Version: mcp-image-server",
  ].filter((pair) => pair !== false);
  return [
    mark.prompt,
    ...(mark.negativePrompt === undefined ? [] : [`Negative prompt: ${mark.negativePrompt}`]),
    pairs.join(", "),
  ].join("\n");
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

/** An uncompressed iTXt chunk: PNG specification, section 11.3.3.4. */
function createInternationalText(keyword: string, text: string): Buffer {
  return createPngChunk(
    "iTXt",
    Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, "latin1"), Buffer.from(text, "utf8")]),
  );
}
