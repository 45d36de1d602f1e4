// The client against the real server, over every rung.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Keyed } from '../../../conformance/browser/keyed.mjs';
import { Server } from '../../../conformance/browser/server.mjs';
import { TidingsError } from '../dist/index.js';
import { client, data, note, rungs, until } from './running.mjs';

let server;
let number = 0;
/** A name that no other test has. */
const fresh = (prefix = 'room') => `${prefix}:${++number} 방`.replace(' ', '-');

before(async () => {
  server = await Server.start();
});

after(() => server.kill());

/** Runs it with clients that are closed in the end. */
async function within(run) {
  const clients = [];
  const make = (...options) => {
    const made = client(...options);
    clients.push(made);
    return made;
  };
  try {
    await run(make);
  } finally {
    for (const each of clients) each.close();
  }
}

for (const rung of rungs) {
  describe(rung, () => {
    const it = (name, run, options = {}) => test(name, { timeout: 20_000, ...options }, () => within((make) => run((more) => make(server, rung, more), make)));

    it('everything that can be published comes as it was, in its order', async (make) => {
      const name = fresh();
      const tidings = make();
      const channel = tidings.channel(name);
      const got = note(channel);
      await channel.ready();
      assert.deepEqual([tidings.state, tidings.transport], ['open', rung]);
      const bytes = Uint8Array.from([0, 255, 254, 10, 13]);
      const large = 'x'.repeat(65_000);
      const payloads = [{ a: [1, null, 'b'] }, 'text\r\n안녕 🎉', 0, false, null, bytes, '', large];
      const receipts = await Promise.all(payloads.map((each, at) => channel.publish(each, at === 1 ? { event: 'named' } : {})));
      assert.deepEqual(receipts.map(({ offset }) => offset), payloads.map((_, at) => at + 1));
      await until(() => got.length >= payloads.length, () => `${got.length}`);
      assert.deepEqual(data(got), payloads);
      assert.deepEqual(got.map(({ event }) => event), [undefined, 'named', ...Array(payloads.length - 2).fill(undefined)]);
      assert.equal(got[0].from.client, tidings.client);
      await server.publish(name, Uint8Array.from([0xff, 0]));
      await server.publish(name, 'plain', { event: '가격' });
      await until(() => got.length === payloads.length + 2);
      assert.deepEqual([got.at(-2).data, got.at(-1).event], [Uint8Array.from([0xff, 0]), '가격']);
    });

    it('what is too large or wrong is refused alone', async (make) => {
      const name = fresh();
      const channel = make().channel(name);
      const got = note(channel);
      await channel.ready();
      const codes = await Promise.all([1, 'x'.repeat(70_000), 2, { event: '$no' }, 3].map((each) => channel.publish(each, each.event ? { event: each.event } : {}).then(() => undefined, (error) => error.code)));
      assert.deepEqual(codes, [undefined, 'message_too_large', undefined, 'invalid_event', undefined]);
      await until(() => got.length === 3);
      assert.deepEqual(data(got), [1, 2, 3]);
    });

    if (rung !== 'poll') {
      it('an ephemeral message comes, and stands nowhere', async (make) => {
        const name = fresh();
        const channel = make().channel(name);
        const got = note(channel);
        await channel.ready();
        // A poll that does not wait yet would miss it.
        await until(async () => (await channel.publish('now', { ephemeral: true, event: 'typing' })).subscribers > 0);
        await until(() => got.length);
        const [{ event, epoch, offset }] = got;
        assert.deepEqual([event, epoch, offset], ['typing', undefined, undefined]);
      });
    }

    it('echo:false: others get it, the sender a skip', async (make) => {
      const name = fresh();
      const [one, two] = [make(), make()];
      const mine = note(one.channel(name));
      const theirs = note(two.channel(name));
      await Promise.all([one.channel(name).ready(), two.channel(name).ready()]);
      await one.publish(name, 'own', { echo: false });
      await one.publish(name, 'all');
      await until(() => mine.length === 2 && theirs.length === 2);
      assert.deepEqual([mine[0].type, mine[0].reason, mine[1].data], ['skip', 'own', 'all']);
      assert.deepEqual(data(theirs), ['own', 'all']);
    });

    it('starts: now, earliest, the newest, a cursor, one that nobody gave', async (make) => {
      const name = fresh();
      for (let n = 1; n <= 5; n++) await server.publish(name, n);
      const { messages } = await server.read(name);
      const { epoch } = messages[0];
      const got = Object.fromEntries(['now', 'earliest', `${epoch}-3`, 'garbage', `${epoch}-99`].map((start) => [start, note(make().channel(name, { after: start }))]));
      got.last = note(make().channel(name, { last: 2 }));
      const now = make().channel(name);
      got.default = note(now);
      await now.ready();
      await until(() => got.garbage.length === 6 && got.last.length === 2 && got.earliest.length === 5);
      await new Promise((resolve) => setTimeout(resolve, 150));
      await server.publish(name, 'live');
      await until(() => Object.values(got).every((each) => data(each).at(-1) === 'live'), () => JSON.stringify(got));
      const all = [1, 2, 3, 4, 5, 'live'];
      assert.deepEqual(Object.values(got).map(data), [['live'], all, [4, 5, 'live'], all, all, [4, 5, 'live'], ['live']]);
      assert.deepEqual([got.garbage, got[`${epoch}-99`]].map(([first]) => [first.type, first.reason]), [['gap', 'unknown_cursor'], ['gap', 'unknown_cursor']]);
    });

    it('many channels, added and removed while it runs', async (make) => {
      const tidings = make();
      const all = Array.from({ length: 40 }, () => fresh('many'));
      const got = new Map(all.slice(0, 30).map((name) => [name, note(tidings.channel(name))]));
      await Promise.all([...got.keys()].map((name) => tidings.channel(name).ready()));
      for (const name of all.slice(0, 10)) tidings.channel(name).close();
      for (const name of all.slice(30)) got.set(name, note(tidings.channel(name)));
      await Promise.all(all.slice(10).map((name) => tidings.channel(name).ready()));
      for (const name of all) await server.publish(name, name);
      await until(() => all.slice(10).every((name) => got.get(name).length), () => all.slice(10).filter((name) => !got.get(name).length).join());
      assert.deepEqual(all.map((name) => data(got.get(name))), all.map((name, at) => (at < 10 ? [] : [name])));
      // And again from the oldest: what came before comes.
      const again = note(tidings.channel(all[0], {}));
      await tidings.channel(all[0]).ready();
      await server.publish(all[0], 'again');
      await until(() => again.length);
      assert.deepEqual(data(again), ['again']);
    });

    it('a channel that ends is told as ended, once, and others go on', async (make) => {
      const [ending, other] = [fresh(), fresh()];
      const tidings = make();
      const [ended, on] = [note(tidings.channel(ending)), note(tidings.channel(other))];
      await Promise.all([tidings.channel(ending).ready(), tidings.channel(other).ready()]);
      await server.publish(ending, 'last');
      await server.close(ending);
      await until(() => ended.length === 2, () => JSON.stringify(ended));
      assert.deepEqual([ended[0].data, ended[1].type, ended[1].error], ['last', 'closed', undefined]);
      await server.publish(other, 'on');
      await until(() => on.length);
      await assert.rejects(tidings.publish(ending, 1), { code: 'channel_closed' });
      // Alone, and from the beginning: it is told as ended again, and the client rests.
      const alone = make();
      const rest = note(alone.channel(ending, { after: 'earliest' }));
      await until(() => rest.length === 2);
      await until(() => alone.state === 'idle');
      assert.deepEqual([data(rest), rest[1].type, ended.length, on.length], [['last'], 'closed', 2, 1]);
      assert.deepEqual(await collect(make().channel(ending, { last: 5 })), ['last']);
    });

    it('presence: who is there, who comes and goes', async (make) => {
      const name = fresh();
      const seer = make();
      const channel = seer.channel(name, { presence: true });
      const [lists, joins, leaves] = ['$presence', '$join', '$leave'].map((event) => note(channel, [event]));
      await until(() => lists.length);
      const other = make({ user: 'alice' });
      const joined = other.channel(name, { join: { seat: 7 } });
      note(joined);
      // Others may hear of it before its own `hello` is here.
      await joined.ready();
      await until(() => joins.length, () => JSON.stringify(lists));
      assert.deepEqual([joins[0].user, joins[0].info, joins[0].client], ['alice', { seat: 7 }, other.client]);
      assert.deepEqual((await channel.presence()).map(({ user }) => user), ['alice']);
      assert.deepEqual((await make().channel(name).presence()).map(({ user }) => user), ['alice']);
      assert.deepEqual(lists.at(-1).map(({ user }) => user), ['alice']);
      if (rung !== 'websocket') return;
      // Only a WebSocket says that it goes for good.
      joined.close();
      await until(() => leaves.length);
      assert.deepEqual([leaves[0].client, lists.at(-1)], [other.client, []]);
    });

    if (rung !== 'poll') {
      it('requests and replies', async (make) => {
        const name = fresh();
        const [asker, other] = [make(), make()];
        // Beside another channel, whose poll waits already.
        note(asker.channel(name));
        await asker.channel(name).ready();
        const inbox = other.channel('~');
        inbox.on('sum', (message) => void message.reply(message.data.reduce((a, b) => a + b)));
        await inbox.ready();
        const [sum, more] = await Promise.all([asker.peer(other.client).request('sum', [1, 2, 3]), asker.peer(other.client).request('sum', [4, 5])]);
        assert.deepEqual([sum, more], [6, 9]);
        await assert.rejects(asker.peer(other.client).request('nobody', 1, { timeout: 100 }), { code: 'timeout' });
        const stop = new AbortController();
        const aborted = asker.peer(other.client).request('nobody', 1, { signal: stop.signal });
        stop.abort(new Error('enough'));
        await assert.rejects(aborted, /enough/);
      });
    }

    it('signals end listeners, loops, publishes and waits', async (make) => {
      const name = fresh();
      const tidings = make();
      const channel = tidings.channel(name);
      const stop = new AbortController();
      const got = [];
      channel.on('message', (message) => got.push(message), { signal: stop.signal });
      const loop = (async () => {
        for await (const message of channel.messages({ signal: stop.signal })) got.push(message);
      })();
      await channel.ready();
      await server.publish(name, 1);
      await until(() => got.length === 2);
      stop.abort(new Error('enough'));
      await assert.rejects(loop, /enough/);
      await until(() => tidings.state === 'idle');
      for (const act of [() => channel.publish(1, { signal: stop.signal }), () => channel.ready({ signal: stop.signal }), () => channel.presence({ signal: stop.signal })]) await assert.rejects(act, /enough/);
      await server.publish(name, 2);
      assert.equal(got.length, 2);
    });
  });
}

