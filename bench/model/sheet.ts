import type { RgbImage } from "../../src/core/png.ts";

const GAP = 8;
const WHITE = 255;

/** Pictures of one size in rows of so many, with white between them. */
export function toSheet(pictures: readonly RgbImage[], columns: number): RgbImage {
  const [{ width: cellWidth, height: cellHeight } = { width: 0, height: 0 }] = pictures;
  const rows = Math.ceil(pictures.length / columns);
  const width = columns * (cellWidth + GAP) + GAP;
  const height = rows * (cellHeight + GAP) + GAP;
  const rgb = new Uint8Array(width * height * 3).fill(WHITE);
  for (const [index, picture] of pictures.entries()) {
    const left = GAP + (index % columns) * (cellWidth + GAP);
    const top = GAP + Math.floor(index / columns) * (cellHeight + GAP);
    for (let y = 0; y < cellHeight; y++) {
      const row = picture.rgb.subarray(y * cellWidth * 3, (y + 1) * cellWidth * 3);
      rgb.set(row, ((top + y) * width + left) * 3);
    }
  }
  return { width, height, rgb };
}
