// The rules of the ladder (docs/clients.md): what follows on the end of a connection, and when the rungs above are tried. Pure: the
// clock, chance and the connections are elsewhere.

import type { MoveReason, Timings } from "./types.ts";

/** How a connection ended. */
export type End =
  | "asked" | "at_once" | "passing" | "unreachable" | "lost"
  | "blocked" | "broken" | "mute" | "cut" | "silent";

export interface Ended {
  end: End;
  /** Milliseconds from the first frame to the last byte; absent if no first frame came. */
  lived?: number | undefined;
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
  /** Connections in a row without a first frame. */
  failed: number;
}

/** Ends that speak against a rung, and how many leave it. */
const limits: Partial<Record<End, number>> = { blocked: 2, broken: 2, mute: 1, cut: 3, silent: 2 };

export class Connector {
  /** The rung in use or tried. */
  at = 0;
  /** How often the rungs above were tried, since the doubling began. */
  climbs = 0;
  #rungs: number;
  #timings: Timings;
  #strikes: Partial<Record<End, number>> = {};
  /** The rungs over which a first frame ever came. */
  #worked = new Set<number>();
  /** A connection lived for two heartbeats on the present rung. */
  #settled = false;
  #delays = 0;
  #atOnce = false;
  #failed = 0;

  constructor(rungs: number, timings: Timings) {
    this.#rungs = rungs;
    this.#timings = timings;
  }

  /** What follows. `random` is in 0..1. */
  ended({ end, lived, quiet, after = 0, alive }: Ended, random: number): Verdict {
    this.#learn(lived, quiet);
    const hint = Math.min(after, this.#timings.hintMax);
    const again = this.#atOnce;
    this.#atOnce = end === "at_once";
    const limit = limits[end];
    if (alive && limit) {
      const kind = end === "broken" ? "blocked" : end;
      const count = (this.#strikes[kind] = (this.#strikes[kind] ?? 0) + 1);
      if (count >= limit) return this.#down(end as MoveReason, hint, random);
      if (!this.#worked.has(this.at)) return this.#verdict(0);
    }
    if (end === "asked") return this.#verdict(hint);
    return this.#verdict(this.#atOnce && !again ? 0 : this.#backoff(hint, random));
  }

  /** A connection over a better rung works. */
  climbed(at: number): void {
    this.at = at;
    this.#strikes = {};
    this.#settled = false;
  }

  /** How long until the rungs above are tried. */
  climb(random: number): number {
    const { climbFirst, climbMax } = this.#timings;
    return Math.min(climbFirst * 2 ** this.climbs, climbMax) * (0.5 + random);
  }

  #learn(lived: number | undefined, quiet: number): void {
    if (lived === undefined) {
      this.#failed++;
      return;
    }
    this.#failed = 0;
    this.#worked.add(this.at);
    if (lived >= this.#timings.stable) {
      const { silent = 0 } = this.#strikes;
      this.#strikes = { silent };
      this.#delays = 0;
      this.#atOnce = false;
    }
    if (lived >= quiet) {
      this.#strikes.silent = 0;
      this.#settled = true;
    }
  }

  /** To the rung below; below the last one it begins again at the top, after a delay. */
  #down(reason: MoveReason, hint: number, random: number): Verdict {
    const from = this.at;
    const at = (from + 1) % this.#rungs;
    if (this.#settled || !at) this.climbs = 0;
    this.climbed(at);
    return { ...this.#verdict(at ? 0 : this.#backoff(hint, random)), ...(at !== from && { moved: reason }) };
  }

  #backoff(hint: number, random: number): number {
    const { backoffFirst, backoffMax } = this.#timings;
    return Math.max(hint, Math.min(backoffFirst * 2 ** this.#delays++, backoffMax) * random);
  }

  #verdict(delay: number): Verdict {
    return { at: this.at, delay, failed: this.#failed };
  }
}
