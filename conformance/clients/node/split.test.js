// Characters of several bytes at every boundary that a read, a frame or a chunk may have.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { followCommand, followCurl } from './commands.js';
import { followEvents, followPolls, followSocket } from './readers.js';
import { Server, upTo } from './support.js';

const COUNT = 300;
// Lengths that share no factor with a buffer's size, so that cuts fall everywhere.
const text = (number) => `${'x'.repeat(number % 5)}${'📦안'.repeat(50 + number)}`;

test('long texts of long characters arrive whole at every reader', async (t) => {
  const server = await Server.during(t, ['--set', 'history.bytes=4MiB']);
  const messages = upTo(COUNT).map((number) => ({ channel: 'split', data: text(number), encoding: 'text' }));
  const body = JSON.stringify({ messages });
  const answer = await fetch(`${server.url}/publish`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  assert.equal(answer.status, 200, await answer.text());
  const readers = {
    'tidings sub over WebSocket': followCommand(server.url, 'split', ['--after', 'earliest', '--transport', 'websocket']),
    'tidings sub over SSE': followCommand(server.url, 'split', ['--after', 'earliest', '--transport', 'sse']),
    'tidings sub over long polls': followCommand(server.url, 'split', ['--after', 'earliest', '--transport', 'long-poll']),
    'curl long poll': followCurl(server.url, 'split', 'earliest'),
    'fetch long poll': followPolls(server.url, 'split', 'earliest'),
    eventsource: followEvents(`${server.url}/channels/split?after=earliest`),
    ws: followSocket(server.url, 'split', 'earliest'),
  };
  t.after(() => Promise.all(Object.values(readers).map((reader) => reader.close())));
  for (const [name, { journal }] of Object.entries(readers)) {
    await journal.untilMessages(COUNT);
    const broken = journal.messages.filter(({ data, offset }) => data !== text(offset));
    assert.deepEqual([name, broken.length], [name, 0]);
    assert.deepEqual(journal.offsets, upTo(COUNT), name);
  }
});
