// Clients of the real server, and waiting for what they are told.

import { WebSocket as Ws } from 'ws';

import { Tidings } from '../dist/index.js';

export const rungs = ['websocket', 'sse', 'sse-post', 'long-poll', 'poll'];

/** A client over one rung, quick to come back. */
export function client(server, rung, { timings, ...options } = {}) {
  return new Tidings(server.origin, { transports: [rung].flat(), WebSocket: Ws, timings: { pollPause: 50, backoffFirst: 20, backoffMax: 200, ...timings }, ...options });
}

/** Notes everything that a channel tells. */
export function note(channel, events = ['$message', '$gap', '$skip', '$closed']) {
  const got = [];
  for (const event of events) channel.on(event, (value) => got.push(value));
  return got;
}

/** Waits until it holds; says what it is when it does not. */
export async function until(holds, what = () => holds.toString(), ms = 8_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > end) throw new Error(`never: ${typeof what === 'function' ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const data = (frames) => frames.filter(({ type }) => type === 'message').map((message) => message.data);
