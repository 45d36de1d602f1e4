// Whole clients over a network that does what it wants, in a time of its own: whatever happens, what is handed out has no holes that are not
// told and nothing twice; one connection counts; what is published comes once and in order; and a closed client is silent.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { Tidings } from '../dist/client.js';
import { page } from '../dist/page.js';
import { posting } from '../dist/posting.js';
import { seeds } from './chance.mjs';
import { Clock } from './clock.mjs';
import { inOrder } from './order.mjs';
import { World } from './world.mjs';

const names = ['a', 'b', 'c'];
const fates = ['ok', 'ok', 'ok', 'cut', 'broken', 'blocked', 'mute', 'passing'];
const chance = Math.random;

after(() => {
  Math.random = chance;
});

/** A reader of one channel: what it was handed, in each of its lives. */
class Reader {
  handed = [];
  #removes = [];

  constructor(channel, log, told) {
    this.channel = channel;
    this.log = log;
    this.told = told;
  }

  get reads() {
    return this.#removes.length > 0;
  }

  begin() {
    this.handed = [];
    for (const name of ['$message', '$gap', '$skip', '$closed']) {
      this.#removes.push(this.channel.on(name, (frame) => {
        this.told(frame);
        this.handed.push(frame);
      }));
    }
  }

  end() {
    for (const remove of this.#removes.splice(0)) remove();
    this.check();
  }

  check() {
    assert.ok(!this.handed.some(({ type }) => type === 'closed'), `${this.channel.name} was closed: ${JSON.stringify(this.handed.at(-1))}`);
    inOrder(this.handed);
    const [first] = this.handed;
    // Who starts with the oldest retained message gets it, unless its log has begun anew.
    if (this.channel.options.after === 'earliest' && first?.type === 'message' && first.epoch === this.log.id) assert.ok(first.offset <= this.log.oldest, `it starts at ${first.offset}, and the oldest is ${this.log.oldest}`);
  }
}

async function run(dice, clock) {
  Math.random = () => dice.next();
  const world = new World(clock, dice, dice.pick([2, 25]));
  const scope = { document: Object.assign(new EventTarget(), { visibilityState: 'visible' }) };
  globalThis.document = scope.document;
  let silent = false;
  const told = (what) => assert.ok(!silent, `told after its end: ${JSON.stringify(what)}`);
  const tidings = new Tidings('http://server', {
    transports: [world.transport('websocket', 'socket'), world.transport('sse', 'stream'), world.transport('long-poll', 'poll')],
    extensions: [page, posting], fetch: world.fetch,
  });
  const states = [];
  tidings.on('$state', (change) => {
    told(change);
    states.push(change);
  });
  tidings.on('$move', told);
  tidings.on('$failed', (error) => assert.fail(`it gave up: ${error.message}`));
  const readers = names.map((name, at) => new Reader(tidings.channel(name, at === 1 ? { after: 'earliest' } : {}), world.log(name), told));
  const sent = [];
  const answers = [];
  let frozen = false;
  const single = () => {
    const open = [...world.connections].filter(({ worked }) => worked);
    assert.ok(open.length <= 1, `${open.length} connections are open`);
    assert.ok(world.connections.size <= 2, `${world.connections.size} connections`);
  };

  const steps = [
    [12, () => world.append(dice.pick(names), dice.below(1_000))],
    [6, () => clock.advance(dice.pick([1, 20, 200, 1_000]))],
    [4, () => clock.advance(dice.pick([5_000, 30_000]))],
    [3, () => {
      const reader = dice.pick(readers);
      if (reader.reads) reader.end();
      else reader.begin();
    }],
    [3, () => {
      world.fates[dice.pick(['websocket', 'sse', 'long-poll'])] = dice.pick(fates);
    }],
    [3, () => [...world.connections].at(-1)?.end('lost')],
    [1, () => {
      const connection = dice.pick([...world.connections]);
      if (connection) connection.dead = true;
    }],
    [1, () => {
      world.up = dice.chance(0.6);
      if (!world.up) for (const connection of [...world.connections]) connection.end('lost');
    }],
    [1, () => world.reset(dice.pick(names))],
    [1, () => world.expire(dice.pick(names), dice.below(4))],
    [1, () => {
      world.refuses = dice.chance(0.5) ? () => dice.chance(0.5) : undefined;
    }],
    [1, () => clock.sleep(dice.pick([3_000, 60_000, 3_600_000]))],
    [2, () => tidings.engine.link.refresh()],
    [1, () => tidings.engine.link.climb()],
    [1, () => tidings.connect()],
    [1, () => {
      frozen = !frozen;
      scope.document.dispatchEvent(new Event(frozen ? 'freeze' : 'resume'));
    }],
    [3, () => {
      const data = `own ${sent.length}`;
      sent.push(data);
      tidings.publish('p', data).then((receipt) => answers.push([data, receipt]), (error) => assert.equal(error.code, 'unknown_outcome'));
    }],
  ].flatMap(([weight, step]) => Array(weight).fill(step));

  dice.pick(readers).begin();
  for (let step = 0; step < 80; step++) {
    await dice.pick(steps)();
    await clock.settle();
    single();
  }

  // All is well again: everything arrives, over the best rung.
  Object.assign(world, { up: true, fates: {}, refuses: undefined });
  if (frozen) scope.document.dispatchEvent(new Event('resume'));
  for (const reader of readers) if (!reader.reads) reader.begin();
  await clock.advance(40 * 60_000);
  for (const name of names) world.append(name, 'last');
  await clock.advance(10_000);
  single();
  for (const reader of readers) {
    reader.check();
    assert.equal(reader.handed.at(-1)?.data, 'last', `${reader.channel.name} stands still: ${JSON.stringify(tidings.engine.state)}`);
  }
  assert.deepEqual([tidings.state, tidings.transport], ['open', 'websocket']);
  const came = world.arrived.filter(({ channel }) => channel === 'p').map(({ data }) => data);
  assert.equal(new Set(came).size, came.length, 'a message was published twice');
  assert.deepEqual(came, sent.filter((data) => came.includes(data)), 'messages are published in another order');
  for (const [data] of answers) assert.ok(came.includes(data));
  const unsettled = sent.length - answers.length;
  assert.ok(unsettled <= sent.filter((data) => !answers.some(([answered]) => answered === data)).length);

  // Closed in the middle of anything.
  if (dice.chance(0.7)) {
    world.fates[dice.pick(['websocket', 'sse'])] = dice.pick(fates);
    dice.pick([() => {}, () => [...world.connections].at(-1)?.end('lost'), () => tidings.engine.link.refresh()])();
    await clock.advance(dice.pick([0, 1, 100, 2_000]));
  }
  tidings.close();
  assert.equal(tidings.state, 'closed');
  silent = true;
  await clock.settle();
  const { opened } = world;
  for (const name of names) world.append(name, 'late');
  // Requests that are on their way are answered or given up.
  await clock.advance(10_000);
  assert.equal(clock.pending, 0, 'timers are left');
  await clock.advance(3_600_000);
  assert.equal(world.opened, opened, 'a closed client connects');
  assert.equal(world.connections.size, 0);
  delete globalThis.document;
}

test('schedules', async () => {
  const clock = new Clock();
  try {
    await seeds(Number(process.env.SEEDS ?? 600), (dice) => run(dice, clock));
  } finally {
    clock.restore();
    delete globalThis.document;
  }
});
