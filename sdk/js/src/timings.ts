// How patient a client is.

import type { Timings } from "./types.ts";

export const timings: Timings = {
  firstFrame: 3_000,
  request: 10_000,
  backoffFirst: 500,
  backoffMax: 30_000,
  stable: 5_000,
  climbFirst: 10_000,
  climbMax: 600_000,
  wait: 30_000,
  pollPause: 2_000,
  hintMax: 300_000,
  remember: 600_000,
  keyTime: 240_000,
  tabAnswer: 2_000,
};
