import type { Comparison } from "./rounds.ts";

/** A goal is missed for certain when the ratio is above it by more than rounds scatter. */
const SLACK = 1.25;

const HEAD = ["What", "Ours", "CPU", "Against", "CPU", "Ratio", "Range", "Per second", "Goal"];

/** One figure beside the one that it is measured against. */
export interface Figure {
  readonly what: string;
  readonly value: string;
  readonly against: string;
  readonly ratio: number;
  /** The ratio that we want to stay under. */
  readonly goal?: number;
}

/** The figures as a Markdown table. */
export function toFigureTable(figures: readonly Figure[]): string {
  const head = ["What", "Value", "Against", "Ratio", "Goal"];
  const rows = figures.map(({ what, value, against, ratio, goal }) => [
    what,
    value,
    against,
    `**${formatRatio(ratio)}**`,
    formatGoal({ ratio, goal }),
  ]);
  return toLines([head, head.map(() => "---"), ...rows]);
}

/** The comparisons as a Markdown table. */
export function toTable(comparisons: readonly Comparison[]): string {
  return toLines([HEAD, HEAD.map(() => "---"), ...comparisons.map(toCells)]);
}

function toLines(rows: readonly (readonly string[])[]): string {
  return rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
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

/** A small one as one of so many. */
function formatRatio(ratio: number): string {
  return ratio < 0.05 ? `1/${Math.round(1 / ratio)}` : String(Number(ratio.toFixed(2)));
}

function formatGoal({ goal, ratio }: { readonly goal: number | undefined; readonly ratio: number }): string {
  if (goal === undefined) return "";
  const verdict = ratio <= goal ? "met" : ratio <= goal * SLACK ? "within the scatter" : "missed";
  return `${formatRatio(goal)}: ${verdict}`;
}
