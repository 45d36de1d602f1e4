// Many tabs of a browser and one connection.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WITHOUT_WALLS, launch, until } from '../browser.mjs';
import { Server } from '../server.mjs';
import { complete, follow, publishing, upTo } from './tab.mjs';

let server;
let browser;
before(async () => {
  server = await Server.start();
  browser = await launch(WITHOUT_WALLS);
});
after(async () => {
  await browser?.close();
  await server?.kill();
});

let rooms = 0;
const nextRoom = () => `tabs:${++rooms}`;

/** Streams that the server has open, by transport. */
async function open() {
  const metrics = await server.ask('/metrics');
  const found = {};
  for (const [, transport, count] of metrics.matchAll(/^tidings_readers\{transport="([^"]+)"\} (\d+)$/gm)) found[transport] = Number(count);
  return found;
}

async function tabs(count, channel, options) {
  const context = await browser.newContext();
  const pages = [];
  for (let at = 0; at < count; at++) pages.push(await follow(context, server.origin, channel, options));
  return { context, pages };
}

describe('tabs', () => {
  for (const transports of [['websocket'], ['sse'], ['long-poll']]) {
    test(`ten over HTTP/1.1 live from one connection (${transports})`, async () => {
      const channel = nextRoom();
      const { context, pages } = await tabs(10, channel, { transports });
      const streams = transports.includes('long-poll') ? 'long-poll' : transports[0];
      await until('one connection for ten tabs', open, (found) => found[streams] === 1 && Object.values(found).reduce((sum, each) => sum + each) === 1);
      for (let at = 1; at <= 20; at++) await server.publish(channel, at);
      for (const page of pages) {
        const { seen, gaps } = await complete(page, 20);
        assert.deepEqual(seen, upTo(20));
        assert.deepEqual(gaps, []);
      }
  

      await context.close();
    });
  }

  for (const [how, end] of Object.entries({
    closes: (page) => page.close(),
    crashes: async (page, context) => {
      const session = await context.newCDPSession(page);
      await Promise.race([session.send('Page.crash').catch(() => {}), new Promise((resolve) => page.once('crash', resolve))]);
    },
    freezes: async (page, context) => {
      const session = await context.newCDPSession(page);
      await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    },
    // Its script stands still for as long as the test wants.
    hangs: async (page, context) => {
      const session = await context.newCDPSession(page);
      await session.send('Debugger.enable');
      await session.send('Debugger.pause');
      const paused = new Promise((resolve) => session.once('Debugger.paused', resolve));
      page.evaluate(() => 1).catch(() => {});
      await paused;
      return () => session.send('Debugger.resume');
    },
  })) {
    test(`nothing is lost when the leader ${how}`, async () => {
      const channel = nextRoom();
      const { context, pages } = await tabs(3, channel, { timings: { tabAnswer: 500 } });
      const [leader, ...others] = pages;
      const flow = publishing(server, channel);
      await flow.more(50);
      const resume = await end(leader, context);
      const gone = flow.count;
      for (const page of others) await page.waitForFunction((n) => window.seen.length > n, gone + 50, { timeout: 30_000 });
      const count = await flow.stop();
      for (const page of others) {
        const { seen, gaps } = await complete(page, count);
        assert.deepEqual(seen, upTo(count));
        assert.deepEqual(gaps, []);
      }
      await resume?.();
      await context.close();
    });
  }

  test('what is not for oneself is for the other tabs', async () => {
    const channel = nextRoom();
    const { context, pages } = await tabs(3, channel);
    for (const [at, page] of pages.entries()) {
      await page.evaluate(async (at) => {
        await window.room.publish({ by: at }, { echo: false });
        await window.room.publish(at, { ephemeral: true, echo: false });
        await window.room.publish({ end: at });
      }, at);
    }
    for (const [at, page] of pages.entries()) {
      await page.waitForFunction(() => window.data.filter((data) => 'end' in data).length === 3 && window.ephemeral.length === 2);
      const { data, ephemeral } = await page.evaluate(() => ({ data: window.data, ephemeral: window.ephemeral }));
      const others = [0, 1, 2].filter((other) => other !== at);
      assert.deepEqual(data.filter((each) => 'by' in each).map(({ by }) => by), others);
      assert.deepEqual(ephemeral, others);
    }
    await context.close();
  });

  test('a tab publishes in order through another one', async () => {
    const channel = nextRoom();
    const { context, pages } = await tabs(2, channel);
    await pages[1].evaluate(() => Promise.all(Array.from({ length: 200 }, (_, at) => window.room.publish(at))));
    for (const page of pages) {
      await complete(page, 200);
      assert.deepEqual(await page.evaluate(() => window.data), upTo(200).map((each) => each - 1));
    }
    await context.close();
  });

  test('tabs of different users share nothing', async () => {
    const channel = nextRoom();
    const context = await browser.newContext();
    const pages = [];
    for (const user of ['alice', 'bob']) pages.push(await follow(context, server.origin, channel, { user, start: { join: true } }));
    const [alice] = pages;
    await alice.waitForFunction(async () => (await window.room.presence()).length === 2);
    assert.deepEqual((await alice.evaluate(() => window.room.presence())).map(({ user }) => user).sort(), ['alice', 'bob']);
    await context.close();
  });

  test('where there are no locks each tab has its own connection', async () => {
    const channel = nextRoom();
    const context = await browser.newContext();
    await context.addInitScript(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
    const pages = [];
    for (let at = 0; at < 3; at++) pages.push(await follow(context, server.origin, channel));
    await until('three connections', open, (found) => found.websocket === 3);
    await server.publish(channel, 1);
    for (const page of pages) assert.deepEqual((await complete(page, 1)).seen, [1]);
    await context.close();
  });

  test('a tab that goes takes its channels with it', async () => {
    const [mine, others] = [nextRoom(), nextRoom()];
    const context = await browser.newContext();
    const leader = await follow(context, server.origin, mine);
    const other = await follow(context, server.origin, others);
    const readers = async () => (await server.publish(others, 1)).subscribers;
    await until('it is read', readers, (count) => count === 1);
    const session = await context.newCDPSession(other);
    await Promise.race([session.send('Page.crash').catch(() => {}), new Promise((resolve) => other.once('crash', resolve))]);
    await until('it is read no more', readers, (count) => count === 0);
    await server.publish(mine, 1);
    assert.deepEqual((await complete(leader, 1)).seen, [1]);
    await context.close();
  });
});
