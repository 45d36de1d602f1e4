// What is published: in order, once, over whatever connection there is, and answered or refused in the end.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Http } from '../dist/http.js';
import { posting } from '../dist/posting.js';
import { Publisher } from '../dist/publisher.js';
import { Clock } from './clock.mjs';

let clock;
let awaits;
let posts;
/** Answers a POST: a body of results, or a status with a problem. */
let answers;

beforeEach(() => {
  clock = new Clock();
  awaits = true;
  posts = [];
  answers = (messages) => ({ results: messages.map(({ channel }) => ({ channel, epoch: 'e', offset: 1 })) });
});

afterEach(() => clock.restore());

function publisher({ posts: byPost = true, ...options } = {}) {
  const fetch = async (url, { body, headers }) => {
    const path = new URL(url).pathname;
    if (path === '/session') return Response.json({ client: 'c', session: 's1' });
    const { messages } = JSON.parse(body);
    posts.push(Object.assign(messages, { session: headers['Tidings-Session'] }));
    const answer = await answers(messages);
    return answer.status ? Response.json(answer, { status: answer.status, headers: answer.headers ?? {} }) : Response.json(answer);
  };
  const http = new Http('http://server', { fetch, ...options });
  const made = new Publisher(http, () => awaits);
  if (byPost) posting({ publisher: made, http });
  return made;
}

/** A connection that takes commands, and notes them. */
function socket() {
  const sent = [];
  return { sent, send: (command) => sent.push(command), close() {} };
}

const ack = ({ id, channel }, offset = 1) => ({ type: 'ack', id, channel, epoch: 'e', offset });
const data = (commands) => commands.map((command) => command.data);
const code = (promise) => promise.then(() => 'resolved', (error) => error.code ?? error.message);

test('in order, all at once over a socket; each answer goes to its own', async () => {
  const sender = publisher();
  const connection = socket();
  sender.use(connection);
  const receipts = [1, 2, 3].map((each) => sender.publish('a', each));
  assert.deepEqual(data(connection.sent), [1, 2, 3]);
  for (const [at, command] of [...connection.sent.entries()].reverse()) sender.answer(ack(command, at + 1));
  assert.deepEqual((await Promise.all(receipts)).map(({ offset }) => offset), [1, 2, 3]);
  assert.deepEqual(await receipts[0], { channel: 'a', epoch: 'e', offset: 1 });
});

test('what waits for a connection goes by it in its order', () => {
  const sender = publisher();
  sender.publish('a', 1);
  sender.publish('b', 2);
  const connection = socket();
  sender.use(connection);
  assert.deepEqual(data(connection.sent), [1, 2]);
});

test('unanswered messages are sent once more over each connection, under the same key; answered ones are not', async () => {
  const sender = publisher();
  const [one, two, three] = [socket(), socket(), socket()];
  sender.use(one);
  const first = sender.publish('a', 1);
  const second = sender.publish('a', 2);
  sender.answer(ack(one.sent[0]));
  await first;
  sender.use(undefined);
  sender.use(two);
  sender.use(two);
  assert.deepEqual(two.sent, [one.sent[1]]);
  assert.ok(two.sent[0].key);
  sender.use(three);
  assert.deepEqual(three.sent, two.sent);
  sender.answer(ack(three.sent[0]));
  // The first connection's answer came late.
  assert.equal(sender.answer(ack(two.sent[0])), false);
  assert.equal((await second).offset, 1);
});

test('keys are different, visible ASCII of at most 64 characters, or those of the application', () => {
  const sender = publisher();
  const connection = socket();
  sender.use(connection);
  for (let n = 0; n < 500; n++) sender.publish('a', n, n === 7 ? { key: 'mine' } : {}).catch(() => {});
  const keys = connection.sent.map(({ key }) => key);
  assert.equal(new Set(keys).size, 500);
  assert.ok(keys.every((key) => /^[!-~]{1,64}$/.test(key)));
  assert.equal(keys[7], 'mine');
});

