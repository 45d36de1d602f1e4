// One case each of what a client does when its connection, its channels or its application change at a bad moment.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Tidings } from '../dist/client.js';
import { memory } from '../dist/memory.js';
import { page } from '../dist/page.js';
import { posting } from '../dist/posting.js';
import { Presence } from '../dist/presence.js';
import { Dice } from './chance.mjs';
import { Clock } from './clock.mjs';
import { World } from './world.mjs';

let clock;
let world;
let tidings;

beforeEach(() => {
  clock = new Clock();
  world = new World(clock, new Dice(1), 25);
  // Everything arrives after a millisecond.
  world.latency = () => 1;
});

afterEach(() => {
  tidings?.close();
  clock.restore();
});

const client = (kind = 'socket') => (tidings = new Tidings('http://server', { transports: [world.transport('websocket', kind)], extensions: [posting], fetch: world.fetch }));

test('a subscription that was refused for now is not asked for again on another connection', async () => {
  const channel = client().channel('a');
  const closed = [];
  channel.on('$closed', (frame) => closed.push(frame));
  world.refuses = () => true;
  await clock.advance(100);
  world.refuses = undefined;
  const [connection] = world.connections;
  connection.end('lost');
  await clock.advance(1_500);
  assert.equal(tidings.state, 'open');
  await clock.advance(5_000);
  assert.deepEqual(closed, []);
});

test('nor on one that is opened beside it', async () => {
  const channel = client().channel('a');
  const closed = [];
  channel.on('$closed', (frame) => closed.push(frame));
  world.refuses = () => true;
  await clock.advance(100);
  world.refuses = undefined;
  // It asks, and its first frame is on its way when the time to ask again has come.
  await clock.advance(1_850);
  world.latency = () => 40;
  tidings.engine.link.refresh();
  await clock.advance(5_000);
  assert.equal(tidings.state, 'open');
  assert.deepEqual(closed, []);
});

test('a subscription that was refused for now is asked for again', async () => {
  const came = [];
  client().channel('a').on('message', ({ data }) => came.push(data));
  world.refuses = () => true;
  await clock.advance(100);
  world.refuses = undefined;
  await clock.advance(3_000);
  world.append('a', 1);
  await clock.advance(10);
  assert.deepEqual(came, [1]);
});

test('a closed client leaves no timer, whatever it waited for', async () => {
  client().channel('a').on('message', () => {});
  await clock.advance(100);
  assert.equal(tidings.state, 'open');
  tidings.close();
  assert.equal(clock.pending, 0);
});

for (const [state, prepare] of [
  ['connecting', () => {}],
  ['open', () => {}],
  ['waiting', () => (world.up = false)],
  ['waiting', () => (world.fates.websocket = 'passing')],
]) {
  test(`an application that closes when it is told ${state} is not connected`, async () => {
    prepare();
    let closed = false;
    const late = [];
    client().channel('a').on('$message', (message) => late.push(message));
    tidings.on('$state', (change) => {
      if (closed) return late.push(change);
      // Of a wait it is told twice: that it has ended, and when the next attempt is.
      if (change.state !== state || (state === 'waiting' && change.retryIn === undefined)) return;
      closed = true;
      tidings.close();
    });
    await clock.advance(5_000);
    assert.ok(closed);
    world.up = true;
    world.fates = {};
    world.append('a', 1);
    await clock.advance(1_000_000);
    assert.deepEqual(late.map(({ state }) => state), ['closed']);
    assert.deepEqual([world.connections.size, clock.pending], [0, 0]);
  });
}

test('a channel that is read from the end of another one is read', async () => {
  // As a stream is answered with 204: its channels have ended.
  let ends = true;
  const transport = {
    name: 'sse',
    usable: () => true,
    open(http, sink) {
      if (!ends) return world.transport('sse', 'stream').open(http, sink);
      ends = false;
      const asks = sink.asks();
      clock.later(() => {
        for (const { name } of asks) sink.frame({ type: 'closed', channel: name });
        sink.end('done');
      }, 1);
      return { close() {} };
    },
  };
  tidings = new Tidings('http://server', { transports: [transport], fetch: world.fetch });
  const came = [];
  tidings.channel('a').on('$closed', () => tidings.channel('b').on('message', ({ data }) => came.push(data)));
  await clock.advance(1_000);
  world.append('b', 'on');
  await clock.advance(1_000);
  assert.deepEqual(came, ['on']);
});

test('an application that closes when a channel is refused is not connected', async () => {
  const { TidingsError } = await import('../dist/errors.js');
  const transport = {
    name: 'sse',
    usable: () => true,
    open(http, sink) {
      world.opened++;
      clock.later(() => sink.end('final', new TidingsError('forbidden', 'not a', false, undefined, ['a'])), 1);
      return { close() {} };
    },
  };
  tidings = new Tidings('http://server', { transports: [transport], fetch: world.fetch });
  tidings.channel('a').on('$closed', () => tidings.close());
  tidings.channel('b').on('message', () => {});
  await clock.advance(1_000);
  assert.deepEqual([tidings.state, world.opened, clock.pending], ['closed', 1, 0]);
});

