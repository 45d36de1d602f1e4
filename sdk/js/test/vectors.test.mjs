// The scenarios of conformance/connector, which all clients run (its README.md says what they are).

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { Connector } from '../dist/connector.js';
import { timings } from '../dist/timings.js';

const folder = new URL('../../../conformance/connector/', import.meta.url);
const ladder = ['websocket', 'sse', 'sse-post', 'long-poll', 'poll'];

/** Ends that the link decides about without asking the connector. */
const stops = { final: 'final', closed: 'done' };

/** Steps through a scenario, and gives what this client does beside what is expected. */
function play({ options = {}, steps }) {
  const { rung, max_attempts = Infinity } = options;
  const names = rung ? [rung] : ladder;
  const connector = new Connector(names.length, timings);
  let climbAt = null;
  return steps.map(({ at_ms, ended, climb, network, random = 0.5, then }) => {
    let seen;
    if (ended) {
      const { end, lived_ms = 0, floor_ms, heartbeat_ms = 25_000, probe = false } = ended;
      if (stops[end]) return [{ stop: stops[end] }, then];
      const { delay, moved = null, failed } = connector.ended({ end, lived: lived_ms, quiet: 2 * heartbeat_ms, after: floor_ms, alive: probe }, random);
      if (failed >= max_attempts) return [{ stop: 'failed' }, then];
      seen = { rung: names[connector.at], delay_ms: delay, moved };
      if (moved) climbAt = connector.at ? at_ms + connector.climb(random) : null;
    } else {
      let moved = null;
      if (climb) {
        const { worked } = climb;
        if (worked) {
          connector.climbed(names.indexOf(worked));
          moved = 'climbed';
        }
        climbAt = connector.at ? at_ms + connector.climb(random) : null;
      } else if (network && connector.at) climbAt = at_ms;
      seen = { rung: names[connector.at], moved };
    }
    return [then.stop ? seen : { ...seen, climb_at_ms: climbAt }, then];
  });
}

/** What this client does otherwise, and in what. A scenario that holds stands here no more. */
const delayed = '`blocked` and `broken` are tried again at once, whether or not the rung ever worked';
const doubling = 'every climb that works begins the doubling anew';
const otherwise = {
  'at-once': 'a life of stable begins no new row',
  'blame-needs-a-probe': delayed,
  'climb-half-way': doubling,
  'climb-that-did-not-last': doubling,
  'climb-to-the-top': delayed,
  'cut-and-broken': '`cut` and `broken` are one count',
  'max-attempts': 'only a life of stable begins a new row of attempts, not a first frame',
  'network-change': 'a change of the network does not begin the doubling anew',
  'stable-forgives': delayed,
  'strike-after-work': delayed,
};

test('there are scenarios', () => assert.ok(existsSync(folder) && readdirSync(folder).length > 20));

for (const file of existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []) {
  const scenario = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  const differs = otherwise[scenario.name];
  test(`${scenario.name}: ${scenario.rule}${differs ? ` (not yet: ${differs})` : ''}`, () => {
    const follow = () => play(scenario).forEach(([seen, then], step) => assert.deepEqual(seen, then, `step ${step + 1}`));
    if (differs) assert.throws(follow, 'it holds now: take it out of `otherwise`');
    else follow();
  });
}
