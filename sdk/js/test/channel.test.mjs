// Listeners and iterators of a channel: when reading begins and ends, and that nothing waits for ever.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';

import { Channel } from '../dist/channel.js';
import { Emitter } from '../dist/emitter.js';
import { TidingsError } from '../dist/errors.js';

/** A channel of an engine that only notes who reads. */
function reading({ buffer } = {}) {
  const log = [];
  const stop = new AbortController();
  const engine = {
    emitter: new Emitter(),
    signal: stop.signal,
    close: (error) => stop.abort(error),
    http: { options: { ...(buffer && { buffer }) } },
    attach(name) {
      log.push('attach');
      engine.place = { name, after: undefined };
      return engine.place;
    },
    detach: () => log.push('detach'),
  };
  const channel = new Channel(engine, 'a', {});
  const say = (data, event) => channel.deliver({ type: 'message', channel: 'a', data, time: 1, ...(event && { event }) });
  return { log, engine, channel, say };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('the first listener begins the reading, the last one ends it', () => {
  const { log, channel } = reading();
  const one = channel.on('message', () => {});
  const two = channel.on('x', () => {});
  one();
  assert.deepEqual(log, ['attach']);
  one();
  two();
  assert.deepEqual(log, ['attach', 'detach']);
  channel.on('message', () => {});
  assert.deepEqual(log, ['attach', 'detach', 'attach']);
});

test('a listener that is removed after the channel was closed counts no more', () => {
  const { log, channel } = reading();
  const remove = channel.on('message', () => {});
  channel.close();
  remove();
  channel.on('message', () => {});
  assert.deepEqual(log, ['attach', 'detach', 'attach']);
});

test('a channel that has ended is not read again by listeners that go', () => {
  const { log, channel } = reading();
  const remove = channel.on('message', () => {});
  channel.on('x', () => {});
  channel.deliver({ type: 'closed', channel: 'a' });
  remove();
  assert.deepEqual(log, ['attach']);
  channel.on('y', () => {});
  assert.deepEqual(log, ['attach', 'attach']);
});

test('listeners get their events, in the order in which they came', () => {
  const { channel, say } = reading();
  const got = [];
  channel.on('$message', ({ data }) => got.push(['any', data]));
  channel.on('message', ({ data }) => got.push(['plain', data]));
  channel.on('typing', ({ data }) => got.push(['typing', data]));
  say(1);
  say(2, 'typing');
  assert.deepEqual(got, [['plain', 1], ['any', 1], ['typing', 2], ['any', 2]]);
});

test('one that throws does not keep others from hearing, and its error is seen', async () => {
  const { channel, say } = reading();
  const got = [];
  const errors = [];
  const caught = (error) => errors.push(error.message);
  process.setUncaughtExceptionCaptureCallback(caught);
  channel.on('message', () => {
    throw new Error('the application');
  });
  channel.on('message', ({ data }) => got.push(data));
  say(1);
  await turn();
  process.setUncaughtExceptionCaptureCallback(null);
  assert.deepEqual([got, errors], [[1], ['the application']]);
});

test('a signal removes its listener and is let go', () => {
  const { log, channel } = reading();
  const stop = new AbortController();
  channel.on('message', () => {}, { signal: stop.signal });
  const remove = channel.on('message', () => {}, { signal: stop.signal });
  remove();
  assert.equal(getEventListeners(stop.signal, 'abort').length, 1);
  stop.abort();
  assert.deepEqual(log, ['attach', 'detach']);
  channel.on('message', () => {}, { signal: stop.signal });
  assert.equal(getEventListeners(stop.signal, 'abort').length, 0);
});

test('messages one after another, and the end of the loop ends the reading', async () => {
  const { log, channel, say } = reading();
  const got = [];
  const loop = (async () => {
    for await (const { data } of channel) {
      got.push(data);
      if (data === 3) break;
    }
  })();
  await turn();
  say(1);
  say(2);
  await turn();
  say(3);
  say(4);
  await loop;
  assert.deepEqual([got, log], [[1, 2, 3], ['attach', 'detach']]);
});

/** What a loop got, and how it ended. */
async function loop(channel, options) {
  const got = [];
  try {
    for await (const { data } of channel.messages(options)) {
      got.push(data);
      await turn();
    }
    return [got];
  } catch (error) {
    return [got, error.code ?? error.message];
  }
}

for (const [name, end, expected] of [
  ['the end of the channel', ({ channel }) => channel.deliver({ type: 'closed', channel: 'a' }), []],
  ['a refusal', ({ channel }) => channel.deliver({ type: 'closed', channel: 'a', error: new TidingsError('forbidden', 'no') }), ['forbidden']],
  ['the failure of the client', ({ engine }) => engine.close(new TidingsError('failed', 'no')), ['failed']],
  ['`close()` of the channel', ({ channel }) => channel.close(), []],
]) {
  test(`${name} ends the loop, after what came before, and its reading`, { timeout: 2_000 }, async () => {
    const all = reading();
    const ended = loop(all.channel);
    await turn();
    all.say(1);
    all.say(2);
    end(all);
    assert.deepEqual(await ended, [[1, 2], ...expected]);
    assert.equal(all.log.filter((each) => each === 'attach').length, 1, `${all.log}`);
    assert.deepEqual([all.channel.emitter.count, getEventListeners(all.engine.signal, 'abort').length], [0, 0]);
  });
}

test('a signal ends the loop, and one that is aborted already begins none', async () => {
  const { log, channel } = reading();
  const stop = new AbortController();
  const ended = loop(channel, { signal: stop.signal });
  await turn();
  stop.abort(new Error('enough'));
  assert.deepEqual(await ended, [[], 'enough']);
  assert.deepEqual(await loop(channel, { signal: stop.signal }), [[], 'enough']);
  assert.deepEqual(log, ['attach', 'detach']);
  assert.equal(getEventListeners(stop.signal, 'abort').length, 0);
});

test('a loop that is too slow is told, after what it was given', async () => {
  const { channel, say } = reading({ buffer: 3 });
  const ended = loop(channel);
  await turn();
  for (let n = 1; n <= 9; n++) say(n);
  assert.deepEqual(await ended, [[1, 2, 3, 4], 'too_slow']);
});

for (const [name, end, expected] of [
  ['the server that reads it', ({ channel }) => channel.deliver({ type: 'subscribed', channel: 'a', epoch: 'e', offset: 0 }), undefined],
  ['a refusal', ({ channel }) => channel.deliver({ type: 'closed', channel: 'a', error: new TidingsError('forbidden', 'no') }), 'forbidden'],
  ['its end', ({ channel }) => channel.deliver({ type: 'closed', channel: 'a' }), 'channel_closed'],
  ['the failure of the client', ({ engine }) => engine.close(new TidingsError('failed', 'no')), 'failed'],
  ['`close()` of the channel', ({ channel }) => channel.close(), 'closed'],
]) {
  test(`ready() is settled by ${name}`, { timeout: 2_000 }, async () => {
    const all = reading();
    const signal = new AbortController().signal;
    const ready = all.channel.ready({ signal }).then(() => undefined, ({ code }) => code);
    end(all);
    assert.equal(await ready, expected);
    assert.deepEqual([all.channel.emitter.count, getEventListeners(all.engine.signal, 'abort').length, getEventListeners(signal, 'abort').length], [0, 0, 0]);
  });
}

test('ready() is aborted', async () => {
  const { channel } = reading();
  const stop = new AbortController();
  const ready = channel.ready({ signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(ready, /enough/);
  await assert.rejects(channel.ready({ signal: stop.signal }), /enough/);
});
