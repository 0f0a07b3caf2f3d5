import type { ServerResponse } from "node:http";
import type { OpenImage } from "../storage/abstract-storage.ts";

/** The memory that one slow client takes. */
const PART_BYTES = 64 * 1024;

/**
 * Sends the bytes from `start` up to and with `end`, reading each part when the client has taken the one before.
 * Resolves when all is sent or the client is gone; the head must have been written.
 *
 * @throws {StorageError} when the picture cannot be read on; the answer is then broken off
 */
export async function sendInParts(
  response: ServerResponse,
  image: Pick<OpenImage, "read">,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<void> {
  const memory = Buffer.allocUnsafeSlow(Math.min(PART_BYTES, end - start + 1));
  for (let position = start; position <= end && !response.destroyed;) {
    const part = memory.subarray(0, Math.min(memory.length, end - position + 1));
    await image.read(part, position);
    if (!(await writeWhole(response, part))) return;
    position += part.length;
  }
  response.end();
}

/** Resolves when the memory may be used again: true when the part is on its way, false when the client is gone. */
async function writeWhole(response: ServerResponse, part: Buffer): Promise<boolean> {
  if (response.destroyed) return false;
  return new Promise((resolve) => {
    const onClose = (): void => resolve(false);
    response.once("close", onClose);
    response.write(part, (error) => {
      response.off("close", onClose);
      resolve(error === null || error === undefined);
    });
  });
}
