// The WebSocket transport by itself, over a socket that the test holds in its hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WebSocket as Ws } from 'ws';

import { Http } from '../dist/http.js';
import { Tidings } from '../dist/index.js';
import { websocket } from '../dist/transports/websocket.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A connection, what it sends and what it tells. */
async function open({ asks = [], session, ...options } = {}) {
  const seen = { sent: [], told: [] };
  class Socket {
    constructor(url, protocol) {
      Object.assign(seen, { socket: this, url, protocol });
    }
    send(text) {
      seen.sent.push(JSON.parse(text));
    }
    close(code) {
      seen.code = code;
    }
  }
  const http = new Http('http://server/prefix', { WebSocket: Socket, ...options });
  http.session = session;
  seen.connection = websocket.open(http, {
    asks: () => asks,
    frame: (frame) => seen.told.push(frame),
    end: (...ended) => seen.told.push(ended),
  });
  await turn();
  seen.get = (frame) => seen.socket.onmessage({ data: typeof frame === 'string' || frame instanceof ArrayBuffer ? frame : JSON.stringify(frame) });
  return seen;
}

const message = (channel, offset) => ({ type: 'message', channel, epoch: 'e', offset, data: 1, time: 1 });

test('it says who it is, then asks for every channel', async () => {
  const seen = await open({ asks: [{ name: 'a', after: 'e-1' }, { name: 'b', last: 3 }], token: () => 'secret', session: 's1', user: undefined });
  assert.deepEqual([seen.url, seen.protocol], ['ws://server/prefix/channels', 'tidings.v1']);
  assert.deepEqual(seen.sent, []);
  seen.socket.onopen();
  assert.deepEqual(seen.sent, [
    { type: 'auth', id: 0, token: 'secret', session: 's1' },
    { type: 'subscribe', id: 1, channel: 'a', after: 'e-1' },
    { type: 'subscribe', id: 2, channel: 'b', last: 3 },
  ]);
});

test('what is to be read before it opens is asked for when it opens, once', async () => {
  const asks = [{ name: 'a', after: 'now' }];
  const seen = await open({ asks });
  asks.push({ name: 'b', after: 'now' });
  seen.connection.change([asks[1]], []);
  seen.socket.onopen();
  assert.deepEqual(seen.sent.map(({ channel }) => channel), ['a', 'b']);
});

test('a channel that is begun anew is ended first, and what was on its way is dropped', async () => {
  const seen = await open({ asks: [{ name: 'a', after: 'now' }] });
  seen.socket.onopen();
  seen.get({ type: 'subscribed', id: 1, channel: 'a', epoch: 'e', offset: 4, recovered: true });
  seen.connection.change([{ name: 'a', after: 'earliest' }], ['a']);
  assert.deepEqual(seen.sent.slice(1).map(({ type }) => type), ['unsubscribe', 'subscribe']);
  seen.told.length = 0;
  seen.get(message('a', 5));
  seen.get(message('b', 1));
  seen.get({ type: 'ack', id: 'x', channel: 'a', epoch: 'e', offset: 5 });
  seen.get({ type: 'unsubscribed', id: seen.sent[1].id, channel: 'a', epoch: 'e', offset: 5 });
  seen.get({ type: 'subscribed', id: seen.sent[2].id, channel: 'a', epoch: 'e', offset: 0, recovered: true });
  seen.get(message('a', 1));
  assert.deepEqual(seen.told.map(({ type, channel, offset }) => [type, channel, offset]), [['message', 'b', 1], ['ack', 'a', 5], ['subscribed', 'a', 0], ['message', 'a', 1]]);
});

test('an own inbox is ended by the name that the server gave it', async () => {
  const seen = await open({ asks: [{ name: '~', after: 'now' }] });
  seen.socket.onopen();
  seen.get({ type: 'subscribed', id: 1, channel: '~c1', epoch: 'e', offset: 4, recovered: true });
  seen.connection.change([], ['~']);
  assert.equal(seen.sent.at(-1).channel, '~c1');
});

test('after a refusal the channel is not waited for', async () => {
  const seen = await open({ asks: [{ name: 'a', after: 'now' }] });
  seen.socket.onopen();
  seen.get({ type: 'error', id: 1, code: 'too_many_requests', message: 'later', temporary: true, retry_ms: 5 });
  seen.connection.change([{ name: 'a', after: 'now' }], []);
  seen.get({ type: 'subscribed', id: 2, channel: 'a', epoch: 'e', offset: 4, recovered: true });
  seen.get(message('a', 5));
  assert.deepEqual(seen.told.map(({ type, channel }) => [type, channel]), [['error', 'a'], ['subscribed', 'a'], ['message', 'a']]);
});

