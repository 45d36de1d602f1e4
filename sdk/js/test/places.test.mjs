// Where a reader stands, against a model: whatever comes in whatever way, what is handed out is a run without holes, or a gap says where
// there is one, and nothing comes twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Place } from '../dist/places.js';
import { seeds } from './chance.mjs';
import { inOrder } from './order.mjs';

const message = (epoch, offset) => ({ type: 'message', channel: 'a', epoch, offset, data: offset, time: 0 });
const gap = (epoch, from, to, reason = 'expired') => ({ type: 'gap', channel: 'a', epoch, from, to, reason });
const skip = (epoch, from, to) => ({ type: 'skip', channel: 'a', epoch, from, to, reason: 'own' });
const subscribed = (epoch, offset, recovered = true) => ({ type: 'subscribed', channel: 'a', epoch, offset, recovered });

const take = (place, frames) => frames.flatMap((frame) => place.accept(frame));

test('it asks from what came last', () => {
  const place = new Place('a', {});
  assert.equal(place.ask().after, 'now');
  assert.deepEqual(take(place, [subscribed('e', 4)]), []);
  assert.equal(place.ask().after, 'e-4');
  take(place, [message('e', 5)]);
  assert.equal(place.ask().after, 'e-5');
  take(place, [{ type: 'cursor', cursor: 'c1_token', names: ['a'] }]);
  assert.equal(place.ask().after, 'c1_token');
  take(place, [message('e', 6)]);
  assert.equal(place.after, 'e-6');
});

test('it asks as the application said, until it stands somewhere', () => {
  assert.deepEqual(new Place('a', { after: 'e-3' }).ask(), { name: 'a', after: 'e-3', last: undefined, join: undefined, info: undefined });
  assert.deepEqual(new Place('a', { last: 0 }).ask().last, 0);
  assert.equal(new Place('a', { last: 5, after: 'earliest' }).ask().last, undefined);
  const last = new Place('a', { last: 5 });
  take(last, [subscribed('e', 1)]);
  assert.deepEqual([last.ask().after, last.ask().last], ['e-1', undefined]);
});

test('joins and what others see of it', () => {
  const info = (join) => {
    const { join: joins, info: shown } = new Place('a', { join }).ask();
    return [joins, shown];
  };
  assert.deepEqual([undefined, false, true, 0, { name: 'x' }].map(info), [[undefined, undefined], [undefined, undefined], [true, undefined], [true, 0], [true, { name: 'x' }]]);
});

test('what the server could not honour at the first reading is told, too', () => {
  // As in conformance/transcripts/sse.txt: the answer stands behind what is lost.
  for (const [lost, after] of [[gap('e', 1, 2), 'e-0'], [gap('e', null, 2, 'unknown_cursor'), 'garbage'], [gap('f', null, 0, 'epoch_changed'), 'e-6']]) {
    const place = new Place('a', { after });
    const handed = take(place, [subscribed(lost.epoch, lost.to, false), lost, message(lost.epoch, lost.to + 1)]);
    assert.deepEqual(handed, [lost, message(lost.epoch, lost.to + 1)]);
  }
});

test('what came already is dropped', () => {
  const place = new Place('a', {});
  const frames = [subscribed('e', 0), message('e', 1), message('e', 2), gap('e', 3, 4), message('e', 5)];
  assert.equal(take(place, frames).length, 4);
  assert.deepEqual(take(place, frames), []);
});

test('a hole that nobody told is told', () => {
  const place = new Place('a', {});
  assert.deepEqual(take(place, [subscribed('e', 1), message('e', 4)]), [gap('e', 2, 3, 'unknown'), message('e', 4)]);
  assert.deepEqual(take(place, [skip('e', 7, 8)]), [gap('e', 5, 6, 'unknown'), skip('e', 7, 8)]);
  assert.deepEqual(take(place, [message('f', 3)]), [gap('f', null, 2, 'unknown'), message('f', 3)]);
});

test('ephemeral messages stand nowhere', () => {
  const place = new Place('a', {});
  const fleeting = { type: 'message', channel: 'a', data: 1, time: 0 };
  assert.deepEqual(take(place, [fleeting, subscribed('e', 3), fleeting]), [fleeting, fleeting]);
  assert.equal(place.after, 'e-3');
});

/** A log, and connections that read it as a server lets them. */
class Log {
  epoch = 1;
  end = 0;
  oldest = 1;

  get name() {
    return `e${this.epoch}`;
  }