test('connections that are cut again and again do not keep a client from the rungs above', async () => {
  const opened = { websocket: 0, sse: 0 };
  const transport = (name, kind) => {
    const inner = world.transport(name, kind);
    return { ...inner, open: (...given) => (opened[name]++, inner.open(...given)) };
  };
  tidings = new Tidings('http://server', { transports: [transport('websocket', 'socket'), transport('sse', 'stream')], fetch: world.fetch });
  world.fates.websocket = 'blocked';
  tidings.channel('a').on('message', () => {});
  // As by a proxy that lets nothing live for longer.
  for (let n = 0; n < 200; n++) {
    await clock.advance(30_000);
    for (const connection of [...world.connections]) connection.end('lost');
  }
  // 10 s, 20 s … 10 min, each spread by half: about 14 in these 100 minutes.
  assert.ok(opened.websocket >= 10 && opened.websocket < 25, `${opened.websocket} attempts`);
  assert.ok(opened.sse > 150, `${opened.sse} streams`);
  world.fates = {};
  await clock.advance(15 * 60_000);
  assert.equal(tidings.transport, 'websocket');
});

test('what is published after the end does not wait for a connection that never comes', async () => {
  client().channel('a').on('message', () => {});
  await clock.advance(100);
  tidings.close();
  const sent = tidings.publish('a', 'late');
  await clock.advance(1_000);
  assert.equal((await sent).offset, 1);
  assert.deepEqual([world.connections.size, clock.pending], [0, 0]);
});

test('the end of the client ends loops and what waits until it is read', async () => {
  const channel = client().channel('a');
  await clock.advance(100);
  world.up = false;
  const code = (promise) => promise.then(() => 'resolved', (error) => error.code);
  const loop = code((async () => {
    for await (const message of channel) assert.fail(`${message}`);
  })());
  const ready = code(channel.ready());
  await clock.advance(100);
  tidings.close();
  assert.deepEqual([await loop, await ready, await code(channel.ready())], ['closed', 'closed', 'closed']);
  world.up = true;
  tidings.connect();
  channel.on('message', () => {});
  const again = code(channel.ready());
  await clock.advance(1_000);
  assert.equal(await again, 'resolved');
});

test('a client that has given up does nothing until it is told to', async () => {
  tidings = new Tidings('http://server', { transports: [world.transport('websocket', 'socket')], fetch: world.fetch, maxAttempts: 2 });
  world.up = false;
  const channel = tidings.channel('a');
  channel.on('message', () => {});
  await clock.advance(60_000);
  assert.equal(tidings.state, 'closed');
  const { opened } = world;
  world.up = true;
  channel.on('x', () => {});
  tidings.channel('b').on('message', () => {});
  await clock.advance(60_000);
  assert.deepEqual([world.opened, clock.pending], [opened, 0]);
  tidings.connect();
  await clock.advance(1_000);
  assert.equal(tidings.state, 'open');
});

test('a suspended page is not open, and goes on where it was', async () => {
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  try {
    tidings = new Tidings('http://server', { transports: [world.transport('websocket', 'socket')], extensions: [page], fetch: world.fetch });
    const came = [];
    tidings.channel('a').on('message', ({ data }) => came.push(data));
    await clock.advance(100);
    assert.equal(tidings.state, 'open');
    document.dispatchEvent(new Event('freeze'));
    assert.deepEqual([tidings.state, clock.pending], ['waiting', 0]);
    world.append('a', 1);
    document.dispatchEvent(new Event('resume'));
    await clock.advance(100);
    assert.deepEqual([tidings.state, came], ['open', [1]]);
    tidings.close();
  } finally {
    delete globalThis.document;
  }
});

test('a full storage does not keep a client from its connection', async () => {
  globalThis.sessionStorage = {
    getItem: () => null,
    removeItem() {},
    setItem() {
      throw new DOMException('it is full', 'QuotaExceededError');
    },
  };
  try {
    tidings = new Tidings('http://server', { transports: [world.transport('websocket', 'socket'), world.transport('sse', 'stream')], extensions: [memory('http://server')], fetch: world.fetch });
    world.fates.websocket = 'blocked';
    tidings.channel('a').on('message', () => {});
    await clock.advance(2_000);
    assert.deepEqual([tidings.state, tidings.transport], ['open', 'sse']);
  } finally {
    delete globalThis.sessionStorage;
  }
});

test('who is there is not asked of a client that is closed, and is asked again when it comes back', async () => {
  client().channel('a').on('message', () => {});
  const lists = [];
  const presence = new Presence(tidings.engine, 'a', (name, value) => lists.push([name, value]));
  await clock.advance(10_000);
  assert.ok(world.fetched > 3, `${world.fetched} requests`);
  tidings.close();
  await clock.advance(10_000);
  const { fetched } = world;
  await clock.advance(60_000);
  assert.deepEqual([world.fetched - fetched, clock.pending], [0, 0]);
  world.members = [{ client: 'c1' }];
  tidings.connect();
  await clock.advance(1_000);
  assert.deepEqual(lists, [['$presence', [{ client: 'c1' }]]]);
  presence.close();
});
