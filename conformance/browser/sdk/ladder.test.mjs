// What a client does over a network that changes: down and up the ladder, through restarts, reloads, sleep; and what the server learns of it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../browser.mjs';
import { FaultProxy } from '../fault-proxy.mjs';
import { Server } from '../server.mjs';
import { engines } from './engines.mjs';
import { TIMINGS } from './matrix.mjs';
import { publishing, upTo } from './tab.mjs';

const NAMES = (process.env.ENGINES ?? 'node,chromium,firefox').split(',');
const SETTINGS = ['--set', 'limits.heartbeat=1s', '--set', 'history.count=100000', '--demo'];

let runtimes;
before(async () => {
  runtimes = await engines(NAMES);
});
after(async () => {
  await Promise.all(Object.values(runtimes ?? {}).map((engine) => engine.stop()));
});

/** A client behind a proxy before a server of its own, a channel in which something happens, and the end of all of it. */
async function scene(name, options, act) {
  const server = await Server.start(0, { options: SETTINGS });
  const proxy = await FaultProxy.start({ port: server.port });
  const channel = 'ladder';
  const flow = publishing(server, channel, 15);
  let client;
  try {
    await act({
      server, proxy, channel, flow,
      open: async (more) => (client = await runtimes[name].open(proxy.origin, channel, { timings: TIMINGS, tabs: false, ...options, ...more })),
    });
  } finally {
    await flow.stop();
    await client?.close();
    await proxy.stop();
    await server.kill();
  }
}

/** Fails unless a client has all that was published, once and in order, and was told of no loss. */
async function whole(client, flow) {
  const count = await flow.stop();
  await until('all came', client.read, ({ seen }) => seen.length >= count, 30_000);
  const { seen, gaps, failed } = await client.read();
  assert.deepEqual(seen, upTo(count));
  assert.deepEqual({ gaps, failed }, { gaps: [], failed: [] });
}

const moves = ({ moves }) => moves.map(({ from, to, reason }) => `${from} > ${to}: ${reason}`);

