import type { GenerateImageRequest } from "./generated-image.ts";
import { UpstreamError } from "./upstream-error.ts";

/** What to do with a size that the model does not draw. */
export type SizePolicy = "error" | "snap";

const MAX_PIXELS = 2048;
const FIELDS = ["width", "height"] as const;

/**
 * The request with a size that the model draws, and what was changed, in words.
 *
 * @throws {UpstreamError} `upstream_rejected` naming the field and the nearest sizes, unless the policy is to snap
 */
export function fitSize(
  request: GenerateImageRequest,
  multiple: number,
  policy: SizePolicy,
): { readonly request: GenerateImageRequest; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  let fitted = request;
  for (const field of FIELDS) {
    const pixels = request[field];
    if (pixels === undefined || pixels % multiple === 0) continue;
    if (policy === "error") throw notPossible(field, pixels, multiple);
    const nearest = toNearest(pixels, multiple);
    fitted = { ...fitted, [field]: nearest };
    warnings.push(`The model draws only multiples of ${multiple}: ${field} ${pixels} became ${nearest}`);
  }
  return { request: fitted, warnings };
}

function toNearest(pixels: number, multiple: number): number {
  const most = Math.max(multiple, MAX_PIXELS - (MAX_PIXELS % multiple));
  return Math.min(most, Math.max(multiple, Math.round(pixels / multiple) * multiple));
}

function notPossible(field: (typeof FIELDS)[number], pixels: number, multiple: number): UpstreamError {
  const below = pixels - (pixels % multiple);
  const nearest = [below, below + multiple].filter((size) => size > 0 && size <= MAX_PIXELS).map(String);
  return new UpstreamError("upstream_rejected", {
    state: `the model draws sizes divisible by ${multiple} only`,
    publicMessage: `The model draws only pictures whose width and height are multiples of ${multiple}; nearest to ${field} ${pixels}: ${nearest.join(" or ")}`,
    details: { field, value: pixels, allowed: `multiples of ${multiple}`, nearest },
  });
}
