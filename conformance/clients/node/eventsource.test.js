// npm `eventsource` against the server: what comes back comes back by itself.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { EventSource } from 'eventsource';

import { followEvents } from './readers.js';
import { PAYLOADS, Proxy, Server, publish, publishNumbers, upTo } from './support.js';

let server;
before(async () => (server = await Server.start()));
after(() => server.kill());

const hello = (journal) => journal.of('hello').length > 0;

test('eventsource gets every payload as it was sent', async (t) => {
  const channel = encodeURIComponent('글:1');
  const reader = followEvents(`${server.url}/channels/${channel}`);
  t.after(() => reader.close());
  await reader.journal.until(hello, 'hello');
  for (const [type, body] of PAYLOADS) await publish(server.url, '글:1', body, type);
  await reader.journal.untilMessages(PAYLOADS.length);
  const { messages, offsets } = reader.journal;
  assert.deepEqual(offsets, upTo(PAYLOADS.length));
  assert.equal(messages[0].data.글, '안녕하세요 👋🏽');
  messages.slice(1, 5).forEach(({ data }, index) => assert.equal(data, PAYLOADS[index + 1][2]));
  assert.deepEqual([...Buffer.from(messages[5].data, 'base64')], [...PAYLOADS[5][1]]);
  messages.forEach(({ id, epoch, offset }) => assert.equal(id, `${epoch}-${offset}`));
});

test('eventsource gets named events under their names', async (t) => {
  const reader = followEvents(`${server.url}/channels/named`, { types: ['$hello', 'price-update', '가격'] });
  t.after(() => reader.close());
  await reader.journal.until(hello, 'hello');
  await publish(server.url, 'named', '1', 'application/json', '?event=price-update');
  await publish(server.url, 'named', '2', 'application/json', `?event=${encodeURIComponent('가격')}`);
  await reader.journal.untilMessages(2);
  assert.deepEqual(reader.journal.messages.map(({ event, data }) => [event, data]), [['price-update', 1], ['가격', 2]]);
});

test('eventsource that is cut again and again resumes with Last-Event-ID', async (t) => {
  const proxy = await Proxy.to(server.port);
  t.after(() => proxy.close());
  const reader = followEvents(`${proxy.url}/channels/cut`);
  t.after(() => reader.close());
  await reader.journal.until(hello, 'hello');
  for (let round = 0; round < 5; round += 1) {
    await publishNumbers(server.url, 'cut', round * 20 + 1, round * 20 + 10);
    proxy.cut();
    await publishNumbers(server.url, 'cut', round * 20 + 11, round * 20 + 20);
    await reader.journal.untilMessages((round + 1) * 20);
  }
  assert.deepEqual(reader.journal.offsets, upTo(100));
  assert.deepEqual(reader.journal.of('gap'), []);
  const [first, ...again] = reader.requests;
  assert.equal(first, null);
  assert.ok(again.length >= 5, `${again.length} reconnects`);
  again.forEach((id) => assert.match(id, /^[a-z0-9]{1,16}-\d+$/));
});

test('eventsource cut before its first message misses none', async (t) => {
  const proxy = await Proxy.to(server.port);
  t.after(() => proxy.close());
  const reader = followEvents(`${proxy.url}/channels/early`);
  t.after(() => reader.close());
  await reader.journal.until(hello, 'hello');
  proxy.cut();
  await publishNumbers(server.url, 'early', 1, 5);
  await reader.journal.untilMessages(5);
  assert.deepEqual(reader.journal.offsets, upTo(5));
});

test('eventsource on several channels resumes each of them', async (t) => {
  const proxy = await Proxy.to(server.port);
  t.after(() => proxy.close());
  const reader = followEvents(`${proxy.url}/channels?name=many-a&name=many-b&name=${encodeURIComponent('많은/c')}`);
  t.after(() => reader.close());
  const names = ['many-a', 'many-b', '많은/c'];
  await reader.journal.until(hello, 'hello');
  for (let number = 1; number <= 20; number += 1) {
    if (number % 7 === 0) proxy.cut();
    for (const name of names) {
      const target = `${server.url}/channels?name=${encodeURIComponent(name)}`;
      const answer = await fetch(target, { method: 'POST', body: String(number) });
      assert.equal(answer.status, 200, await answer.text());
    }
  }
  await reader.journal.untilMessages(60);
  for (const name of names) {
    const own = reader.journal.messages.filter(({ channel }) => channel === name);
    assert.deepEqual(own.map(({ offset }) => offset), upTo(20), name);
  }
});

test('eventsource is told a gap when the server lost its memory', async (t) => {
  const own = await Server.during(t);
  const reader = followEvents(`${own.url}/channels/lost`);
  t.after(() => reader.close());
  await reader.journal.until(hello, 'hello');
  await publishNumbers(own.url, 'lost', 1, 3);
  await reader.journal.untilMessages(3);
  await own.kill();
  await own.restart();
  await publishNumbers(own.url, 'lost', 4, 6);
  await reader.journal.untilMessages(6);
  const [gap, ...more] = reader.journal.of('gap');
  assert.deepEqual(more, []);
  assert.equal(gap.reason, 'epoch_changed');
  const { messages } = reader.journal;
  assert.deepEqual(reader.journal.offsets, [1, 2, 3, 1, 2, 3]);
  assert.equal(gap.epoch, messages[3].epoch);
  assert.notEqual(gap.epoch, messages[0].epoch);
});

test('eventsource survives an orderly restart', async (t) => {
  const own = await Server.during(t);
  const reader = followEvents(`${own.url}/channels/drain`);
  t.after(() => reader.close());
  await reader.journal.until(hello, 'hello');
  await own.kill('SIGTERM');
  await reader.journal.until((journal) => journal.of('reconnect').length, 'reconnect');
  await own.restart();
  await publish(own.url, 'drain', '"다시"');
  await reader.journal.untilMessages(1);
  assert.equal(reader.journal.messages[0].data, '다시');
});

test('eventsource stops for good when the channel has ended', async (t) => {
  const reader = followEvents(`${server.url}/channels/ended`);
  t.after(() => reader.close());
  await reader.journal.until(hello, 'hello');
  await publish(server.url, 'ended', '"끝"', 'application/json', '?close=true');
  await reader.journal.until((journal) => journal.of('closed').length, 'closed');
  // It comes back once and is answered 204, which it takes as final.
  while (reader.source.readyState !== EventSource.CLOSED) await once(reader.source, 'error');
  assert.equal(reader.requests.length, 2);
  assert.equal(reader.journal.messages[0].data, '끝');
});

test('eventsource from a foreign page ends at once', async () => {
  const source = new EventSource(`${server.url}/channels/x`, {
    fetch: (target, init) => fetch(target, { ...init, headers: { ...init.headers, Origin: 'https://evil.example' } }),
  });
  const [error] = await once(source, 'error');
  assert.equal(error.code, 403);
  assert.equal(source.readyState, EventSource.CLOSED);
});
