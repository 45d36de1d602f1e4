// The ladder's rules (docs/clients.md): every row of its table, and what holds whatever comes.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Connector } from '../dist/connector.js';
import { timings } from '../dist/timings.js';
import { seeds } from './chance.mjs';

const QUIET = 50_000;
const RUNGS = 5;

/** Ends of connections over which no first frame came. */
const early = new Set(['unreachable', 'blocked', 'broken', 'mute']);

/** Ends one after another; each with what it was and what is expected. */
function follow(steps, rungs = RUNGS) {
  const connector = new Connector(rungs, timings);
  return steps.map(([end, more = {}, random = 0.5]) => {
    const { at, delay, moved } = connector.ended({ end, lived: early.has(end) ? undefined : 0, quiet: QUIET, alive: true, ...more }, random);
    return [at, delay, moved];
  });
}

const dead = { alive: false };

test('asked: the same rung after exactly what was asked for, up to the bound', () => {
  assert.deepEqual(follow([['asked', { after: 1_234 }], ['asked'], ['asked', { after: 86_400_000 }]]), [[0, 1_234, undefined], [0, 0, undefined], [0, 300_000, undefined]]);
});

test('at_once: the second in a row waits', () => {
  assert.deepEqual(follow([['at_once'], ['at_once'], ['lost', { lived: 6_000 }], ['at_once']]).map(([, delay]) => delay), [0, 250, 250, 0]);
});

for (const end of ['passing', 'unreachable', 'lost']) {
  test(`${end}: the same rung after a delay, and never another one`, () => {
    const results = follow(Array.from({ length: 50 }, () => [end, {}, 0.999_999]));
    assert.deepEqual(results.map(([at, , moved]) => [at, moved]), Array.from({ length: 50 }, () => [0, undefined]));
    const ceilings = Array.from({ length: 50 }, (_, n) => Math.min(500 * 2 ** n, 30_000));
    results.forEach(([, delay], n) => assert.ok(delay < ceilings[n] && delay > 0.99 * ceilings[n], `${n}: ${delay}`));
  });
}

test('passing: not sooner than the server asks, up to the bound', () => {
  assert.deepEqual(follow([['passing', { after: 7_000 }], ['passing', { after: 100 }], ['passing', { after: 900_000 }]]).map(([, delay]) => delay), [7_000, 500, 300_000]);
});

for (const end of ['blocked', 'broken']) {
  test(`${end}: again at once, the second time down`, () => {
    assert.deepEqual(follow([[end], [end], [end], [end]]), [[0, 0, undefined], [1, 0, end], [1, 0, undefined], [2, 0, end]]);
  });
}

test('blocked and broken are one count', () => assert.deepEqual(follow([['blocked'], ['broken']]), [[0, 0, undefined], [1, 0, 'broken']]));

test('mute: down at once', () => assert.deepEqual(follow([['mute'], ['mute']]), [[1, 0, 'mute'], [2, 0, 'mute']]));

test('cut: after delays, the third time down', () => {
  assert.deepEqual(follow([['cut'], ['cut'], ['cut']]), [[0, 250, undefined], [0, 500, undefined], [1, 0, 'cut']]);
});

test('silent: after a delay, the second time down; a life of stable does not forgive it', () => {
  assert.deepEqual(follow([['silent', { lived: QUIET - 1 }], ['silent', { lived: QUIET - 1 }]]), [[0, 250, undefined], [1, 0, 'silent']]);
});

test('silent is forgiven by a life of two heartbeats', () => {
  const lives = [QUIET - 1, QUIET, QUIET - 1].map((lived) => ['silent', { lived }]);
  assert.deepEqual(follow(lives).map(([at]) => at), [0, 0, 1]);
});

test('a life of stable forgives strikes and resets delays', () => {
  const { stable } = timings;
  const ends = [['cut'], ['cut'], ['cut', { lived: stable }], ['cut'], ['cut']];
  assert.deepEqual(follow(ends), [[0, 250, undefined], [0, 500, undefined], [0, 250, undefined], [0, 500, undefined], [1, 0, 'cut']]);
  assert.equal(follow([['cut'], ['cut'], ['cut', { lived: stable - 1 }]])[2][2], 'cut');
});

