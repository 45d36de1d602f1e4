// A minute of the master property; `node sdk/master.mjs --minutes 20` is the long proof. Without a seed in `SEED` each run has another one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, master } from './master.mjs';

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

test(`nothing is lost, repeated or reordered, whatever happens (seed ${seed})`, { timeout: 240_000 }, async (t) => {
  const counts = await master({ minutes: 1, seed, log: () => {} });
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.published > 5_000 && counts.received > 10_000, 'enough happened to be worth it');
});

const ledger = (entries) => ({ entries, at: ({ epoch, offset }) => { const at = entries.findIndex((each) => each.epoch === epoch && each.offset === offset); return at < 0 ? undefined : at; } });
const [a1, a2, a3, b1] = [['a', 1], ['a', 2], ['a', 3], ['b', 1]].map(([epoch, offset]) => ({ epoch, offset }));
const restart = { epoch: 'b', from: null, to: 0, reason: 'epoch_changed' };

for (const [what, told, fails] of [
  ['all', [a1, a2, a3, restart, b1], false],
  ['a loss that is told', [a1, restart, b1], false],
  ['a loss', [a1, a3], true],
  ['a loss over a restart', [a1, a2, b1], true],
  ['a repetition', [a1, a2, a2, a3], true],
  ['disorder', [a2, a1], true],
  ['a gap where nothing is lost', [a1, { ...restart, epoch: 'a' }, a2], true],
  ['what nobody published', [a1, { epoch: 'a', offset: 9 }], true],
]) {
  test(`the judge ${fails ? 'sees' : 'accepts'} ${what}`, () => {
    const judged = () => judge(told, ledger([a1, a2, a3, b1]), what);
    if (fails) assert.throws(judged);
    else judged();
  });
}
