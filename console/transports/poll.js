// The channel by requests that the server answers at once, one every two seconds.

import { polling } from './polling.js';

export const poll = {
  id: 'poll',
  title: 'Poll, every 2 s',
  requestLine: (path) => `GET ${path}?after=…`,
  connect: polling({ pauseMs: 2000 }),
};
