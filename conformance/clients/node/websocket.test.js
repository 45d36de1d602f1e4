// npm `ws` against the server.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';

import { binaryEnvelope, followSocket } from './readers.js';
import { Journal, PAYLOADS, Proxy, Server, publish, publishNumbers, upTo } from './support.js';

let server;
before(async () => (server = await Server.start()));
after(() => server.kill());

const address = (channel, query = '') => `ws://127.0.0.1:${server.port}/channels/${channel}${query}`;

test('ws is subscribed by the URL and gets every payload as it was sent', async (t) => {
  const channel = 'ws:페이로드';
  const reader = followSocket(server.url, channel);
  t.after(() => reader.close());
  await reader.journal.until((journal) => journal.of('hello').length, 'hello');
  for (const [type, body] of PAYLOADS) await publish(server.url, channel, body, type);
  await reader.journal.untilMessages(PAYLOADS.length);
  const { messages, offsets } = reader.journal;
  assert.deepEqual(offsets, upTo(PAYLOADS.length));
  assert.equal(messages[0].data.글, '안녕하세요 👋🏽');
  messages.slice(1, 5).forEach(({ data }, index) => assert.equal(data, PAYLOADS[index + 1][2]));
  assert.deepEqual([...messages[5].data], [...PAYLOADS[5][1]]);
});

test('ws that is cut again and again resumes with the position it has', async (t) => {
  const proxy = await Proxy.to(server.port);
  t.after(() => proxy.close());
  const reader = followSocket(proxy.url, 'ws-cut');
  t.after(() => reader.close());
  await reader.journal.until((journal) => journal.of('hello').length, 'hello');
  for (let round = 0; round < 5; round += 1) {
    await publishNumbers(server.url, 'ws-cut', round * 20 + 1, round * 20 + 10);
    proxy.cut();
    await publishNumbers(server.url, 'ws-cut', round * 20 + 11, round * 20 + 20);
    await reader.journal.untilMessages((round + 1) * 20);
  }
  assert.deepEqual(reader.journal.offsets, upTo(100));
  assert.deepEqual(reader.journal.messages.map(({ data }) => data.number), upTo(100));
  assert.ok(reader.connects >= 6, `${reader.connects} connections`);
  assert.deepEqual(reader.journal.of('gap'), []);
});

test('ws is told a gap when the server lost its memory', async (t) => {
  const own = await Server.during(t);
  const reader = followSocket(own.url, 'ws-restart');
  t.after(() => reader.close());
  await reader.journal.until((journal) => journal.of('hello').length, 'hello');
  await publishNumbers(own.url, 'ws-restart', 1, 3);
  await reader.journal.untilMessages(3);
  await own.kill();
  await own.restart();
  await publishNumbers(own.url, 'ws-restart', 4, 6);
  await reader.journal.untilMessages(6);
  const [gap, ...more] = reader.journal.of('gap');
  assert.deepEqual(more, []);
  assert.equal(gap.reason, 'epoch_changed');
  const { messages } = reader.journal;
  assert.deepEqual(reader.journal.offsets, [1, 2, 3, 1, 2, 3]);
  assert.notEqual(messages[0].epoch, messages[3].epoch);
  assert.equal(gap.epoch, messages[3].epoch);
  assert.ok(reader.journal.entries.indexOf(gap) < reader.journal.entries.indexOf(messages[3]));
});

test('ws commands: subscribe, publish with an answer, bytes, no echo, ping', async (t) => {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/channels`, 'tidings.v1');
  t.after(() => socket.terminate());
  const journal = new Journal();
  socket.on('message', (bytes, binary) => journal.add(binary ? binaryEnvelope(bytes) : JSON.parse(bytes)));
  const say = (command) => socket.send(JSON.stringify(command));
  await once(socket, 'open');
  assert.equal(socket.protocol, 'tidings.v1');
  say({ type: 'subscribe', id: 1, channel: '방:1', after: 'now' });
  await journal.until((all) => all.of('subscribed').length, 'subscribed');
  say({ type: 'publish', id: 2, channel: '방:1', event: 'typing', data: { 이름: '영희 🎈' } });
  say({ type: 'publish', id: 3, channel: '방:1', data: 'mine', echo: false });
  const head = Buffer.from(JSON.stringify({ type: 'publish', id: 4, channel: '방:1' }));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(head.length);
  socket.send(Buffer.concat([length, head, Buffer.from([0, 255, 1])]));
  say({ type: 'ping', id: 5, time: 7 });
  await journal.until((all) => all.of('pong').length && all.messages.length === 2, 'pong and 2 messages');
  assert.deepEqual(journal.of('ack').map(({ id, offset }) => [id, offset]), [[2, 1], [3, 2], [4, 3]]);
  assert.equal(journal.of('pong')[0].time, 7);
  const [typing, bytes] = journal.messages;
  assert.deepEqual([typing.event, typing.data.이름], ['typing', '영희 🎈']);
  assert.deepEqual([...bytes.data], [0, 255, 1]);
  assert.deepEqual(journal.of('skip').map(({ from, to, reason }) => [from, to, reason]), [[2, 2, 'own']]);
  say({ type: 'dance', id: 6 });
  await journal.until((all) => all.of('error').length, 'an error');
  assert.equal(journal.of('error')[0].id, 6);
  assert.equal(socket.readyState, WebSocket.OPEN);
});

test('ws raw: what is sent is published and read back as text and bytes', async (t) => {
  const socket = new WebSocket(address('ws-raw', '?format=raw'));
  t.after(() => socket.terminate());
  const got = [];
  // Nothing is published yet: the handshake alone has to open it.
  await once(socket, 'open', { signal: AbortSignal.timeout(5_000) });
  const both = new Promise((resolve) => {
    socket.on('message', (bytes, binary) => got.push([binary, bytes]) === 2 && resolve());
  });
  socket.send('있는 그대로 🍵');
  socket.send(Buffer.from([1, 2, 3]));
  await both;
  assert.deepEqual(got.map(([binary]) => binary), [false, true]);
  assert.equal(got[0][1].toString(), '있는 그대로 🍵');
  assert.deepEqual([...got[1][1]], [1, 2, 3]);
});

test('ws is told to come back when the server ends in order', async (t) => {
  const own = await Server.during(t);
  const reader = followSocket(own.url, 'ws-drain');
  t.after(() => reader.close());
  await reader.journal.until((journal) => journal.of('hello').length, 'hello');
  const closed = once(reader.socket, 'close');
  await own.kill('SIGTERM');
  const [code] = await closed;
  assert.equal(code, 1001);
  const [reconnect] = reader.journal.of('reconnect');
  assert.ok(reconnect.after_ms > 0, JSON.stringify(reconnect));
});

test('ws from a foreign page is refused before the upgrade', async (t) => {
  const socket = new WebSocket(address('x'), { origin: 'https://evil.example' });
  t.after(() => socket.terminate());
  const [, answer] = await once(socket, 'unexpected-response');
  assert.equal(answer.statusCode, 403);
  socket.on('error', () => {});
});