  /** What a connection says that starts after this cursor. */
  read(after) {
    const found = /^e(\d+)-(\d+)$/.exec(after);
    if (after === 'earliest') return [subscribed(this.name, this.oldest - 1), ...this.#from(this.oldest)];
    if (after === 'now') return [subscribed(this.name, this.end)];
    const [epoch, offset] = found ? [Number(found[1]), Number(found[2])] : [];
    if (epoch === this.epoch && offset >= this.oldest - 1) return [subscribed(this.name, offset), ...this.#from(offset + 1)];
    const to = this.oldest - 1;
    const lost = epoch === this.epoch ? gap(this.name, offset + 1, to) : gap(this.name, null, to, 'epoch_changed');
    return [subscribed(this.name, to, false), lost, ...this.#from(to + 1)];
  }

  #from(offset) {
    const frames = [];
    for (; offset <= this.end; offset++) frames.push(offset % 7 === 0 ? skip(this.name, offset, offset) : message(this.name, offset));
    return frames;
  }
}

test('any interleaving of two connections, resets and cursors', () => seeds(3_000, (dice) => {
  const place = new Place('a', dice.pick([{}, { after: 'earliest' }, { after: 'e1-0' }]));
  const log = new Log();
  log.end = dice.below(5);
  const handed = [];
  // What was asked for and what of it has not come yet. Each connection is in order; the first one ends when the second works.
  let standing = [];
  let candidate;
  let opened = 0;
  let reset = 0;
  const open = () => {
    opened++;
    return log.read(place.ask().after);
  };
  const live = (frame) => {
    standing.push(frame);
    candidate?.push(frame);
  };
  standing = open();
  for (let step = 0; step < 60; step++) {
    const roll = dice.below(10);
    if (roll < 4) {
      log.end++;
      live(log.end % 7 === 0 ? skip(log.name, log.end, log.end) : message(log.name, log.end));
    } else if (roll === 4 && dice.chance(0.3) && reset !== opened) {
      // Not twice while two connections overlap: a reader knows one epoch before its own.
      if (candidate) reset = opened;
      log.epoch++;
      log.end = 0;
      log.oldest = 1;
      live(gap(log.name, null, 0, 'epoch_changed'));
    } else if (roll === 5) log.oldest = Math.min(log.oldest + dice.below(3), log.end + 1);
    else if (roll === 6 && !candidate) candidate = open();
    else if (roll === 7 && candidate) {
      standing = candidate;
      candidate = undefined;
    } else if (roll === 8 && dice.chance(0.3)) {
      // Cut, with what was on its way.
      standing = candidate ?? open();
      candidate = undefined;
    } else {
      for (let count = dice.below(4); count > 0 && standing.length; count--) handed.push(...place.accept(standing.shift()));
      if (!standing.length && dice.chance(0.2) && place.after) handed.push(...place.accept({ type: 'cursor', cursor: place.after, names: ['a'] }));
    }
  }
  for (const connection of [standing, candidate ?? []]) for (const frame of connection) handed.push(...place.accept(frame));
  inOrder(handed);
  if (place.epoch === log.name) assert.equal(place.offset, log.end, 'the end is reached');
  // Two connections that start "now" or at the oldest message, before either was heard, start at different places.
  if (place.start.after === 'e1-0') assert.ok(!handed.some(({ reason }) => reason === 'unknown'), 'this server leaves no hole');
}));

test('anything at all: no hole and nothing twice within an epoch', () => seeds(3_000, (dice) => {
  const place = new Place('a', {});
  const handed = [];
  for (let step = 0; step < 60; step++) {
    const from = 1 + dice.below(12);
    const epoch = 'e';
    const frame = dice.pick([message(epoch, from), gap(epoch, dice.pick([null, from]), from + dice.below(3)), skip(epoch, from, from + dice.below(3)), subscribed(epoch, from)]);
    handed.push(...place.accept(frame));
  }
  // Skips and gaps may overlap what came; they never step back.
  let at;
  for (const frame of handed) {
    const [from, to] = frame.type === 'message' ? [frame.offset, frame.offset] : [frame.from, frame.to];
    if (at !== undefined) {
      assert.ok(to > at, `${JSON.stringify(frame)} after ${at}`);
      assert.ok(frame.type === 'gap' || from <= at + 1, `a hole before ${JSON.stringify(frame)} after ${at}`);
    }
    at = to;
  }
}));

test('a gap that overlaps what came over another connection tells only what is missing', () => {
  const place = new Place('a', {});
  take(place, [subscribed('e', 5), message('e', 6), message('e', 7), message('e', 8)]);
  assert.deepEqual(take(place, [gap('e', 6, 10)]), [gap('e', 9, 10)]);
  assert.deepEqual(take(place, [gap('e', 13, 14)]), [gap('e', 11, 12, 'unknown'), gap('e', 13, 14)]);
});