test('an ephemeral message is sent once, has no key, and is dropped with its connection', async () => {
  const sender = publisher();
  const [one, two] = [socket(), socket()];
  assert.deepEqual(await sender.publish('a', 1, { ephemeral: true }), { channel: 'a', dropped: true });
  sender.use(one);
  const lost = sender.publish('a', 2, { ephemeral: true });
  const kept = sender.publish('a', 3);
  assert.deepEqual(one.sent.map(({ key }) => key === undefined), [true, false]);
  sender.use(two);
  assert.deepEqual(await lost, { channel: 'a', dropped: true });
  assert.deepEqual(data(two.sent), [3]);
  sender.answer(ack(two.sent[0]));
  await kept;
});

test('an ephemeral message by POST is not repeated either', async () => {
  awaits = false;
  answers = () => Promise.reject(new TypeError('fetch failed'));
  const sender = publisher();
  const lost = sender.publish('a', 1, { ephemeral: true });
  await clock.advance(10);
  assert.deepEqual(await lost, { channel: 'a', dropped: true });
  await clock.advance(60_000);
  assert.equal(posts.length, 1);
});

test('queue_full, and room again after an answer', async () => {
  const sender = publisher({ queue: 2 });
  const connection = socket();
  sender.use(connection);
  const first = sender.publish('a', 1);
  sender.publish('a', 2);
  assert.equal(await code(sender.publish('a', 3)), 'queue_full');
  sender.answer(ack(connection.sent[0]));
  await first;
  sender.publish('a', 4);
  assert.deepEqual(data(connection.sent), [1, 2, 4]);
});

test('unknown_outcome for what was sent too long ago; what was never sent goes on waiting', async () => {
  const sender = publisher();
  sender.use(socket());
  const sent = code(sender.publish('a', 1));
  sender.use(undefined);
  const waiting = sender.publish('a', 2);
  await clock.advance(240_001);
  const connection = socket();
  sender.use(connection);
  assert.equal(await sent, 'unknown_outcome');
  assert.deepEqual(data(connection.sent), [2]);
  sender.answer(ack(connection.sent[0]));
  await waiting;
});

test('abort takes it out of the queue', async () => {
  const sender = publisher();
  const stop = new AbortController();
  const aborted = sender.publish('a', 1, { signal: stop.signal });
  sender.publish('a', 2);
  stop.abort(new Error('enough'));
  assert.equal(await code(aborted), 'enough');
  const connection = socket();
  sender.use(connection);
  assert.deepEqual(data(connection.sent), [2]);
  assert.equal(await code(sender.publish('a', 3, { signal: stop.signal })), 'enough');
});

test('a refusal that passes is waited for as long as it says', async () => {
  const sender = publisher();
  const connection = socket();
  sender.use(connection);
  const receipt = sender.publish('a', 1);
  sender.answer({ type: 'error', id: connection.sent[0].id, code: 'too_many_requests', message: 'later', temporary: true, retry_ms: 3_000 });
  await clock.advance(2_999);
  assert.equal(connection.sent.length, 1);
  await clock.advance(1);
  assert.deepEqual(connection.sent[1], connection.sent[0]);
  sender.answer(ack(connection.sent[1]));
  await receipt;
});

const refused = ({ id }, retry_ms, code = 'too_many_requests') => ({ type: 'error', id, code, message: 'later', temporary: true, retry_ms });

test('a refusal that passes holds back what comes after it; ephemeral messages do not wait', async () => {
  const sender = publisher();
  const connection = socket();
  sender.use(connection);
  const receipts = [1, 2, 3].map((each) => sender.publish('a', each));
  sender.answer(refused(connection.sent[0], 3_000));
  sender.answer(refused(connection.sent[1], 1_000));
  receipts.push(sender.publish('a', 4));
  sender.publish('a', 'now', { ephemeral: true });
  await clock.advance(2_999);
  assert.deepEqual(data(connection.sent.splice(0)), [1, 2, 3, 'now']);
  await clock.advance(1);
  // The third one was not answered yet: under its key it comes once, and after the first two.
  assert.deepEqual(data(connection.sent), [1, 2, 3, 4]);
  for (const command of connection.sent) sender.answer(ack(command));
  await Promise.all(receipts);
});

test('another connection does not let what waits overtake', async () => {
  const sender = publisher();
  const [one, two] = [socket(), socket()];
  sender.use(one);
  sender.publish('a', 1);
  sender.answer(refused(one.sent[0], 3_000));
  sender.use(two);
  sender.publish('a', 2);
  assert.deepEqual(two.sent, []);
  await clock.advance(3_000);
  assert.deepEqual(data(two.sent), [1, 2]);
});

