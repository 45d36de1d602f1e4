// Where the client runs in tests: Node, Chromium, Firefox. Each gives the same handle on a client that follows a channel.

import { readFile } from 'node:fs/promises';
import puppeteer from 'puppeteer-core';
import WebSocket from 'ws';
import { Tidings } from '../../../sdk/js/dist/index.js';
import { launch } from '../browser.mjs';

const SCRIPT = new URL('../../../sdk/js/dist/tidings.global.js', import.meta.url);

/** Begins to follow a channel, in whatever runtime has `Tidings`; gives what is told, as it is told. */
export function begin({ Tidings, url, channel, options: { start, ...options } }) {
  const client = new Tidings(url, options);
  const told = { seen: [], data: [], gaps: [], moves: [], states: [], failed: [], closed: [] };
  client.on('$state', ({ state, transport, reason }) => told.states.push({ state, transport, reason }));
  client.on('$move', (move) => told.moves.push(move));
  client.on('$failed', (error) => told.failed.push(String(error)));
  const room = client.channel(channel, { after: 'earliest', ...start });
  room.on('$message', (message) => {
    if (message.offset === undefined) return;
    told.seen.push(message.offset);
    told.data.push(message.data);
  });
  room.on('$gap', (gap) => told.gaps.push(gap));
  room.on('$closed', ({ error }) => told.closed.push(String(error)));
  return { client, room, told };
}

const inPage = ({ url, channel, options, source }) => {
  const begin = new Function(`return ${source}`)();
  window.run = begin({ Tidings: window.Tidings, url, channel, options });
};

class PageHandle {
  constructor(page, close) {
    this.page = page;
    this.close = close;
  }

  /** What the client was told, and how it stands. */
  read = () => this.page.evaluate(() => ({ ...window.run.told, transport: window.run.client.transport, state: window.run.client.state }));
}

/** A page that runs nothing of its own, with the script of `dist`. */
async function prepared(page, origin) {
  await page.goto(`${origin}/demos/`);
  await page.evaluate(await readFile(SCRIPT, 'utf8'));
}

const node = {
  name: 'node',
  async open(origin, channel, options = {}) {
    const run = begin({ Tidings, url: origin, channel, options: { ...options, WebSocket } });
    return {
      read: async () => ({ ...run.told, transport: run.client.transport, state: run.client.state }),
      close: async () => run.client.close(),
    };
  },
  async stop() {},
};

async function chromium() {
  const browser = await launch();
  return {
    name: 'chromium',
    browser,
    async open(origin, channel, options = {}) {
      const context = await browser.newContext();
      const page = await context.newPage();
      await prepared(page, origin);
      await page.evaluate(`(${inPage})(${JSON.stringify({ url: '/', channel, options, source: String(begin) })})`);
      return new PageHandle(page, () => context.close());
    },
    stop: () => browser.close(),
  };
}

async function firefox() {
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr', headless: true });
  return {
    name: 'firefox',
    browser,
    async open(origin, channel, options = {}) {
      const context = await browser.createBrowserContext();
      const page = await context.newPage();
      await prepared(page, origin);
      await page.evaluate(`(${inPage})(${JSON.stringify({ url: '/', channel, options, source: String(begin) })})`);
      return new PageHandle(page, () => context.close());
    },
    stop: () => browser.close(),
  };
}

/** Starts the engines of these names. */
export async function engines(names) {
  const makers = { node: async () => node, chromium, firefox };
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await makers[name]()])));
}