test('a refusal of what is asked for anew since is none', async () => {
  const seen = await open({ asks: [{ name: 'a', after: 'now' }] });
  seen.socket.onopen();
  seen.connection.change([{ name: 'a', after: 'now' }], ['a']);
  seen.get({ type: 'error', id: 1, code: 'too_many_requests', message: 'later', temporary: true, retry_ms: 5 });
  seen.get({ type: 'subscribed', id: 2, channel: 'a', epoch: 'e', offset: 4, recovered: true });
  assert.deepEqual(seen.told.map(({ type }) => type), ['subscribed']);
});

test('binary frames', async () => {
  const seen = await open();
  seen.socket.onopen();
  assert.equal(seen.socket.binaryType, 'arraybuffer');
  const header = new TextEncoder().encode('{"type":"message","channel":"방"}');
  seen.get(Uint8Array.from([0, header.length, ...header, 0, 255, 7]).buffer);
  assert.deepEqual(seen.told, [{ type: 'message', channel: '방', data: Uint8Array.from([0, 255, 7]) }]);
});

for (const [code, expected, more] of [
  [1000, 'lost'], [1001, 'lost'], [1005, 'lost'], [1006, 'lost'], [1011, 'lost'], [1012, 'lost'], [1013, 'lost'],
  [1002, 'final'], [1003, 'final'], [1007, 'final'], [1008, 'final'], [1009, 'final'],
  [4000, 'final'], [4003, 'final'], [4099, 'final'], [4100, 'lost'], [4199, 'lost'], [4201, 'at_once'], [4299, 'at_once'],
  [4102, 'passing', { type: 'error', code: 'server_full', message: 'full', temporary: true, retry_ms: 70 }],
  [4003, 'final', { type: 'error', code: 'forbidden', message: 'no', temporary: false }],
  [4203, 'at_once', { type: 'error', code: 'too_slow', message: 'slow', temporary: true }],
]) {
  test(`close code ${code}${more ? ` after ${more.code}` : ''}: ${expected}`, async () => {
    const seen = await open();
    seen.socket.onopen();
    if (more) seen.get(more);
    seen.told.length = 0;
    seen.socket.onclose({ code });
    const [[end, error]] = seen.told;
    assert.equal(end, expected);
    if (more) assert.equal(error.code, more.code);
    if (end !== 'at_once') assert.equal(error.retryAfter, more?.retry_ms);
    seen.socket.onclose({ code });
    assert.equal(seen.told.length, 1, 'it ends once');
  });
}

test('not opened: something is in the way', async () => {
  const seen = await open();
  seen.socket.onclose({ code: 1006 });
  assert.equal(seen.told[0][0], 'blocked');
});

test('what is no frame of this server ends it', async () => {
  const seen = await open();
  seen.socket.onopen();
  seen.get('<html>');
  assert.equal(seen.told[0][0], 'lost');
});

test('a token that has ended is renewed once', async () => {
  let asked = 0;
  const options = { token: () => `token ${++asked}` };
  const seen = await open(options);
  seen.socket.onopen();
  seen.get({ type: 'error', id: 0, code: 'token_expired', message: 'it has ended', temporary: false });
  assert.equal(seen.told[0][0], 'at_once');
});

test('a token that cannot be had now is asked for again later', async () => {
  const seen = await open({ token: () => Promise.reject(new TypeError('fetch failed')) });
  const [[end, error]] = seen.told;
  assert.equal(end, 'passing');
  assert.match(error.message, /token.*fetch failed/);
});

test('a runtime that refuses the WebSocket leaves the rung', async () => {
  const seen = await open({
    WebSocket: class {
      constructor() {
        throw new DOMException('forbidden by policy', 'SecurityError');
      }
    },
  });
  assert.equal(seen.told[0][0], 'blocked');
});

test('the end of a client is told from a move', async () => {
  for (const [last, code] of [[true, 1_000], [false, 3_000]]) {
    const seen = await open();
    seen.connection.close(last);
    assert.equal(seen.code, code);
  }
});

test('the package ws: a server that is not there throws nothing at the process', async () => {
  const errors = [];
  const caught = (error) => errors.push(error);
  process.on('uncaughtException', caught);
  // A port that nobody has: it was free a moment ago.
  const tidings = new Tidings('http://127.0.0.1:9', { WebSocket: Ws, transports: ['websocket'], timings: { backoffFirst: 1, backoffMax: 5 } });
  const waits = new Promise((resolve) => tidings.on('$state', ({ state, retryIn }) => retryIn !== undefined && resolve(state)));
  tidings.channel('a').on('message', () => {});
  await waits;
  tidings.close();
  // Closed while it connects.
  const other = new Tidings('http://127.0.0.1:9', { WebSocket: Ws, transports: ['websocket'] });
  other.channel('a').on('message', () => {});
  await turn();
  other.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.off('uncaughtException', caught);
  assert.deepEqual(errors, []);
});
