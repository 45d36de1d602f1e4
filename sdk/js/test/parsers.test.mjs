// The event stream cut anywhere, and frames of a WebSocket both ways.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decode, decodeBinary, plain, toBase64 } from '../dist/frames.js';
import { sseParser } from '../dist/sse-parser.js';
import { seeds } from './chance.mjs';

function parse(pieces) {
  const events = [];
  const take = sseParser((data) => events.push(data));
  for (const piece of pieces) take(piece);
  return events;
}

/** As a response's body is read: bytes in, text out. */
async function parseBytes(bytes, size) {
  const events = [];
  const take = sseParser((data) => events.push(data));
  const chunks = new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.subarray(at, at + size));
      controller.close();
    },
  });
  for await (const text of chunks.pipeThrough(new TextDecoderStream())) take(text);
  return events;
}

const lines = ['id: e-1', 'retry: 2000', 'event: $hello', 'data: {"a":1}', '', ': a comment', 'data:no space', 'data:  two', 'data', 'data:', '', 'event: none', '', 'data: 안녕 🎉', '', 'datax: no', 'data: cut off'];
const expected = ['{"a":1}', 'no space\n two\n', '안녕 🎉'];

for (const [name, end] of [['LF', '\n'], ['CR', '\r'], ['CRLF', '\r\n']]) {
  const text = lines.join(end) + end;
  test(`${name}: every cut in two`, () => {
    for (let at = 0; at <= text.length; at++) assert.deepEqual(parse([text.slice(0, at), text.slice(at)]), expected, `cut at ${at}`);
  });
  test(`${name}: every cut in three`, () => {
    for (let one = 0; one <= text.length; one += 3) {
      for (let two = one; two <= text.length; two++) assert.deepEqual(parse([text.slice(0, one), text.slice(one, two), text.slice(two)]), expected, `cut at ${one} and ${two}`);
    }
  });
  for (const size of [1, 2, 3]) {
    test(`${name}: ${size} byte(s) at a time, with a BOM`, async () => {
      const bytes = new TextEncoder().encode(`\ufeff${text}`);
      assert.deepEqual(await parseBytes(bytes, size), expected);
    });
  }
}

test('a BOM that the decoder left is none of the first line, wherever it is cut off', () => {
  assert.deepEqual(parse(['\ufeffdata: a\n\n']), ['a']);
  assert.deepEqual(parse(['', '\ufeff', 'data: a\n\n']), ['a']);
  // Only the first: in the middle it is the line's.
  assert.deepEqual(parse(['data: a\n\n\ufeffdata: b\n\n']), ['a']);
});

test('line ends mixed, cut by chance', () => seeds(500, (dice) => {
  const events = Array.from({ length: 1 + dice.below(5) }, () => Array.from({ length: 1 + dice.below(3) }, () => dice.pick(['x', '', 'é', ' y', '🎉z'])));
  let text = '';
  for (const event of events) {
    for (const line of event) text += `data: ${line}${dice.pick(['\n', '\r\n', '\r'])}`;
    // After a lone CR a lone LF would be the same line end.
    text += text.endsWith('\r') ? dice.pick(['\r', '\r\n']) : dice.pick(['\n', '\r\n', '\r']);
    if (text.endsWith('\r')) text += 'id: 1\n';
  }
  const pieces = [];
  for (let at = 0; at < text.length; ) {
    const size = 1 + dice.below(6);
    pieces.push(text.slice(at, at + size));
    at += size;
  }
  assert.deepEqual(parse(pieces), events.map((event) => event.join('\n')));
}));

test('a line without end is refused, not kept for ever', () => {
  const take = sseParser(() => {});
  const piece = 'x'.repeat(1 << 20);
  assert.throws(() => {
    for (let n = 0; n < 64; n++) take(piece);
  }, /too long/);
});

test('an event of lines without end is refused, too; comments are none of it', () => {
  const take = sseParser(() => {});
  const line = `data: ${'x'.repeat(1 << 20)}\n`;
  assert.throws(() => {
    for (let n = 0; n < 64; n++) take(line);
  }, /too long/);
  const other = sseParser(() => {});
  for (let n = 0; n < 64; n++) other(`:${line}`);
  for (let n = 0; n < 64; n++) other(`${line}\n`);
});

test('a large event in small pieces does not take quadratic time', () => {
  const size = 4 << 20;
  const events = [];
  const take = sseParser((data) => events.push(data.length));
  const started = performance.now();
  take('data: ');
  for (let n = 0; n < size / 1_024; n++) take('y'.repeat(1_024));
  take('\n\n');
  assert.deepEqual(events, [size]);
  assert.ok(performance.now() - started < 2_000, `${performance.now() - started} ms`);
});

/** A binary frame as the server makes it. */
function binary(header, payload) {
  const head = new TextEncoder().encode(JSON.stringify(header));
  const whole = new Uint8Array(2 + head.length + payload.length);
  new DataView(whole.buffer).setUint16(0, head.length);
  whole.set(head, 2);
  whole.set(payload, 2 + head.length);
  return whole.buffer;
}

test('binary frames: the envelope and every byte', () => seeds(200, (dice) => {
  const payload = Uint8Array.from({ length: dice.below(600) }, () => dice.below(256));
  const header = { type: 'message', channel: dice.pick(['a', '방:7', '🎉'.repeat(50)]), epoch: 'e', offset: 1 + dice.below(99), time: 5 };
  const frame = decodeBinary(binary(header, payload));
  assert.ok(frame.data instanceof Uint8Array);
  assert.deepEqual(frame, { ...header, data: payload });
  // As JSON says the same bytes, and back.
  assert.deepEqual(decode(JSON.stringify({ ...header, encoding: 'base64', data: toBase64(payload) })).data, payload);
  assert.equal(toBase64(payload), Buffer.from(payload).toString('base64'));
}));

test('text frames: as they are, whatever they hold', () => {
  for (const data of [null, 0, '', 'text', { encoding: 'base64' }, [1], true]) assert.deepEqual(decode(JSON.stringify({ type: 'message', channel: 'a', data })).data, data);
  assert.equal(plain({ type: 'message', channel: 'a', data: 'AP8=' }).data, 'AP8=');
});

test('what is no frame throws', () => {
  assert.throws(() => decode('no JSON'));
  assert.throws(() => decodeBinary(new ArrayBuffer(1)));
  assert.throws(() => decodeBinary(new Uint8Array([0, 9, 123]).buffer));
});
