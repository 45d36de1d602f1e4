// Each pair is used in the same way and must do the same; what `before` loses on the way is said where it shows.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { Tidings } from 'tidings';
import WebSocket from 'ws';
import { CuttingProxy } from '../../conformance/browser/proxy.mjs';
import { Server } from '../../conformance/browser/server.mjs';
import { blocking, listen, stop, until } from '../../conformance/examples/support.mjs';

const KINDS = ['before', 'with-tidings'];
const TOPICS = [
  'polling', 'long-polling', 'sse-events', 'job-progress', 'chat-rooms', 'to-the-others', 'heartbeat', 'notify-user', 'dashboard', 'signalling',
  'binary', 'token-stream', 'fallback',
];
const LIMIT = { timeout: 60_000 };
let server;
before(async () => (server = await Server.start()));
after(() => server.kill());

/** Runs `play` for both kinds; `place()` is what the functions of a kind take first: a URL, or a client of its own. */
function both(name, play, { byUrl = false } = {}) {
  for (const kind of KINDS) {
    test(`${name}: ${kind}`, LIMIT, async (t) => {
      const module = await import(`./${name}/${kind}.mjs`);
      const url = kind === 'before' ? await own(t, module) : server.origin;
      const place = (options) => (kind === 'before' || byUrl ? url : client(t, options));
      await play({ t, module, place, url, isBefore: kind === 'before' });
    });
  }
}

/** A server of the kind `before`, which makes one or is added to one. */
async function own(t, { serve }) {
  const server = serve.length ? createServer() : serve();
  if (serve.length) serve(server);
  return serving(t, server);
}

async function serving(t, server) {
  const port = await listen(server);
  t.after(() => stop(server));
  return `http://127.0.0.1:${port}`;
}

// Node 20 has no WebSocket of its own, as pages have.
function client(t, options, url = server.origin) {
  const tidings = new Tidings(url, { WebSocket, ...options });
  t.after(() => tidings.close());
  return tidings;
}

const filled = (list, count) => until(`${count} entries`, () => list, ({ length }) => length >= count);

test('the table of the README counts the lines of the files', () => {
  const table = readFileSync(new URL('README.md', import.meta.url), 'utf8');
  const rows = [...table.matchAll(/^\| .*\[(\d+)\]\(([a-z-]+)\/before\.mjs\) \| \[(\d+)\]\(\2\/with-tidings\.mjs\)/gm)];
  assert.deepEqual(rows.map(([, , name]) => name), TOPICS);
  for (const [, was, name, is] of rows) {
    const lines = KINDS.map((kind) => readFileSync(new URL(`${name}/${kind}.mjs`, import.meta.url), 'utf8').split('\n').length - 1);
    assert.deepEqual([Number(was), Number(is)], lines, name);
  }
});

both('polling', async ({ t, module, place }) => {
  const seen = [];
  t.after(module.follow(place({ transports: ['poll'] }), (data) => seen.push(data)));
  for (const data of [{ n: 1 }, { n: 2 }, 'three']) await module.send(place(), data);
  assert.deepEqual(await filled(seen, 3), [{ n: 1 }, { n: 2 }, 'three']);
});

both('long-polling', async ({ module, place }) => {
  await server.ask('/channels/news', { method: 'DELETE' });
  const seen = [];
  const end = new AbortController();
  const loop = module.follow(place(), (data) => seen.push(data), end.signal);
  await module.send(place(), 'one');
  await filled(seen, 1);
  await module.send(place(), 'two'); // into a request that waits
  assert.deepEqual(await filled(seen, 2), ['one', 'two']);
  end.abort();
  await assert.rejects(loop, { name: 'AbortError' });
}, { byUrl: true });

both('sse-events', async ({ t, module, url }) => {
  const seen = [];
  const proxy = await CuttingProxy.start(new URL(url).port);
  t.after(() => proxy.stop());
  let connects = 0;
  t.after(module.follow(proxy.origin, () => connects++, (data) => seen.push(data)));
  await until('the stream', () => connects, (count) => count === 1);
  await module.send(url, 'one');
  await filled(seen, 1);
  proxy.cut();
  await module.send(url, 'while away');
  await filled(seen, 2);
  await until('the stream again', () => connects, (count) => count === 2);
  await module.send(url, 'three');
  assert.deepEqual(await filled(seen, 3), ['one', 'while away', 'three']);
});

both('job-progress', async ({ t, module, place, url, isBefore }) => {
  const watcher = () => {
    const seen = [];
    return { seen, handlers: { progress: (percent) => seen.push(percent), log: (line) => seen.push(line), done: () => seen.push('done') } };
  };
  const early = watcher();
  await module.watch(place(), '7', early.handlers);
  await module.work(url, '7');
  const all = [25, 50, 75, 100].flatMap((percent) => [`step at ${percent}`, percent]).concat('done');
  assert.deepEqual(await filled(early.seen, all.length), all);
  if (isBefore) return; // who comes late there waits without end
  const late = watcher();
  module.watch(client(t), '7', late.handlers);
  assert.deepEqual(await filled(late.seen, all.length), all);
});

