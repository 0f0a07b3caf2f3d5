const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** A number of bytes as a person reads it: `8.9 MB`. */
export function toBytes(sizeBytes: number): string {
  let size = sizeBytes;
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 || size >= 99.95 ? Math.round(size) : size.toFixed(1)} ${UNITS[unit]}`;
}
