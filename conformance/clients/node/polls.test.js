// The `fetch` of Node as a long poll.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { followPolls } from './readers.js';
import { Proxy, Server, publishNumbers, upTo } from './support.js';

test('long polls that are cut again and again go on from their cursor', async (t) => {
  const server = await Server.during(t);
  const proxy = await Proxy.to(server.port);
  t.after(() => proxy.close());
  const reader = followPolls(proxy.url, 'polls', 'earliest');
  t.after(() => reader.close());
  for (let round = 0; round < 5; round += 1) {
    await publishNumbers(server.url, 'polls', round * 20 + 1, round * 20 + 10);
    proxy.cut();
    await publishNumbers(server.url, 'polls', round * 20 + 11, round * 20 + 20);
    await reader.journal.untilMessages((round + 1) * 20);
  }
  assert.deepEqual(reader.journal.offsets, upTo(100));
  assert.deepEqual(reader.journal.of('gap'), []);
});