/** Somebody in a chat, and what was heard. */
function chatter(module, place, name) {
  const heard = [];
  const hear = (what) => (who, text) => heard.push(text === undefined ? `${who} ${what}` : `${who}: ${text}`);
  const handlers = { message: hear('says'), typing: hear('types'), joined: hear('joined'), left: hear('left') };
  const tidings = place({ user: name });
  const chat = module.join(tidings, '7', name, handlers);
  const hears = (text) => until(`${name} hears "${text}"`, () => heard, (heard) => heard.includes(text));
  return { ...chat, tidings, heard, hears };
}

/** Until so many are in the room, as all of them know. */
const present = (chatters, isBefore) =>
  Promise.all(chatters.map(({ tidings, hears }) => (isBefore
    ? hears('bob joined')
    : until('the members', () => tidings.channel('room:7').presence(), (members) => members.length === chatters.length))));

both('chat-rooms', async ({ module, place, isBefore }) => {
  const alice = chatter(module, place, 'alice');
  await (isBefore ? alice.hears('alice joined') : alice.tidings.channel('room:7').ready());
  const bob = chatter(module, place, 'bob');
  await present([alice, bob], isBefore);
  await alice.say('안녕');
  await bob.hears('alice: 안녕');
  await alice.hears('alice: 안녕');
  await bob.typing();
  await alice.hears('bob types');
  bob.leave();
  await alice.hears('bob left');
  assert.ok(!bob.heard.includes('bob types'), 'nobody is told of oneself');
  const carol = chatter(module, place, 'carol');
  await carol.hears('alice: 안녕');
  assert.equal(carol.heard.filter((line) => line === 'alice: 안녕').length, 1);
});

both('to-the-others', async ({ module, place }) => {
  const drawn = [[], []];
  const [one, two] = drawn.map((strokes) => module.board(place(), (stroke) => strokes.push(stroke)));
  let count = 0;
  // Who is not connected yet gets nothing, in both kinds.
  const draws = (send, other) => until('the stroke', async () => (await send({ by: send === one ? 1 : 2, count: ++count }), drawn[other]), ({ length }) => length > 0);
  await draws(one, 1);
  await draws(two, 0);
  assert.ok(drawn[0].every(({ by }) => by === 2) && drawn[1].every(({ by }) => by === 1), JSON.stringify(drawn));
});

test('heartbeat: before', LIMIT, async (t) => {
  const { Reconnecting, serve } = await import('./heartbeat/before.mjs');
  const inner = createServer();
  const publish = serve(inner);
  const proxy = await CuttingProxy.start(new URL(await serving(t, inner)).port);
  const socket = new Reconnecting(proxy.origin);
  t.after(() => (socket.close(), proxy.stop()));
  const seen = [];
  socket.on('data', (data) => seen.push(data));
  await once(socket, 'open');
  publish('one');
  await filled(seen, 1);
  const again = once(socket, 'open');
  proxy.cut();
  await once(socket.socket, 'close');
  publish('while away');
  await again;
  publish('two');
  assert.deepEqual(await filled(seen, 2), ['one', 'two'], 'what was sent meanwhile is lost, and nobody knows');
});

test('heartbeat: with-tidings', LIMIT, async (t) => {
  const { follow } = await import('./heartbeat/with-tidings.mjs');
  const proxy = await CuttingProxy.start(server.port);
  const tidings = client(t, { maxAttempts: 10, timings: { backoffFirst: 20, backoffMax: 50 } }, proxy.origin);
  const seen = [];
  let opened = 0;
  let failure;
  follow(tidings, { open: () => opened++, data: (data) => seen.push(data), failed: (error) => (failure = error) });
  await until('it opens', () => opened, (count) => count === 1);
  await tidings.channel('data').ready();
  await server.publish('data', 'one');
  await filled(seen, 1);
  proxy.cut();
  await server.publish('data', 'while away');
  await until('it opens again', () => opened, (count) => count >= 2);
  await server.publish('data', 'two');
  assert.deepEqual(await filled(seen, 3), ['one', 'while away', 'two']);
  await proxy.stop();
  await until('it gives up', () => failure, Boolean);
  assert.equal(failure.code, 'failed');
});

both('notify-user', async ({ module, place }) => {
  const shown = [[], [], []];
  const sent = (count, message) => until(`${count} sessions`, () => module.notify(place(), 'alice', message), (answer) => answer.sent === count);
  await sent(0, 'to nobody');
  ['alice', 'alice', 'bob'].forEach((user, at) => module.listen(place({ user }), user, (message) => shown[at].push(message)));
  await sent(2, 'hello');
  for (const at of [0, 1]) await until('it is shown', () => shown[at], (messages) => messages.includes('hello'));
  assert.deepEqual(shown[2], [], 'it is for one user');
});