/** What a loop over a channel gets until its end. */
async function collect(channel) {
  const got = [];
  for await (const message of channel) got.push(message.data);
  return got;
}

for (const rung of rungs) {
  test(`${rung}: a server that is killed and starts again: one gap, and it goes on`, { timeout: 30_000 }, () => within(async (make) => {
    const own = await Server.start();
    try {
      const tidings = make(own, rung);
      const channel = tidings.channel('room');
      const got = note(channel);
      await channel.ready();
      await channel.publish('before');
      await until(() => got.length === 1);
      await own.kill();
      await until(() => tidings.state !== 'open');
      const waiting = channel.publish('while away');
      await own.startAgain();
      await waiting;
      await until(() => data(got).includes('while away'), () => JSON.stringify(got));
      await own.publish('room', 'after');
      await until(() => data(got).at(-1) === 'after');
      assert.deepEqual(got.map(({ type, reason, data: each }) => [type, reason ?? each]), [['message', 'before'], ['gap', 'epoch_changed'], ['message', 'while away'], ['message', 'after']]);
      assert.equal(tidings.transport, rung);
    } finally {
      await own.kill();
    }
  }));

  test(`${rung}: nobody there: it gives up after maxAttempts, once`, { timeout: 20_000 }, () => within(async (make) => {
    const failures = [];
    const tidings = make({ origin: 'http://127.0.0.1:9' }, rung, { maxAttempts: 3, timings: { backoffFirst: 1, backoffMax: 5 } });
    tidings.on('$failed', (error) => failures.push(error));
    const channel = tidings.channel('room');
    const ready = channel.ready();
    await assert.rejects(ready, { code: 'failed' });
    await assert.rejects(collect(Object.assign(channel)), { code: 'failed' }).catch((error) => assert.ok(error instanceof TidingsError, error));
    assert.ok(failures.length >= 1);
    assert.equal(tidings.state, 'closed');
  }));
}

