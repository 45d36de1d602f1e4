// Faults of networks, rungs and runtimes, and what the ladder does about them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { until } from '../browser.mjs';
import { FaultProxy } from '../fault-proxy.mjs';
import { publishing, upTo } from './tab.mjs';

/** The table that all clients pass. */
const table = JSON.parse(readFileSync(new URL('../../matrix.json', import.meta.url), 'utf8'));

export const LADDER = table.ladder;

/** As the server's configuration says it. */
export const HEARTBEAT = `${table.heartbeat_ms}ms`;

/** Quick, and slow enough for a busy machine. */
export const TIMINGS = Object.fromEntries(Object.entries(table.timings_ms).map(([name, ms]) => [name.replace(/_(.)/g, (_, letter) => letter.toUpperCase()), ms]));

/** All cases: fault × rung. */
export function* cases() {
  for (const [fault, { leaves }] of Object.entries(table.faults)) for (const rung of Object.keys(leaves)) yield { fault, rung };
}

/** Follows a channel through a fault from one rung on; fails unless the ladder goes as it should and nothing is lost. */
export async function run({ engine, server, fault, rung }) {
  const { fault: what, leaves, times = 1 } = table.faults[fault];
  const from = LADDER.indexOf(rung);
  const channel = `matrix:${engine.name}:${rung}:${fault}`.replaceAll(' ', '-');
  const proxy = await FaultProxy.start({ port: server.port });
  const flow = publishing(server, channel, 15);
  let client;
  try {
    await proxy.set([{ on: [rung], fault: what }]);
    client = await engine.open(proxy.origin, channel, { transports: LADDER.slice(from), timings: TIMINGS, tabs: false });
    const expected = leaves[rung];
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
