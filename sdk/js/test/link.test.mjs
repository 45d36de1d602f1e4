// One case each of what a client does when its connection, its channels or its application change at a bad moment.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Tidings } from '../dist/client.js';
import { Dice } from './chance.mjs';
import { Clock } from './clock.mjs';
import { World } from './world.mjs';

let clock;
let world;
let tidings;

beforeEach(() => {
  clock = new Clock();
  world = new World(clock, new Dice(1), 25);
  // Everything arrives after a millisecond.
  world.latency = () => 1;
});

afterEach(() => {
  tidings?.close();
  clock.restore();
});

const client = (kind = 'socket') => (tidings = new Tidings('http://server', { transports: [world.transport('websocket', kind)], fetch: world.fetch }));

test('a subscription that was refused for now is not asked for again on another connection', async () => {
  const channel = client().channel('a');
  const closed = [];
  channel.on('$closed', (frame) => closed.push(frame));
  world.refuses = () => true;
  await clock.advance(100);
  world.refuses = undefined;
  const [connection] = world.connections;
  connection.end('lost');
  await clock.advance(1_500);
  assert.equal(tidings.state, 'open');
  await clock.advance(5_000);
  assert.deepEqual(closed, []);
});

test('a subscription that was refused for now is asked for again', async () => {
  const came = [];
  client().channel('a').on('message', ({ data }) => came.push(data));
  world.refuses = () => true;
  await clock.advance(100);
  world.refuses = undefined;
  await clock.advance(3_000);
  world.append('a', 1);
  await clock.advance(10);
  assert.deepEqual(came, [1]);
});