describe('a server that asks who comes', () => {
  let keyed;
  before(async () => {
    keyed = await Keyed.start({ more: '[limits]\npresence_lease = "1s"\n' });
  });
  after(() => keyed.stop());

  for (const rung of rungs) {
    test(`${rung}: tokens are renewed before they end, and nothing is lost`, { timeout: 30_000 }, () => within(async (make) => {
      const tokens = [];
      const tidings = make(keyed.server, rung, {
        async token() {
          tokens.push(await keyed.token('alice', { expires: tokens.length ? '10m' : '2s' }));
          return tokens.at(-1);
        },
      });
      const failures = note(tidings, ['$failed']);
      const channel = tidings.channel(fresh());
      const got = note(channel);
      await channel.ready();
      const sent = [];
      const end = Date.now() + 3_500;
      while (Date.now() < end) {
        sent.push(sent.length);
        await keyed.server.publish(channel.name, sent.at(-1));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await until(() => got.length >= sent.length, () => `${got.length} of ${sent.length}`);
      assert.deepEqual([data(got), failures], [sent, []]);
      assert.ok(tokens.length >= 2 && tokens.length <= 4, `${tokens.length} tokens`);
    }));

    test(`${rung}: of three channels one is forbidden: it is closed, the others go on`, { timeout: 20_000 }, () => within(async (make) => {
      const tidings = make(keyed.server, rung, { token: await keyed.token('bob', { subscribe: ['open:*'], publish: ['open:*'] }) });
      const all = ['open:a', 'secret', 'open:b'];
      const got = all.map((name) => note(tidings.channel(name)));
      await Promise.all([tidings.channel(all[0]).ready(), tidings.channel(all[2]).ready(), until(() => got[1].length)]);
      for (const name of all) await keyed.server.publish(name, name);
      await until(() => got[0].length && got[2].length);
      assert.deepEqual([data(got[0]), data(got[2])], [['open:a'], ['open:b']]);
      assert.deepEqual(got[1].map(({ type, error }) => [type, error.code]), [['closed', 'forbidden']]);
      assert.equal(tidings.state, 'open');
      await assert.rejects(tidings.publish('secret', 1), { code: 'forbidden' });
      await assert.rejects(tidings.channel('secret').ready(), { code: 'forbidden' });
    }));

    test(`${rung}: a token that is not good ends it, with the reason`, { timeout: 20_000 }, () => within(async (make) => {
      const tidings = make(keyed.server, rung, { token: 'nonsense' });
      const failed = new Promise((resolve) => tidings.on('$failed', resolve));
      note(tidings.channel('open:a'));
      assert.equal((await failed).code, 'unauthorized');
      assert.equal(tidings.state, 'closed');
    }));
  }
});

for (const rung of rungs) {
  test(`${rung}: a process ends once its client is closed`, { timeout: 30_000 }, async () => {
    const script = fileURLToPath(new URL('ends.mjs', import.meta.url));
    const took = await new Promise((resolve, reject) => execFile(process.execPath, [script, server.origin, rung], { timeout: 20_000 }, (error, out) => (error ? reject(error) : resolve(JSON.parse(out)))));
    assert.deepEqual(took.data, ['hello']);
    // From `close()` to the end of the process: no timer and no connection holds it.
    assert.ok(took.ms < 1_500, `${took.ms} ms`);
  });
}
