import type { Comparison } from "./rounds.ts";

/** A goal is missed for certain when the ratio is above it by more than rounds scatter. */
const SLACK = 1.25;

const HEAD = ["What", "Ours", "CPU", "Against", "CPU", "Ratio", "Range", "Per second", "Goal"];

/** The comparisons as a Markdown table. */
export function toTable(comparisons: readonly Comparison[]): string {
  const lines = [HEAD, HEAD.map(() => "---"), ...comparisons.map(toCells)];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function toCells(comparison: Comparison): string[] {
  const { what, side, base, sideMicros, baseMicros, ratio, ratioRange, rateRatio } = comparison;
  return [
    what,
    side,
    formatMicros(sideMicros),
    base,
    formatMicros(baseMicros),
    `**${ratio.toFixed(2)}**`,
    ratioRange.map((value) => value.toFixed(2)).join(" to "),
    rateRatio === undefined ? "" : `${rateRatio.toFixed(2)} x`,
    formatGoal(comparison),
  ];
}

function formatMicros(micros: number): string {
  return micros < 1000 ? `${micros.toPrecision(3)} µs` : `${(micros / 1000).toPrecision(3)} ms`;
}

function formatGoal({ goal, ratio }: Comparison): string {
  if (goal === undefined) return "";
  const verdict = ratio <= goal ? "met" : ratio <= goal * SLACK ? "within the scatter" : "missed";
  return `${goal.toFixed(1)}: ${verdict}`;
}
