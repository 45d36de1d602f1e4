// The rules of the ladder (docs/clients.md): what follows on the end of a connection. Pure: the clock, chance and the
// connections are elsewhere.

import type { MoveReason, Timings } from "./types.ts";

/** How a connection ended. */
export type End =
  | "asked" | "at_once" | "passing" | "unreachable" | "lost"
  | "blocked" | "broken" | "mute" | "cut" | "silent";

export interface Ended {
  end: End;
  /** Milliseconds from the first frame to the last byte. */
  lived: number;
  /** Twice the server's heartbeat, in milliseconds. */
  quiet: number;
  /** What the server asked for: exactly so long if `asked`, else at least. */
  after?: number | undefined;
  /** The server was well when it ended. */
  alive?: boolean;
}

export interface Verdict {
  /** The rung to try next. */
  at: number;
  delay: number;
  /** Why the rung was left, if it was. */
  moved?: MoveReason;
  /** Attempts in a row that did not work. */
  failed: number;
}

/** Ends that speak against a rung, and how many in a row leave it. */
const strikes: Partial<Record<End, number>> = { blocked: 2, broken: 2, mute: 1, cut: 3, silent: 2 };

export class Connector {
  /** The rung in use or tried. */
  at = 0;
  #rungs: number;
  #timings: Timings;
  #strikes = 0;
  #silences = 0;
  #delays = 0;
  #atOnce = false;
  #failed = 0;
  #climbs = 0;

  constructor(rungs: number, timings: Timings) {
    this.#rungs = rungs;
    this.#timings = timings;
  }

  /** What follows. `random` is in 0..1. */
  ended(ended: Ended, random: number): Verdict {
    const { lived, quiet, after, alive } = ended;
    const { hintMax, stable } = this.#timings;
    let { end } = ended;
    if (lived >= stable) this.#strikes = this.#delays = this.#failed = 0;
    if (lived >= quiet) this.#silences = 0;
    const needed = strikes[end] ?? 0;
    if (needed && !alive) end = "unreachable";
    const again = this.#atOnce;
    this.#atOnce = end === "at_once";
    if (end !== "asked") this.#failed++;
    const hint = Math.min(after ?? 0, hintMax);
    if (end === "asked") return this.#verdict(hint);
    if (end === "at_once" && !again) return this.#verdict(0);
    if (needed && alive) {
      const count = end === "silent" ? ++this.#silences : ++this.#strikes;
      if (count >= needed) return this.#down(end as MoveReason, random);
      if (end === "blocked" || end === "broken") return this.#verdict(0);
    }
    return this.#verdict(Math.max(this.#backoff(random), hint));
  }

  /** A connection over a better rung works. */
  climbed(at: number): void {
    this.at = at;
    this.#strikes = this.#silences = this.#climbs = 0;
  }

  /** When the rungs above are tried again. */
  climb(random: number): number {
    const { climbFirst, climbMax } = this.#timings;
    return Math.min(climbFirst * 2 ** this.#climbs++, climbMax) * (0.5 + random);
  }

  #down(reason: MoveReason, random: number): Verdict {
    this.#strikes = this.#silences = this.#climbs = 0;
    if (this.#rungs === 1) return this.#verdict(this.#backoff(random));
    this.at = (this.at + 1) % this.#rungs;
    return { ...this.#verdict(this.at ? 0 : this.#backoff(random)), moved: reason };
  }

  #backoff(random: number): number {
    const { backoffFirst, backoffMax } = this.#timings;
    return Math.min(backoffFirst * 2 ** Math.min(this.#delays++, 20), backoffMax) * random;
  }

  #verdict(delay: number): Verdict {
    return { at: this.at, delay, failed: this.#failed };
  }
}
