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
  return steps.map(({ at_ms, ended, climb, random = 0.5, then }) => {
    let seen;
    if (ended) {
      const { end, lived_ms: lived, floor_ms, heartbeat_ms = 25_000, probe = false } = ended;
      if (stops[end]) return [{ stop: stops[end] }, then];
      const { delay, moved = null, failed } = connector.ended({ end, lived, quiet: 2 * heartbeat_ms, after: floor_ms, alive: probe }, random);
      if (failed >= max_attempts) return [{ stop: 'failed' }, then];
      seen = { rung: names[connector.at], delay_ms: delay, moved };
      if (moved) climbAt = connector.at ? at_ms + connector.climb(random) : null;
    } else {
      let moved = null;
      if (climb) {
        connector.climbs++;
        if (climb.worked) {
          connector.climbed(names.indexOf(climb.worked));
          moved = 'climbed';
        }
      // The network has changed.
      } else connector.climbs = 0;
      climbAt = connector.at ? at_ms + (climb ? connector.climb(random) : 0) : null;
      seen = { rung: names[connector.at], moved };
    }
    return [then.stop ? seen : { ...seen, climb_at_ms: climbAt }, then];
  });
}

test('there are scenarios', () => assert.ok(existsSync(folder) && readdirSync(folder).length > 20));

for (const file of existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []) {
  const scenario = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  test(`${scenario.name}: ${scenario.rule}`, () => {
    play(scenario).forEach(([seen, then], step) => assert.deepEqual(seen, then, `step ${step + 1}`));
  });
}