test('without a probe that is answered nothing speaks against a rung', () => {
  for (const end of ['blocked', 'broken', 'mute', 'cut', 'silent']) {
    assert.deepEqual(follow(Array.from({ length: 9 }, () => [end, dead])).map(([at]) => at), Array(9).fill(0), end);
    const [[, delay]] = follow([[end, dead]]);
    assert.equal(delay, 250, `${end} of a dead server waits`);
  }
});

test('below the last rung it begins again at the top, after a delay', () => {
  const down = follow(Array.from({ length: RUNGS }, () => ['mute']));
  assert.deepEqual(down.map(([at, delay]) => [at, delay]), [[1, 0], [2, 0], [3, 0], [4, 0], [0, 250]]);
});

test('one rung alone is tried for ever, with delays', () => {
  const results = follow(Array.from({ length: 20 }, () => ['mute']), 1);
  assert.ok(results.every(([at, delay, moved]) => at === 0 && delay > 0 && moved === undefined));
});

test('the rungs above are tried after 10 s, then after twice as long, up to 10 min, spread by half', () => {
  const connector = new Connector(RUNGS, timings);
  const intervals = Array.from({ length: 8 }, () => {
    const interval = connector.climb(0.5);
    connector.climbs++;
    return interval;
  });
  assert.deepEqual(intervals, [10, 20, 40, 80, 160, 320, 600, 600].map((s) => s * 1_000));
  assert.equal(connector.climb(0), 300_000);
  assert.equal(connector.climb(0.999), 600_000 * 1.499);
});

test('whatever ends: on the ladder, left only for what a living server shows, waits within bounds', () => seeds(2_000, (dice) => {
  const rungs = 1 + dice.below(RUNGS);
  const connector = new Connector(rungs, timings);
  const leaving = ['blocked', 'broken', 'mute', 'cut', 'silent'];
  let before = 0;
  // An upper bound of how many delays there were since one of them was reset.
  let delays = 0;
  for (let step = 0; step < 200; step++) {
    const end = dice.pick(['asked', 'at_once', 'passing', 'unreachable', 'lost', ...leaving]);
    const alive = dice.chance(0.6);
    const lived = dice.pick([undefined, 0, 100, timings.stable - 1, timings.stable, QUIET, QUIET * 2]);
    const after = dice.pick([undefined, undefined, 10, 5_000, 400_000]);
    const random = dice.next();
    if (lived >= timings.stable) delays = 0;
    const verdict = connector.ended({ end, lived, quiet: QUIET, after, alive }, random);
    const { at, delay, moved, failed } = verdict;
    const said = `${step}: ${end} ${JSON.stringify({ alive, lived, after, before, verdict })}`;
    assert.ok(Number.isInteger(at) && at >= 0 && at < rungs && connector.at === at, said);
    assert.ok(Number.isFinite(delay) && delay >= 0, said);
    assert.ok(Number.isInteger(failed) && failed >= 0, said);
    if (at !== before) assert.ok(alive && leaving.includes(end) && moved === end && at === (before + 1) % rungs, said);
    if (moved) assert.ok(at !== before, said);
    const hint = Math.min(after ?? 0, timings.hintMax);
    const ceiling = Math.min(timings.backoffFirst * 2 ** delays, timings.backoffMax);
    if (end === 'asked') assert.equal(delay, hint, said);
    else assert.ok(delay <= Math.max(ceiling * random, hint) + 1e-6, said);
    // What waits at all honours the floor; what does not is at once.
    if (['passing', 'unreachable', 'lost'].includes(end)) assert.ok(delay >= hint, said);
    if (end !== 'asked') delays++;
    before = at;
  }
}));

test('full jitter: the whole range, evenly', () => {
  const buckets = Array(10).fill(0);
  for (let n = 0; n < 1_000; n++) {
    const { delay } = new Connector(RUNGS, timings).ended({ end: 'lost', lived: 0, quiet: 0 }, n / 1_000);
    buckets[Math.floor(delay / 50)]++;
  }
  assert.deepEqual(buckets, Array(10).fill(100));
});
