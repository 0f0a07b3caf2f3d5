import { SETTING_NAMES, getSettingDefinition } from "./settings-table.ts";

const KNOWN_NAMES: readonly string[] = SETTING_NAMES.flatMap((name) =>
  getSettingDefinition(name).secret ? [name, `${name}_FILE`] : [name],
);
/** Long names by what is left without underscores, which are easily forgotten: `LOGLEVEL`. */
const SQUEEZED_NAMES = new Map(KNOWN_NAMES.filter(isLong).map((name) => [squeeze(name), name]));

/**
 * The setting that a name probably meant, or `undefined` when the name is one or is like none.
 * Short names (`HOST`) are compared only in `ours`, a file that is about this server: an environment has `HOME`.
 */
export function suggestSettingName(name: string, where: "environment" | "ours"): string | undefined {
  const candidate = name.toUpperCase();
  if (KNOWN_NAMES.includes(candidate)) return undefined;
  let best = SQUEEZED_NAMES.get(squeeze(candidate));
  let bestDistance = best === undefined ? Infinity : 1;
  for (const known of KNOWN_NAMES) {
    const allowed = known.length < 12 ? 1 : 2;
    // The cheap checks first: this runs for every variable of the environment at every start.
    if (Math.abs(candidate.length - known.length) > allowed) continue;
    if (isLong(known) ? !sharesAnEnd(candidate, known) : where === "environment") continue;
    const distance = editDistance(candidate, known, allowed);
    if (distance > allowed || distance >= bestDistance) continue;
    best = known;
    bestDistance = distance;
  }
  return best;
}

function isLong(name: string): boolean {
  return name.includes("_");
}

function sharesAnEnd(a: string, b: string): boolean {
  return a.startsWith(b.slice(0, 2)) || a.endsWith(b.slice(-2));
}

function squeeze(name: string): string {
  return name.replaceAll(/[_-]/g, "");
}

/** Insertions, deletions, substitutions and swaps of neighbours between two texts; `Infinity` when beyond `allowed`. */
function editDistance(a: string, b: string, allowed: number): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  let previousBest = 0;
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    let best = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforePrevious[j - 2] ?? 0) + 1);
      }
      current.push(cost);
      best = Math.min(best, cost);
    }
    if (best > allowed && previousBest > allowed) return Infinity;
    beforePrevious = previous;
    previous = current;
    previousBest = best;
  }
  return previous[b.length] ?? Infinity;
}
