// Reads conformance/transcripts: what the server was asked and what it answered, byte for byte, with holes for what differs each time.

import { readFileSync } from 'node:fs';

const folder = new URL('../../../conformance/transcripts/', import.meta.url);

/** What stands in a hole; the same name is the same value. */
function filled(hole) {
  if (hole.startsWith('time')) return '1763671234567';
  if (hole === 'retry') return '2000';
  return hole.replace(/[^a-z0-9]/g, '');
}

/** The bytes of a line, or of a part of it. */
function bytes(text) {
  const parts = [];
  const whole = text.replace(/\$\{([^}]*)\}/g, (_, hole) => filled(hole));
  for (const part of whole.split(/(\\r|\\n|\\t|\\\\|\\x[0-9a-f]{2})/)) {
    if (part.startsWith('\\x')) parts.push(Buffer.from([Number.parseInt(part.slice(2), 16)]));
    else parts.push(Buffer.from({ '\\r': '\r', '\\n': '\n', '\\t': '\t', '\\\\': '\\' }[part] ?? part));
  }
  return Buffer.concat(parts);
}

/**
 * The exchanges of a transcript, in their order: `{ method, target, headers, body, status, answerHeaders, answer, frames, ended }`. `answer` is a body
 * without its chunks; `frames` are those of a WebSocket, `{ text }`, `{ binary }` or `{ close, reason }`.
 */
export function transcript(file) {
  const exchanges = [];
  const open = new Map();
  let name = '';
  for (const line of readFileSync(new URL(file, folder), 'utf8').split('\n')) {
    let exchange = open.get(name);
    if (line.startsWith('= ')) name = line.slice(2);
    else if (/^> [A-Z]+ \S+ HTTP/.test(line)) {
      exchange = { name, asked: [], answered: [], frames: [], ended: false };
      open.set(name, exchange);
      exchanges.push(exchange);
      exchange.asked.push(line.slice(2));
    } else if (line.startsWith('> ')) exchange.asked.push(line.slice(2));
    else if (line.startsWith('< ')) exchange.answered.push(line.slice(2));
    else if (line.startsWith('<text ')) exchange.frames.push({ text: bytes(line.slice(6)).toString() });
    else if (line.startsWith('<binary ')) exchange.frames.push({ binary: sized(bytes(line.slice(8))) });
    else if (line.startsWith('<close ')) exchange.frames.push({ close: Number(line.slice(7, 11)), reason: bytes(line.slice(12)).toString() });
    else if (line === '<end') exchange.ended = true;
  }
  return exchanges.map(whole);
}

/** A binary frame with the length of its header as it is with its holes filled. */
function sized(frame) {
  frame.writeUInt16BE(frame.indexOf('}') + 1 - 2);
  return frame;
}

function whole({ asked, answered, ...rest }) {
  const request = head(asked);
  const answer = head(answered);
  const [method, target] = request.first.split(' ');
  const status = Number(answer.first?.split(' ')[1]);
  const chunked = answer.headers['transfer-encoding'] === 'chunked';
  return { ...rest, method, target: bytes(target).toString(), headers: request.headers, body: request.body, status, answerHeaders: answer.headers, answer: Buffer.concat(chunked ? unchunked(answer.lines) : answer.lines.map(bytes)) };
}

function head(lines) {
  const end = lines.indexOf('\\r\\n');
  const [first, ...rest] = lines.slice(0, Math.max(0, end)).map((line) => bytes(line).toString().trim());
  const headers = Object.fromEntries(rest.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]));
  const body = lines.slice(end + 1);
  return { first, headers, lines: body, body: Buffer.concat(body.map(bytes)) };
}

/** Without sizes, and the line ends between chunks. */
function unchunked(lines) {
  return lines.filter((line) => line !== '\\r\\n' && line !== '0\\r\\n' && !/^\$\{size\}\\r\\n$/.test(line)).map(bytes);
}

/** What an application should be told of a frame of the server's. */
export function told(frame) {
  const { type, channel, epoch, offset, from, to, reason, event, data } = frame;
  if (type === 'message') return { type, channel, epoch, offset, event, data };
  if (type === 'closed') return { type, channel };
  return { type, channel, epoch, from, to, reason };
}
