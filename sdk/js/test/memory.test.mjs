// Ten thousand reconnects leave nothing behind: no timer, no listener, no memory. Each measure is shown to fail where something does leak.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { Tidings } from '../dist/client.js';
import { TidingsError } from '../dist/errors.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
const turn = () => new Promise((resolve) => setImmediate(resolve));

// A wait of nothing takes a millisecond in Node; here it takes a turn.
const { setTimeout: later, clearTimeout: cancel } = globalThis;
globalThis.setTimeout = (act, ms, ...given) => (ms ? later(act, ms, ...given) : setImmediate(act));
globalThis.clearTimeout = (timer) => (timer?.constructor.name === 'Immediate' ? clearImmediate(timer) : cancel(timer));

const ROUNDS = 10_000;
const WARM = 2_000;
/** Bytes that a reconnect may leave; a closure or a listener takes more. */
const EACH = 40;

async function heap() {
  for (let n = 0; n < 3; n++) {
    gc();
    await turn();
  }
  return process.memoryUsage().heapUsed;
}

/** A client whose connections are cut at once, so many times. `leak` is called at each. */
async function reconnects({ kind, leak = () => {} }) {
  let opened = 0;
  let until = 0;
  let reached = () => {};
  const offsets = { next: 0 };
  const transport = {
    name: 'websocket',
    usable: () => true,
    open(_, sink) {
      opened++;
      leak(sink, opened);
      const asks = sink.asks();
      // As a server that takes everybody and ends at once.
      queueMicrotask(() => {
        sink.frame({ type: 'hello', client: 'c', session: 's', heartbeat: 25, channels: Object.fromEntries(asks.map(({ name }) => [name, { epoch: 'e', offset: offsets.next, recovered: true }])) });
        sink.frame({ type: 'message', channel: 'a', epoch: 'e', offset: ++offsets.next, data: { some: 'payload' }, time: 1 });
        if (opened >= until) return reached();
        if (kind === 'refresh') setImmediate(() => tidings.engine.link.refresh());
        else sink.end(kind === 'asked' ? 'asked' : 'lost', new TidingsError('unreachable', 'cut', true), 0);
      });
      return { send() {}, change() {}, close() {} };
    },
  };
  const tidings = new Tidings('http://server', {
    transports: [transport],
    fetch: async () => new Response('ok'),
    timings: { backoffFirst: 0, backoffMax: 0 },
  });
  const stop = new AbortController();
  let got = 0;
  tidings.channel('a').on('message', () => got++, { signal: stop.signal });
  tidings.on('$state', () => {}, { signal: stop.signal });
  const go = (count) => {
    until = opened + count;
    const done = new Promise((resolve) => (reached = resolve));
    tidings.engine.link.refresh();
    return done;
  };
  await go(WARM);
  const before = { heap: await heap(), timers: timers(), listeners: getEventListeners(stop.signal, 'abort').length };
  await go(ROUNDS);
  const later = { heap: await heap(), timers: timers(), listeners: getEventListeners(stop.signal, 'abort').length };
  assert.ok(got >= WARM + ROUNDS, `${got} messages`);
  tidings.close();
  return { before, later, each: (later.heap - before.heap) / ROUNDS };
}

const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

function check({ before, later, each }) {
  assert.ok(each < EACH, `${each.toFixed(1)} bytes each`);
  assert.ok(later.timers <= before.timers + 1, `${later.timers} timers, ${before.timers} before`);
  assert.equal(later.listeners, before.listeners);
}

for (const kind of ['asked', 'lost', 'refresh']) {
  test(`${ROUNDS} connections that end by ${kind}`, { timeout: 60_000 }, async (context) => {
    const seen = await reconnects({ kind });
    context.diagnostic(`${seen.each.toFixed(1)} bytes each`);
    check(seen);
  });
}

test('what leaks is seen', { timeout: 60_000 }, async () => {
  const kept = [];
  await assert.rejects(async () => check(await reconnects({ kind: 'asked', leak: (sink) => kept.push(() => sink) })), /bytes each/);
  const waiting = [];
  await assert.rejects(async () => {
    const seen = await reconnects({ kind: 'asked', leak: (_, opened) => opened % 100 || waiting.push(setTimeout(() => {}, 60_000)) });
    // Timers alone, whatever they weigh.
    check({ ...seen, each: 0 });
  }, /timers/);
  for (const timer of waiting) clearTimeout(timer);
  assert.ok(kept.length >= ROUNDS);
});
