// The channel by requests that the server answers when there is something.

import { polling } from './polling.js';

/** Seconds; below the minute after which many proxies cut a silent request. */
const WAIT = 25;

export const longPoll = {
  id: 'long-poll',
  title: 'Long poll',
  requestLine: (path) => `GET ${path}?after=…&wait=${WAIT}`,
  connect: polling({ wait: WAIT }),
};
