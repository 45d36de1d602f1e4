// Polls by themselves: what is asked for, how long it waits, and how it ends.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Http } from '../dist/http.js';
import { longPoll, poll } from '../dist/transports/polling.js';
import { Clock } from './clock.mjs';

let clock;
let asked;
let told;
let asks;
/** Answers one request; absent, it waits. */
let answer;

beforeEach(() => {
  clock = new Clock();
  asked = [];
  told = [];
  asks = [{ name: 'a', after: 'now' }];
  answer = () => ({ messages: [], cursor: 'e-0', more: false });
});

afterEach(() => clock.restore());

function open(transport) {
  const fetch = (url, { body, signal }) =>
    new Promise((resolve, reject) => {
      if (new URL(url).pathname === '/session') return resolve(Response.json({ client: 'c', session: 's' }));
      const request = JSON.parse(body);
      asked.push(request);
      signal.addEventListener('abort', () => reject(signal.reason));
      const value = answer(request);
      if (value instanceof Error) reject(value);
      else if (value) resolve(value instanceof Response || value instanceof Promise ? value : Response.json(value));
    });
  const http = new Http('http://server', { fetch });
  return [transport.open(http, { asks: () => asks, frame: (frame) => told.push(frame), end: (...end) => told.push(end) }), http];
}

const waits = () => asked.map(({ wait }) => wait);
const first = (value) => (request) => (request.wait ? undefined : value);

test('the first request does not wait, and so does the first after a change', async () => {
  answer = first({ messages: [], cursor: 'e-0', more: false });
  const [connection] = open(longPoll);
  await clock.advance(1);
  assert.deepEqual(waits(), [0, 30]);
  asks = [...asks, { name: 'b', after: 'now' }];
  connection.change();
  await clock.advance(1);
  assert.deepEqual(waits(), [0, 30, 0, 30]);
  assert.deepEqual(asked[2].channels.map(({ name }) => name), ['a', 'b']);
  connection.close();
});

test('a change in the middle of an answer is asked for at once, and the rest of the answer comes again', async () => {
  const frames = [1, 2].map((offset) => ({ type: 'message', channel: 'a', epoch: 'e', offset, data: offset, time: 1 }));
  answer = first({ messages: frames, cursor: 'e-2', more: false });
  const [connection] = open(longPoll);
  let changed = false;
  told.push = function (frame) {
    if (frame.offset === 1 && !changed) {
      changed = true;
      asks = [...asks, { name: 'b', after: 'now' }];
      connection.change();
    }
    return Array.prototype.push.call(this, frame);
  };
  await clock.advance(1);
  assert.deepEqual(waits(), [0, 0, 30]);
  assert.deepEqual(told.filter(({ offset }) => offset).map(({ offset }) => offset), [1, 1, 2]);
  connection.close();
});

test('more is asked for at once; a short poll pauses, and longer where the server says so', async () => {
  answer = () => ({ messages: [], cursor: 'e-0', more: asked.length < 3 });
  const [connection] = open(poll);
  await clock.advance(1);
  assert.equal(asked.length, 3);
  await clock.advance(1_998);
  assert.equal(asked.length, 3);
  answer = () => Response.json({ messages: [], cursor: 'e-0', more: false }, { headers: { 'Retry-After': '9' } });
  await clock.advance(10);
  assert.equal(asked.length, 4);
  await clock.advance(8_000);
  assert.equal(asked.length, 4);
  await clock.advance(1_000);
  assert.equal(asked.length, 5);
  connection.close();
});

for (const transport of [longPoll, poll]) {
  test(`${transport.name}: never answered is blocked, once answered is lost`, async () => {
    answer = () => new TypeError('fetch failed');
    open(transport);
    await clock.advance(1);
    assert.equal(told[0][0], 'blocked');
    told.length = 0;
    answer = () => (asked.length === 2 ? { messages: [], cursor: 'e-0', more: false } : new TypeError('fetch failed'));
    open(transport);
    await clock.advance(2_001);
    assert.equal(told.at(-1)[0], 'lost');
  });
}

test('what cuts waits makes them shorter, down to a second', async () => {
  answer = (request) => (request.wait ? new TypeError('fetch failed') : { messages: [], cursor: 'e-0', more: false });
  const [, http] = open(longPoll);
  await clock.advance(1);
  assert.equal(http.wait, 15_000);
});

test('waits grow again by a second after each that was let through whole', async () => {
  answer = (request) => request.wait ? new Promise((resolve) => setTimeout(() => resolve(Response.json({ messages: [], cursor: 'e-0', more: false })), request.wait * 1_000)) : { messages: [], cursor: 'e-0', more: false };
  const [connection, http] = open(longPoll);
  await clock.advance(1);
  http.wait = 28_000;
  await clock.advance(30_000 + 28_000 + 29_000 + 30_000 + 30_000);
  assert.deepEqual(waits().slice(0, 6), [0, 30, 29, 30, 30, 30]);
  connection.close();
});

test('a closed poll asks for nothing more and leaves no timer', async () => {
  const [connection] = open(poll);
  await clock.advance(1);
  connection.close();
  await clock.advance(60_000);
  assert.deepEqual([asked.length, clock.pending], [1, 0]);
  assert.ok(!told.some(Array.isArray));
});
