// The main job on real input: a growing log file, published by `tail -F | tidings pub`, watched by
// five readers, while the server is killed and started again under all of them.

import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { followCommand, followCurl, publishTail } from './commands.js';
import { followEvents, followSocket } from './readers.js';
import { Server, upTo } from './support.js';

let folder;
let file;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tidings-tail-'));
  file = path.join(folder, 'app.log');
});
after(() => rm(folder, { recursive: true }));

/** Writes numbered lines as a program does, one at a time. */
class Writer {
  count = 0;

  async line() {
    this.count += 1;
    await appendFile(file, `${this.count} INFO 주문 접수 📦 "인용" \\ {"n":${this.count}}\n`);
  }

  async lines(count) {
    for (const _ of upTo(count)) await this.line();
  }

  /** Goes on writing while `work` is under way. */
  async during(work) {
    let busy = true;
    const done = work.finally(() => (busy = false));
    while (busy) {
      await this.line();
      await pause(5);
    }
    return done;
  }
}

const numberOf = ({ data }) => Number.parseInt(data, 10);
const hello = (journal) => journal.of('hello').length > 0;

async function follow(url) {
  const start = (await (await fetch(`${url}/channels/logs`)).json()).cursor;
  const readers = {
    'tidings sub': followCommand(url, 'logs', ['--after', start]),
    'tidings sub over SSE': followCommand(url, 'logs', ['--after', start, '--transport', 'sse']),
    'curl long poll': followCurl(url, 'logs', start),
    eventsource: followEvents(`${url}/channels/logs`),
    ws: followSocket(url, 'logs', start),
  };
  for (const [name, { journal }] of Object.entries(readers)) {
    if (name !== 'curl long poll') await journal.until(hello, `hello for ${name}`);
  }
  return readers;
}

/** Each reader has the line of this number. */
function reach(readers, number) {
  return Promise.all(Object.entries(readers).map(([name, { journal }]) =>
    journal.until(({ messages }) => messages.some((message) => numberOf(message) === number), `line ${number} at ${name}`)));
}

/** What a reader was told: its runs of messages, one for each epoch, and the gaps between them. */
function judge(name, journal, receipts, written) {
  const gaps = journal.of('gap');
  assert.equal(gaps.length, 1, `${name}: ${JSON.stringify(gaps)}`);
  assert.equal(gaps[0].reason, 'epoch_changed', name);
  const { messages } = journal;
  const [oldEpoch, newEpoch] = [messages[0].epoch, messages.at(-1).epoch];
  assert.notEqual(oldEpoch, newEpoch, name);
  assert.equal(gaps[0].epoch, newEpoch, name);
  const before = messages.filter(({ epoch }) => epoch === oldEpoch);
  const after = messages.filter(({ epoch }) => epoch === newEpoch);
  assert.equal(before.length + after.length, messages.length, name);
  assert.deepEqual(before.map(({ offset }) => offset), upTo(before.length), name);
  assert.deepEqual(after.map(({ offset }) => offset), upTo(after.length), name);
  assert.deepEqual(before.map(numberOf), upTo(before.length), name);
  // What the lost server had not confirmed came again: nothing that was written is missing but for
  // confirmed lines inside the gap.
  const confirmed = receipts.filter(({ epoch }) => epoch === oldEpoch).length;
  const rest = upTo(written - confirmed).map((number) => confirmed + number);
  assert.deepEqual(after.map(numberOf), rest, name);
  const lines = [...before, ...after].map(({ data }) => data);
  const whole = /^(\d+) INFO 주문 접수 📦 "인용" \\ \{"n":\1\}$/;
  assert.deepEqual(lines.filter((line) => !whole.test(line)), [], name);
}

test('a followed log survives a killed server, with a told gap', async (t) => {
  const server = await Server.during(t);
  const readers = await follow(server.url);
  t.after(() => Promise.all(Object.values(readers).map((reader) => reader.close())));
  const writer = new Writer();
  await writer.line();
  const tail = publishTail(file, server.url, 'logs');
  t.after(() => tail.abandon());

  await writer.lines(50);
  await reach(readers, writer.count);
  // A log is rotated, too.
  await rename(file, `${file}.1`);
  await writer.lines(10);
  await reach(readers, writer.count);

  const seen = writer.count;
  await writer.during(pause(300).then(() => server.kill()));
  assert.ok(writer.count > seen);
  await writer.lines(20);
  await server.restart();
  await writer.during(pause(300));
  await writer.lines(20);
  await reach(readers, writer.count);

  assert.equal(await tail.close(), 0);
  const codes = await Promise.all(Object.values(readers).map((reader) => reader.close()));
  assert.deepEqual(codes.slice(0, 2), [0, 0]);
  assert.equal(tail.receipts.length, writer.count);
  for (const [name, { journal }] of Object.entries(readers)) judge(name, journal, tail.receipts, writer.count);
});
