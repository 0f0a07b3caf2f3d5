/** What one side did in one round. */
export interface Sample {
  /** Of the measured process, per unit of work. */
  readonly cpuMicros: number;
  /** Units of work per second, where that means something. */
  readonly perSecond?: number;
}

/** One of the things that are compared; `run` does a fixed amount of work. */
export interface Side {
  readonly name: string;
  readonly run: () => Promise<Sample>;
}

/** The samples of each side, by round. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

/** Runs every side once per round, in an order that turns around each time, so that no side owns the quiet moments. */
export async function runRounds(sides: readonly Side[], rounds: number): Promise<Samples> {
  const samples = new Map<string, Sample[]>(sides.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      samples.get(side.name)?.push(await side.run());
    }
  }
  return samples;
}

/** One side against another: medians of each, and the median of the ratios within each round. */
export interface Comparison {
  readonly what: string;
  readonly side: string;
  readonly base: string;
  readonly sideMicros: number;
  readonly baseMicros: number;
  readonly ratio: number;
  /** The ratio of the round that was best for the side, and of the worst. */
  readonly ratioRange: readonly [number, number];
  /** Above 1: the side did more per second. */
  readonly rateRatio: number | undefined;
  /** The ratio that we want to stay under. */
  readonly goal: number | undefined;
}

export function compare(
  samples: Samples,
  names: {
    readonly what: string;
    readonly side: string;
    readonly base: string;
    /** A side that does what both have in common; it is taken off both. */
    readonly less?: string;
    readonly goal?: number;
  },
): Comparison {
  const common = names.less === undefined ? undefined : samplesOf(samples, names.less);
  const side = without(samplesOf(samples, names.side), common);
  const base = without(samplesOf(samples, names.base), common);
  const ratios = side.map((sample, round) => sample.cpuMicros / (base[round]?.cpuMicros ?? Number.NaN));
  const rates = side.flatMap(({ perSecond }, round) => {
    const other = base[round]?.perSecond;
    return perSecond === undefined || other === undefined ? [] : [perSecond / other];
  });
  return {
    what: names.what,
    side: names.side,
    base: names.base,
    sideMicros: median(side.map(({ cpuMicros }) => cpuMicros)),
    baseMicros: median(base.map(({ cpuMicros }) => cpuMicros)),
    ratio: median(ratios),
    ratioRange: [Math.min(...ratios), Math.max(...ratios)],
    rateRatio: rates.length === 0 ? undefined : median(rates),
    goal: names.goal,
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

function without(samples: readonly Sample[], common: readonly Sample[] | undefined): readonly Sample[] {
  if (common === undefined) return samples;
  return samples.map(({ cpuMicros }, round) => ({ cpuMicros: cpuMicros - (common[round]?.cpuMicros ?? 0) }));
}

function samplesOf(samples: Samples, name: string): readonly Sample[] {
  const found = samples.get(name);
  if (found === undefined || found.length === 0) throw new Error(`There are no samples of ${name}`);
  return found;
}
