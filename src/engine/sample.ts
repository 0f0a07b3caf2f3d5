/** The numbers of one latent picture, flat, channel by channel. */
export type Sample = Float32Array<ArrayBuffer>;

/** The weighted sum of samples of one length: summed in 64 bits, rounded once. */
export function weightedSum(...terms: readonly (readonly [weight: number, sample: Sample])[]): Sample {
  const length = terms[0]?.[1].length ?? 0;
  const sums = new Float64Array(length);
  for (const [weight, sample] of terms) {
    if (sample.length !== length)
      throw new RangeError(`Samples of ${length} and ${sample.length} numbers cannot be added`);
    // NOTE: `?? 0` is never taken: it is the form of a checked access that compiles to fast code.
    for (let i = 0; i < length; i++) sums[i] = (sums[i] ?? 0) + weight * (sample[i] ?? 0);
  }
  return new Float32Array(sums);
}

/** The sample with every number held between `-limit` and `limit`. */
export function clamp(sample: Sample, limit: number): Sample {
  return sample.map((value) => Math.min(limit, Math.max(-limit, value)));
}

/** Standard deviation over the whole sample (as torch's `std`: divided by n - 1). */
export function standardDeviation(sample: Sample): number {
  let sum = 0;
  for (const value of sample) sum += value;
  const mean = sum / sample.length;
  let squares = 0;
  for (const value of sample) squares += (value - mean) ** 2;
  return Math.sqrt(squares / Math.max(1, sample.length - 1));
}

/** The number at a place that exists; a place that does not is a bug. */
export function valueAt(values: ArrayLike<number>, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`Index ${index} is outside 0..${values.length - 1}`);
  return value;
}
