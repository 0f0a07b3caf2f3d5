import type { CallToolResult } from "@modelcontextprotocol/server";
import * as z from "zod";
import { encodePng } from "../../src/core/png.ts";

/** One red pixel. */
export const PNG_BASE64 = encodePng({ width: 1, height: 1, rgb: Buffer.from([255, 0, 0]) }).toString("base64");

/** A WAV file with one silent sample: 8 kHz, mono, 8 bits. */
export const WAV_BASE64 = createWav().toString("base64");

export const NO_ARGUMENTS = z.object({});

export function toTextResult(text: string): CallToolResult {
  return { content: [{ type: "text", text }] };
}

function createWav(): Buffer {
  const sampleRate = 8000;
  const wav = Buffer.alloc(46);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(sampleRate, 24);
  wav.writeUInt32LE(sampleRate, 28);
  wav.writeUInt16LE(1, 32);
  wav.writeUInt16LE(8, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(1, 40);
  wav.writeUInt8(128, 44);
  return wav;
}