describe('ladder', { concurrency: 3 }, () => {
  for (const name of NAMES) {
    test(`down to where it is let through, and up again (${name})`, () =>
      scene(name, { timings: { ...TIMINGS, climbFirst: 1_500 } }, async ({ server, proxy, flow, open }) => {
        await proxy.set([
          { on: ['websocket'], fault: { status: 403 } },
          { on: ['sse'], fault: { buffer: true } },
        ]);
        const client = await open();
        await until('it is down', client.read, ({ transport, state }) => transport === 'sse-post' && state === 'open');
        await proxy.clear();
        const told = await until('it is up', client.read, ({ transport }) => transport === 'websocket', 30_000);
        const down = ['websocket > sse: blocked', 'sse > sse-post: mute'];
        assert.deepEqual(moves(told).slice(0, 2), down);
        assert.equal(moves(told).at(-1), 'sse-post > websocket: climbed');
        assert.ok(!told.states.slice(told.states.findLastIndex(({ transport }) => transport === 'sse-post')).some(({ state }) => state === 'waiting'), 'made before it is broken');
        await flow.more(20);
        await whole(client, flow);
        const metrics = await server.ask('/metrics');
        for (const labels of ['from="websocket",to="sse",reason="blocked"', 'from="sse",to="sse-post",reason="mute"', 'from="sse-post",to="websocket",reason="climbed"']) {
          assert.match(metrics, new RegExp(`^tidings_client_moves_total\\{${labels}\\} [1-9]`, 'm'));
        }
      }));

    test(`a server that cannot be reached is waited for where one is (${name})`, () =>
      scene(name, {}, async ({ proxy, flow, open }) => {
        const client = await open();
        await until('it works', client.read, ({ seen }) => seen.length > 5);
        await proxy.down();
        await until('it waits', client.read, ({ states }) => states.filter(({ state }) => state === 'waiting').length > 4);
        await proxy.up();
        await flow.more(20);
        const told = await until('it works again', client.read, ({ state, transport }) => state === 'open' && transport === 'websocket');
        assert.deepEqual(moves(told), []);
        await whole(client, flow);
      }));

    test(`a server that restarts is told by one gap and not blamed (${name})`, () =>
      scene(name, {}, async ({ server, flow, open }) => {
        const client = await open();
        await until('it works', client.read, ({ seen }) => seen.length > 5);
        await flow.stop();
        await server.kill();
        await server.startAgain();
        await until('it is back', client.read, ({ gaps, state }) => gaps.length === 1 && state === 'open');
        await server.publish('ladder', 'after');
        const told = await until('it goes on', client.read, ({ data }) => data.at(-1) === 'after');
        assert.equal(told.gaps[0].reason, 'epoch_changed');
        assert.deepEqual(moves(told), []);
      }));

    test(`a connection that is dead without a word is found out (${name})`, () =>
      scene(name, {}, async ({ proxy, flow, open }) => {
        const client = await open();
        await until('it works', client.read, ({ seen }) => seen.length > 5);
        const began = Date.now();
        assert.equal(await proxy.stall(['websocket']), 1);
        const told = await until('it is found out', client.read, ({ states }) => states.some(({ reason = '' }) => reason.includes('two heartbeats')));
        assert.ok(Date.now() - began < 4_000, 'within two heartbeats of 1 s, and a busy machine');
        assert.deepEqual(moves(told), []);
        await flow.more(20);
        await whole(client, flow);
      }));
  }

  test('what is published comes once, whatever becomes of the answers', () =>
    scene('node', { transports: ['sse'] }, async ({ proxy, flow, open }) => {
      await flow.stop();
      const { Tidings } = await import('../../../sdk/js/dist/index.js');
      await open();
      await proxy.set([{ on: ['publish'], fault: { drop_response: true }, probability: 0.5 }]);
      const publisher = new Tidings(proxy.origin);
      const reader = new Tidings(proxy.origin, { transports: ['sse'] });
      const seen = [];
      const room = reader.channel('once', { after: 'earliest' });
      room.on('message', ({ data }) => seen.push(data));
      const receipts = await Promise.all(Array.from({ length: 200 }, (_, at) => publisher.publish('once', at)));
      assert.ok(receipts.some(({ duplicate }) => duplicate), 'an answer was lost');
      await until('all came', () => seen, (seen) => seen.length >= 200);
      assert.deepEqual(seen, upTo(200).map((each) => each - 1));
      publisher.close();
      reader.close();
    }));

  test('a channel that is added to a stream is asked for until it is read, and one that is refused ends alone', () =>
    scene('node', { transports: ['sse'] }, async ({ proxy, server }) => {
      const { Tidings } = await import('../../../sdk/js/dist/index.js');
      const client = new Tidings(proxy.origin, { transports: ['sse'], timings: TIMINGS });
      const heard = [];
      const follow = (name, options) => {
        const room = client.channel(name, options);
        room.on('message', ({ channel }) => heard.push(channel));
        return room.ready();
      };
      await follow('first');
      await proxy.set([{ on: ['sse', 'sse-post'], fault: { status: 503 }, times: 2 }]);
      await follow('second');
      await assert.rejects(follow('third', { last: -1 }), { code: 'bad_request' });
      await follow('fourth');
      for (const name of ['first', 'second', 'fourth']) await server.publish(name, 1);
      await until('all are read', () => heard.length, (count) => count === 3);
      assert.deepEqual([...heard].sort(), ['first', 'fourth', 'second']);
      client.close();
    }));

  test('a reload goes on where the page was, as the same client and over the rung that worked', { skip: !NAMES.includes('chromium') && 'no chromium' }, () =>
    scene('chromium', { persist: true }, async ({ proxy, flow, open }) => {
      await proxy.set([{ on: ['websocket'], fault: { status: 403 } }]);
      const { page } = await open();
      await page.waitForFunction(() => window.run.client.transport === 'sse' && window.run.told.seen.length > 10);
      const before = await page.evaluate(() => ({ client: window.run.client.client }));
      await page.evaluate(() => addEventListener('pagehide', () => sessionStorage.setItem('seen', JSON.stringify(window.run.told.seen))));
      await page.reload();
      const { readFile } = await import('node:fs/promises');
      await page.evaluate(await readFile(new URL('../../../sdk/js/dist/tidings.global.js', import.meta.url), 'utf8'));
      await page.evaluate((timings) => {
        const seen = JSON.parse(sessionStorage.getItem('seen'));
        const states = [];
        const client = new window.Tidings('/', { persist: true, tabs: false, timings });
        client.on('$state', ({ transport }) => states.push(transport));
        client.channel('ladder', { after: 'now' }).on('$message', ({ offset }) => seen.push(offset));
        Object.assign(window, { again: { seen, states, client } });
      }, TIMINGS);
      await flow.more(10);
      const count = await flow.stop();
      await page.waitForFunction((count) => window.again.seen.length >= count, count);
      const { seen, states, client } = await page.evaluate(() => ({ ...window.again, client: window.again.client.client }));
      assert.deepEqual(seen, upTo(count));
      assert.equal(client, before.client);
      assert.deepEqual([...new Set(states)], ['sse'], 'the WebSocket was not tried again');
    }));

  test('a page that was frozen goes on', { skip: !NAMES.includes('chromium') && 'no chromium' }, () =>
    scene('chromium', {}, async ({ flow, open }) => {
      const client = await open();
      await until('it works', client.read, ({ seen }) => seen.length > 5);
      const session = await client.page.context().newCDPSession(client.page);
      await session.send('Page.setWebLifecycleState', { state: 'frozen' });
      await flow.more(50);
      await session.send('Page.setWebLifecycleState', { state: 'active' });
      await whole(client, flow);
    }));

  test('a page without a network waits for it, and goes on at once', { skip: !NAMES.includes('chromium') && 'no chromium' }, () =>
    scene('chromium', {}, async ({ flow, open, proxy }) => {
      const client = await open();
      await until('it works', client.read, ({ seen }) => seen.length > 5);
      await client.page.context().setOffline(true);
      await proxy.cut();
      await until('it waits', client.read, ({ state }) => state === 'waiting');
      await flow.more(20);
      await client.page.context().setOffline(false);
      await whole(client, flow);
    }));
});