both('dashboard', async ({ t, module, place, isBefore }) => {
  const shown = {};
  let count = 0;
  t.after(module.watch(place(), (name, value) => (shown[name] = value)));
  const publisher = place();
  await until('figures', async () => {
    await module.measure(publisher, { cpu: ++count, memory: 60, disk: 70 });
    return shown;
  }, ({ cpu }) => cpu > 0);
  await until('all of them', () => shown, ({ cpu, memory, disk }) => cpu === count && memory === 60 && disk === 70);
  if (isBefore) return; // who comes later sees nothing before the next figures
  const late = {};
  t.after(module.watch(place(), (name, value) => (late[name] = value)));
  assert.deepEqual(await until('the newest figures', () => late, ({ disk }) => disk), { cpu: count, memory: 60, disk: 70 });
});

both('signalling', async ({ module, place }) => {
  const heard = [];
  const callee = module.peer(place(), { offer: (from, payload) => callee.send('answer', from, { sdp: `re: ${payload.sdp}` }) });
  const caller = module.peer(place(), {
    answer: (from, payload) => (heard.push([from, payload.sdp]), caller.send('ice-candidate', from, { candidate: 'udp' })),
  });
  const bystander = module.peer(place(), { offer: () => heard.push('not for it'), answer: () => heard.push('not for it') });
  const [target] = await Promise.all([callee.id, caller.id, bystander.id]);
  caller.send('offer', target, { sdp: 'v=0' });
  assert.deepEqual(await filled(heard, 1), [[target, 're: v=0']]);
});

both('binary', async ({ module, place }) => {
  const taken = [];
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
  module.connect(place(), (bytes) => taken.push(bytes));
  const send = module.connect(place(), () => {});
  await until('bytes', async () => (await send(bytes), taken), ({ length }) => length > 0);
  assert.deepEqual(taken[0], bytes);
});

for (const kind of KINDS) {
  test(`token-stream: ${kind}`, LIMIT, async (t) => {
    const { ask, serve } = await import(`./token-stream/${kind}.mjs`);
    async function* model(prompt) {
      for (const piece of ['You said: ', prompt, ' …\n\n', '그렇군요.']) yield piece;
    }
    const url = await serving(t, serve(model, server.origin));
    const pieces = [];
    await ask(url, 'hello', (piece) => pieces.push(piece));
    assert.deepEqual(pieces, ['You said: ', 'hello', ' …\n\n', '그렇군요.']);
  });
}

/** Both sides of the fallback with one face: `talk` says something until it comes back. */
async function fallback(t, isBefore, url, transports) {
  const seen = [];
  const told = [];
  const options = { transports, maxAttempts: 3, timings: { backoffFirst: 20, backoffMax: 50 } };
  const { Realtime, realtime } = await import(`./fallback/${isBefore ? 'before' : 'with-tidings'}.mjs`);
  let send;
  if (isBefore) {
    const both = new Realtime(url, transports);
    t.after(() => both.close());
    both.on('data', (data) => seen.push(data)).on('open', (name) => told.push(name)).on('failed', () => told.push('failed'));
    send = (data) => both.send(data);
  } else {
    const room = realtime(client(t, options, url), { data: (data) => seen.push(data), open: (name) => told.push(name), failed: () => told.push('failed') });
    send = (data) => room.ready().then(() => room.publish(data));
  }
  const talk = async () => {
    await until('a transport', () => told, ({ length }) => length > 0);
    await send({ text: 'hello' });
    assert.deepEqual(await filled(seen, 1), [{ text: 'hello' }]);
    return told.at(-1);
  };
  return { talk, told };
}

for (const kind of KINDS) {
  test(`fallback: ${kind}`, LIMIT, async (t) => {
    const isBefore = kind === 'before';
    const url = isBefore ? await own(t, await import('./fallback/before.mjs')) : server.origin;
    const all = ['websocket', 'sse', 'long-poll'];
    assert.equal(await (await fallback(t, isBefore, url, all)).talk(), 'websocket');
    const upgrades = await blocking(new URL(url).port, /^upgrade: websocket/im);
    t.after(() => upgrades.stop());
    assert.equal(await (await fallback(t, isBefore, upgrades.origin, all)).talk(), 'sse');
    assert.equal(await (await fallback(t, isBefore, url, ['long-poll'])).talk(), 'long-poll');
    const everything = await blocking(new URL(url).port, /./);
    t.after(() => everything.stop());
    const { told } = await fallback(t, isBefore, everything.origin, all);
    assert.deepEqual(await filled(told, 1), ['failed']);
  });
}
