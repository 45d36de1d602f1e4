// Faults of networks, rungs and runtimes, and what the ladder does about them.

import assert from 'node:assert/strict';
import { until } from '../browser.mjs';
import { FaultProxy } from '../fault-proxy.mjs';
import { publishing, upTo } from './tab.mjs';

export const LADDER = ['websocket', 'sse', 'sse-post', 'long-poll', 'poll'];
const STREAMS = ['websocket', 'sse', 'sse-post'];

/** Quick, and slow enough for a busy machine. */
export const TIMINGS = {
  firstFrame: 1_500, stable: 500, backoffFirst: 50, backoffMax: 400, climbFirst: 60_000, wait: 1_000, pollPause: 50, request: 2_000,
};

/**
 * What is done to the requests of a rung; `leaves`: the reason for which each rung is left by it, or null where it stays.
 * `times`: how often it must have happened before the case is over.
 */
export const FAULTS = {
  // The first request of a long poll does not wait: what is done to those that wait is done to a rung that works.
  '403': { fault: { status: 403 }, leaves: (rung) => [rung === 'long-poll' ? 'cut' : 'blocked'] },
  '502': { fault: { status: 502 }, leaves: (rung) => [rung === 'long-poll' ? 'cut' : 'blocked'] },
  'no upgrade': { fault: { strip_upgrade: true }, rungs: ['websocket'], leaves: () => ['blocked'] },
  reset: { fault: { refuse: true }, leaves: (rung) => [rung === 'long-poll' ? 'cut' : 'blocked'] },
  stalls: { fault: { stall: true }, leaves: (rung) => [rung === 'long-poll' ? 'silent' : 'mute'] },
  // A poll is one answer, which loses nothing by being held until it is whole.
  'held whole': { fault: { buffer: true }, rungs: ['sse', 'sse-post', 'long-poll', 'poll'], leaves: (rung) => (STREAMS.includes(rung) ? ['mute'] : null) },
  'held by 16 KiB': { fault: { buffer_bytes: 16_384 }, rungs: ['sse', 'sse-post'], leaves: () => ['mute'] },
  'cut in the first frame': { fault: { cut_bytes: 20 }, leaves: (rung) => (rung === 'long-poll' ? ['cut'] : ['broken', 'blocked']) },
  'cut at once': { fault: { cut_ms: 150 }, leaves: (rung) => (STREAMS.includes(rung) ? ['cut'] : null) },
  'cut now and then': { fault: { cut_ms: 1_200 }, leaves: () => null, times: 3 },
  'silent after a while': { fault: { stall_ms: 300 }, rungs: STREAMS, leaves: () => ['silent'] },
  throttled: { fault: { throttle: 20_000 }, leaves: () => null },
  'late, some more': { fault: { jitter_ms: 300 }, leaves: () => null },
};

/** All cases: fault × rung. */
export function* cases() {
  for (const [fault, { rungs = LADDER }] of Object.entries(FAULTS)) for (const rung of rungs) yield { fault, rung };
}

/** Follows a channel through a fault from one rung on; fails unless the ladder goes as it should and nothing is lost. */
export async function run({ engine, server, fault, rung }) {
  const { fault: what, leaves, times = 1 } = FAULTS[fault];
  const from = LADDER.indexOf(rung);
  const channel = `matrix:${engine.name}:${rung}:${fault}`.replaceAll(' ', '-');
  const proxy = await FaultProxy.start({ port: server.port });
  const flow = publishing(server, channel, 15);
  let client;
  try {
    await proxy.set([{ on: [rung], fault: what }]);
    client = await engine.open(proxy.origin, channel, { transports: LADDER.slice(from), timings: TIMINGS, tabs: false });
    const expected = leaves(rung);
    const next = LADDER[from + 1];
    const happened = async () => (await proxy.log()).filter(({ fault }) => fault).length;
    if (!expected) {
      await until('the fault happened', happened, (count) => count >= times, 20_000);
      await until('it works', client.read, ({ seen }) => seen.length > 20, 20_000);
      assert.deepEqual((await client.read()).moves, []);
    } else if (next) {
      const { moves } = await until('it moved', client.read, ({ moves, seen, transport }) => moves.length && transport === next && seen.length > 5, 30_000);
      assert.equal(moves.length, 1);
      assert.deepEqual({ from: moves[0].from, to: moves[0].to }, { from: rung, to: next });
      assert.ok(expected.includes(moves[0].reason), `left for ${moves[0].reason}, not ${expected}`);
    } else {
      // There is nothing below: it waits until the network lets it through.
      await until('it is waiting', client.read, ({ states }) => states.filter(({ state }) => state === 'waiting').length > 1, 20_000);
      await proxy.clear();
    }
    await flow.more(10);
    const count = await flow.stop();
    await until('all came', client.read, ({ seen }) => seen.length >= count, 30_000);
    const { seen, gaps, failed, closed } = await client.read();
    assert.deepEqual(seen, upTo(count));
    assert.deepEqual({ gaps, failed, closed }, { gaps: [], failed: [], closed: [] });
  } finally {
    await flow.stop();
    await client?.close();
    await proxy.stop();
  }
}
