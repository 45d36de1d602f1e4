// One request after the other, each from the cursor of the answer before: what long and short
// polling have in common, which is nearly everything.

import { byteLength, channelUrl, start } from '../protocol.js';

/** Over the longest wait: the answer will not come any more. */
const PATIENCE_MS = 15_000;

/** A transport's `connect`: polls with `wait` seconds, `pauseMs` after each answer. */
export function polling({ wait = 0, pauseMs = 0 }) {
  return ({ channel, position, sink }) => {
    const cut = new AbortController();
    poll({ channel, position, sink, wait, pauseMs, signal: cut.signal }).catch((error) => {
      if (!cut.signal.aborted) sink.lost({ text: error.detail ?? '', ...error.verdict });
    });
    return () => cut.abort();
  };
}

async function poll({ channel, position, sink, wait, pauseMs, signal }) {
  let cursor = position;
  let etag = null;
  // The first answer comes at once: it says what was missed, and that the server is there.
  let atOnce = true;
  let opened = false;
  for (;;) {
    const query = wait && !atOnce ? { ...start(cursor), wait } : start(cursor);
    sink.request();
    const answer = await ask(channelUrl(channel, query), etag, wait, signal);
    const body = await receive(answer, sink);
    if (!opened) sink.open();
    opened = true;
    body?.messages.forEach((envelope) => sink.envelope(envelope));
    if (body) sink.place((cursor = body.cursor));
    if (body?.closed) return sink.ended();
    etag = wait ? null : answer.headers.get('ETag') ?? etag;
    atOnce = body?.more ?? false;
    if (pauseMs && !atOnce) await pause(Math.max(pauseMs, retryAfterMs(answer) ?? 0), signal);
  }
}

function ask(url, etag, wait, signal) {
  const late = AbortSignal.timeout(wait * 1000 + PATIENCE_MS);
  const headers = { Accept: 'application/json', ...(etag && { 'If-None-Match': etag }) };
  return fetch(url, { headers, cache: 'no-store', signal: AbortSignal.any([signal, late]) });
}

/** Reads an answer; null where nothing is new (304). */
async function receive(answer, sink) {
  const text = await answer.text();
  sink.bytes(headLength(answer) + byteLength(text));
  if (answer.status === 304) return null;
  if (answer.ok) return JSON.parse(text);
  throw new Refused(answer, text);
}

class Refused extends Error {
  constructor(answer, text) {
    super(`the server answered ${answer.status}`);
    const { status } = answer;
    this.detail = detailOf(text) ?? this.message;
    this.verdict = {
      final: status < 500 && status !== 408 && status !== 429,
      retryMs: retryAfterMs(answer),
    };
  }
}

function detailOf(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return null;
  }
}

function retryAfterMs(answer) {
  const seconds = Number(answer.headers.get('Retry-After'));
  return seconds > 0 ? seconds * 1000 : null;
}

/** Bytes of an answer's status line and of the fields that a script may see. */
function headLength(answer) {
  let length = `HTTP/1.1 ${answer.status} ${answer.statusText}\r\n\r\n`.length;
  for (const [name, value] of answer.headers) length += `${name}: ${value}\r\n`.length;
  return length;
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
