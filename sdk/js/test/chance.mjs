// Chance that can be repeated: a failing seed is named in the test's error.

/** Numbers in 0..1 (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Dice {
  constructor(seed) {
    this.next = random(seed);
  }

  /** 0 to below `bound`. */
  below(bound) {
    return Math.floor(this.next() * bound);
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  chance(part) {
    return this.next() < part;
  }
}

/** Runs it with so many seeds, or with that of `SEED` alone. */
export async function seeds(count, run) {
  const { SEED } = process.env;
  const [from, to] = SEED ? [Number(SEED), Number(SEED) + 1] : [1, count + 1];
  for (let seed = from; seed < to; seed++) {
    try {
      await run(new Dice(seed), seed);
    } catch (error) {
      error.message = `SEED=${seed}: ${error.message}`;
      throw error;
    }
  }
}
