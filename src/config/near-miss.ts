import { SETTING_NAMES, getSettingDefinition } from "./settings-table.ts";

const KNOWN_NAMES: ReadonlySet<string> = new Set(
  SETTING_NAMES.flatMap((name) => (getSettingDefinition(name).secret ? [name, `${name}_FILE`] : [name])),
);
const MAX_NAME_CHARACTERS = 40;

/**
 * The setting that a name probably meant, or `undefined` when the name is one or is like none.
 * Short names (`HOST`) are compared only in `ours`, a file that is about this server: an environment has `HOME`.
 */
export function suggestSettingName(name: string, where: "environment" | "ours"): string | undefined {
  const candidate = name.toUpperCase();
  if (KNOWN_NAMES.has(candidate) || candidate.length > MAX_NAME_CHARACTERS) return undefined;
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const known of KNOWN_NAMES) {
    if (where === "environment" && !known.includes("_")) continue;
    const distance =
      candidate.replaceAll(/[_-]/g, "") === known.replaceAll("_", "") ? 1 : editDistance(candidate, known);
    if (distance > (known.length < 12 ? 1 : 2) || distance >= bestDistance) continue;
    best = known;
    bestDistance = distance;
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours between two texts. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforePrevious[j - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
