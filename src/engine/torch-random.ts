import { valueAt, type Sample } from "./sample.ts";

const STATE_WORDS = 624;
const SHIFT_WORDS = 397;
const BLOCK = 16;

/**
 * The numbers of `torch.Generator("cpu").manual_seed(seed)`, so that a seed means the same latents as in diffusers.
 * Source: mt19937 (Matsumoto, Nishimura 1998); normal numbers as in ATen `normal_fill` (24-bit uniforms, Box-Muller
 * in blocks of 16). torch seeds the CPU generator with the low 32 bits.
 */
export class TorchRandom {
  readonly #state = new Uint32Array(STATE_WORDS);
  #next = STATE_WORDS;

  constructor(seed: number) {
    this.#state[0] = seed % 2 ** 32;
    for (let i = 1; i < STATE_WORDS; i++) {
      const previous = valueAt(this.#state, i - 1);
      this.#state[i] = Math.imul(1_812_433_253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** What `torch.randn(count)` gives next; `count` is 16 or more (torch takes another path below that). */
  normals(count: number): Sample {
    if (count < BLOCK) throw new RangeError(`At least ${BLOCK} normal numbers must be drawn at once`);
    const values = new Float32Array(count);
    this.#fillUniforms(values);
    for (let start = 0; start + BLOCK <= count; start += BLOCK) boxMuller(values.subarray(start, start + BLOCK));
    if (count % BLOCK > 0) {
      const tail = values.subarray(count - BLOCK);
      this.#fillUniforms(tail);
      boxMuller(tail);
    }
    return values;
  }

  #fillUniforms(values: Float32Array): void {
    for (let i = 0; i < values.length; i++) values[i] = (this.#uint32() & 0xff_ffff) / 0x100_0000;
  }

  #uint32(): number {
    if (this.#next === STATE_WORDS) this.#twist();
    let y = valueAt(this.#state, this.#next++);
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c_5680;
    y ^= (y << 15) & 0xefc6_0000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < STATE_WORDS; i++) {
      const y = (valueAt(state, i) & 0x8000_0000) | (valueAt(state, (i + 1) % STATE_WORDS) & 0x7fff_ffff);
      const shifted = valueAt(state, (i + SHIFT_WORDS) % STATE_WORDS) ^ (y >>> 1);
      state[i] = (y & 1) === 1 ? shifted ^ 0x9908_b0df : shifted;
    }
    this.#next = 0;
  }
}

/** Turns 16 uniform numbers into normal ones in place, in 32-bit arithmetic. */
function boxMuller(block: Float32Array): void {
  const { fround } = Math;
  for (let i = 0; i < BLOCK / 2; i++) {
    const radius = fround(Math.sqrt(fround(-2 * fround(Math.log(fround(1 - valueAt(block, i)))))));
    const angle = fround(fround(2 * Math.PI) * valueAt(block, i + BLOCK / 2));
    block[i] = fround(radius * fround(Math.cos(angle)));
    block[i + BLOCK / 2] = fround(radius * fround(Math.sin(angle)));
  }
}