test('unknown_outcome is told when its time has come, whatever happens', async () => {
  const sender = publisher();
  sender.use(socket());
  const sent = code(sender.publish('a', 1));
  await clock.advance(239_000);
  assert.ok(clock.pending);
  await clock.advance(1_000);
  assert.equal(await sent, 'unknown_outcome');
  assert.equal(clock.pending, 0);
});

test('what was refused for sure is waited for without a bound, but not what was sent before, too', async () => {
  const sender = publisher();
  const connection = socket();
  sender.use(connection);
  const receipt = code(sender.publish('a', 1));
  for (let n = 0; n < 10; n++) {
    sender.answer(refused(connection.sent.at(-1), 60_000));
    await clock.advance(60_000);
    assert.equal(connection.sent.length, n + 2);
  }
  // Not answered over this one: nobody knows.
  const other = socket();
  sender.use(other);
  sender.answer(refused(other.sent[0], 1_000));
  await clock.advance(240_000);
  assert.equal(await receipt, 'unknown_outcome');
});

test('a server that broke may have published it', async () => {
  const sender = publisher();
  const connection = socket();
  sender.use(connection);
  const receipt = code(sender.publish('a', 1));
  sender.answer(refused(connection.sent[0], 250_000, 'internal'));
  await clock.advance(240_000);
  assert.equal(await receipt, 'unknown_outcome');
});

test('a refusal that is final is the message\'s alone', async () => {
  const sender = publisher();
  const connection = socket();
  sender.use(connection);
  const refused = sender.publish('a', 1);
  const other = sender.publish('a', 2);
  sender.answer({ type: 'error', id: connection.sent[0].id, code: 'forbidden', message: 'no', temporary: false });
  assert.equal(await code(refused), 'forbidden');
  sender.answer(ack(connection.sent[1]));
  await other;
  assert.equal(sender.answer(ack({ id: 'unknown' })), false);
});

test('by POST: batches in order, one at a time', async () => {
  const release = [];
  const results = answers;
  answers = (messages) => new Promise((resolve) => release.push(() => resolve(results(messages))));
  const sender = publisher();
  sender.use({ close() {} });
  const receipts = Array.from({ length: 100 }, (_, n) => sender.publish('a', n));
  while (posts.flat().length < 100 || release.length) {
    await clock.settle();
    assert.ok(release.length <= 1, 'two requests at once');
    release.shift()?.();
  }
  await Promise.all(receipts);
  assert.deepEqual(data(posts.flat()), Array.from({ length: 100 }, (_, n) => n));
  assert.deepEqual(posts.map(({ length }) => length), [1, 64, 35]);
});

test('by POST: a batch with one that is wrong: it alone is refused, the others arrive in order', async () => {
  const arrived = [];
  answers = (messages) => {
    if (messages.some((message) => message.data === 'bad')) return { status: 400, code: 'invalid_event', detail: 'bad' };
    arrived.push(...data(messages));
    return { results: messages.map(({ channel }) => ({ channel, epoch: 'e', offset: 1 })) };
  };
  const sender = publisher();
  const codes = ['one', 'two', 'bad', 'three', 'four'].map((each) => code(sender.publish('a', each)));
  sender.use({ close() {} });
  assert.deepEqual(await Promise.all(codes), ['resolved', 'resolved', 'invalid_event', 'resolved', 'resolved']);
  assert.deepEqual(arrived, ['one', 'two', 'three', 'four']);
});

test('by POST: a result that is a refusal is of its message', async () => {
  answers = () => ({ results: [{ channel: 'a', epoch: 'e', offset: 1 }, { code: 'channel_closed', detail: 'ended' }] });
  const sender = publisher();
  const codes = [code(sender.publish('a', 1)), code(sender.publish('b', 2))];
  sender.use({ close() {} });
  assert.deepEqual(await Promise.all(codes), ['resolved', 'channel_closed']);
});

