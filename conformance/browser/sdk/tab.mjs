// A tab with a client of the SDK in it, that writes down what it is told.

import { readFile } from 'node:fs/promises';
import { prepare } from '../browser.mjs';

const SDK = new URL('../../../sdk/js/dist/tidings.js', import.meta.url);

/** A page of the server's origin that runs nothing of its own; `/tidings.js` is what was built last. */
export async function blank(context, origin) {
  await prepare(context);
  await context.route('**/tidings.js', async (route) => route.fulfill({ contentType: 'text/javascript', body: await readFile(SDK, 'utf8') }));
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(`page: ${error.stack}`));
  await page.goto(`${origin}/blank`);
  return page;
}

/** Opens a tab that follows `channel`: `window.seen` has the offsets, `window.gaps`, `window.moves`, `window.states` the rest. */
export async function follow(context, origin, channel, options = {}) {
  const page = await blank(context, origin);
  await page.evaluate(begin, { channel, options });
  return page;
}

/** Begins to follow, in the page. */
export async function begin({ channel, options: { start = {}, ...options } }) {
  const { Tidings } = await import('/tidings.js');
  const client = new Tidings('/', options);
  Object.assign(window, { client, seen: [], data: [], gaps: [], moves: [], states: [], failed: [], ephemeral: [] });
  client.on('$state', (change) => window.states.push(change));
  client.on('$move', (move) => window.moves.push(move));
  client.on('$failed', (error) => window.failed.push(String(error)));
  const room = (window.room = client.channel(channel, { after: 'earliest', ...start }));
  room.on('$message', (message) => {
    if (message.offset === undefined) return window.ephemeral.push(message.data);
    window.seen.push(message.offset);
    window.data.push(message.data);
  });
  room.on('$gap', (gap) => window.gaps.push(gap));
  await room.ready();
}

/** Fails unless a tab has each of the messages 1 to n once, in order. */
export async function complete(page, n) {
  await page.waitForFunction((n) => window.seen.length >= n, n, { timeout: 30_000 }).catch(async (error) => {
    throw new Error(`${error.message}: ${await page.evaluate(() => JSON.stringify({ seen: window.seen.length, last: window.seen.at(-1), gaps: window.gaps, states: window.states.slice(-5), failed: window.failed }))}`);
  });
  return page.evaluate(() => ({ seen: window.seen, gaps: window.gaps }));
}

/** 1 to n. */
export const upTo = (n) => Array.from({ length: n }, (_, at) => at + 1);

/** Publishes messages one after another until it is told to stop. */
export function publishing(server, channel, pauseMs = 5) {
  let going = true;
  let count = 0;
  const done = (async () => {
    while (going) {
      await server.publish(channel, { n: ++count });
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return count;
  })();
  return {
    /** How many there are by now. */
    get count() {
      return count;
    },
    async stop() {
      going = false;
      return done;
    },
    /** Waits until so many more are published. */
    async more(n) {
      const target = count + n;
      while (count < target) await new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
}
