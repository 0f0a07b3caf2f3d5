import { randomBytes, randomInt } from "node:crypto";

/** The only source of chance, so that tests can fix it. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** An integer in 0..2^32-1: what a seed is drawn from. */
  uint32(): number;
  /** A number in [0, 1), for jitter. */
  fraction(): number;
}

/** Cryptographically strong randomness of the machine. */
export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  uint32: () => randomInt(0, 2 ** 32),
  fraction: () => randomInt(0, 2 ** 47) / 2 ** 47,
};