test('by POST: 429 is waited for, and nothing overtakes', async () => {
  const results = answers;
  answers = () => ({ status: 429, code: 'too_many_requests', detail: 'later', headers: { 'Retry-After': '7' } });
  const sender = publisher();
  sender.use({ close() {} });
  const receipts = [sender.publish('a', 1)];
  await clock.advance(100);
  receipts.push(sender.publish('a', 2));
  answers = results;
  await clock.advance(6_800);
  assert.equal(posts.length, 1);
  await clock.advance(200);
  await Promise.all(receipts);
  assert.deepEqual(posts.map(data), [[1], [1, 2]]);
  assert.equal(posts[0][0].key, posts[1][0].key);
});

test('by POST: without an answer it is sent again under the same key', async () => {
  const results = answers;
  answers = () => Promise.reject(new TypeError('fetch failed'));
  const sender = publisher();
  sender.use({ close() {} });
  const receipt = sender.publish('a', 1);
  await clock.advance(10);
  answers = results;
  await clock.advance(3_000);
  await receipt;
  assert.deepEqual(posts[0], posts[1]);
});

test('by POST: echo:false needs to be a client', async () => {
  const sender = publisher();
  sender.use({ close() {} });
  await sender.publish('a', 1, { echo: false });
  assert.deepEqual([posts[0].session, posts[0][0].echo], ['s1', false]);
});

test('without a channel that is read it goes by POST at once', async () => {
  awaits = false;
  const sender = publisher();
  await sender.publish('a', 1);
  assert.deepEqual(data(posts[0]), [1]);
});

test('a large message goes by POST when all before it are answered, and what follows comes after it', async () => {
  const sender = publisher();
  const connection = socket();
  sender.use(connection);
  const large = 'x'.repeat(100_000);
  const receipts = [1, large, 3].map((each) => sender.publish('a', each));
  await clock.settle();
  assert.deepEqual([data(connection.sent), posts.length], [[1], 0]);
  sender.answer(ack(connection.sent[0]));
  await clock.advance(1);
  assert.deepEqual(posts.map(data), [[large]]);
  assert.deepEqual(data(connection.sent), [1, 3]);
  sender.answer(ack(connection.sent[1]));
  await Promise.all(receipts);
});

test('without posting what no connection takes is refused, and what follows it goes on', async () => {
  const sender = publisher({ posts: false });
  const connection = socket();
  sender.use(connection);
  const codes = ['x'.repeat(100_000), 2].map((each) => code(sender.publish('a', each)));
  assert.deepEqual(data(connection.sent), [2]);
  sender.answer(ack(connection.sent[0]));
  sender.use(undefined);
  awaits = false;
  codes.push(code(sender.publish('a', 3)));
  assert.deepEqual(await Promise.all(codes), ['no_posting', 'resolved', 'no_posting']);
  assert.deepEqual(posts, []);
});

test('bytes, nothing, and what is no message', async () => {
  const sender = publisher();
  const connection = socket();
  sender.use(connection);
  for (const each of [Uint8Array.from([0, 255]), Uint8Array.from([0, 255]).buffer, undefined, null, 'text', 0]) sender.publish('a', each, { event: 'x', topic: 't' });
  assert.deepEqual(connection.sent.map(({ data: sent, encoding }) => [sent, encoding]), [['AP8=', 'base64'], ['AP8=', 'base64'], [null, undefined], [null, undefined], ['text', undefined], [0, undefined]]);
  assert.deepEqual([connection.sent[0].event, connection.sent[0].topic], ['x', 't']);
  const circle = {};
  circle.self = circle;
  await assert.rejects(sender.publish('a', circle), TypeError);
  sender.publish('a', 'after');
  assert.equal(connection.sent.at(-1).data, 'after');
});

test('a client that fails refuses all, and leaves no timer', async () => {
  const sender = publisher();
  const connection = socket();
  sender.use(connection);
  const one = sender.publish('a', 1);
  const two = sender.publish('a', 2);
  sender.answer({ type: 'error', id: connection.sent[0].id, code: 'too_many_requests', message: 'later', temporary: true, retry_ms: 3_000 });
  sender.fail(Object.assign(new Error('closed'), { code: 'closed' }));
  assert.deepEqual([await code(one), await code(two)], ['closed', 'closed']);
  assert.equal(clock.pending, 0);
});
