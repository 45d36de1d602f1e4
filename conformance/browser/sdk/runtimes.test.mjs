// The client where there is no page, and the files that the server hands out.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { WITHOUT_WALLS, launch, until } from '../browser.mjs';
import { Server } from '../server.mjs';

let server;
let browser;
before(async () => {
  server = await Server.start(0, { options: ['--demo'] });
  browser = await launch(WITHOUT_WALLS);
});
after(async () => {
  await browser?.close();
  await server?.kill();
});

const WORKER = `
  import { Tidings } from '/tidings.js';
  const client = new Tidings(self.location.origin);
  const room = client.channel('worker', { after: 'earliest' });
  room.on('message', ({ data }) => self.postMessage({ data, transport: client.transport }));
  await room.publish('from the worker');
`;

describe('runtimes', () => {
  test('a worker', async () => {
    const context = await browser.newContext();
    await context.route('**/worker.js', (route) => route.fulfill({ contentType: 'text/javascript', body: WORKER }));
    const page = await context.newPage();
    await page.goto(`${server.origin}/demos/`);
    await page.evaluate(() => {
      window.heard = [];
      new Worker('/worker.js', { type: 'module' }).onmessage = ({ data }) => window.heard.push(data);
    });
    await server.publish('worker', 'from outside');
    const heard = await until('both are heard', () => page.evaluate(() => window.heard), (heard) => heard.length === 2);
    assert.deepEqual(heard.map(({ data }) => data).sort(), ['from outside', 'from the worker']);
    assert.ok(heard.every(({ transport }) => transport === 'websocket'));
    await context.close();
  });

  test('a classic script, from the server', async () => {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/demos/`);
    await page.addScriptTag({ url: '/tidings.global.js' });
    const data = await page.evaluate(async () => {
      const room = new window.Tidings('/').channel('classic');
      const heard = new Promise((resolve) => room.on('message', ({ data }) => resolve(data)));
      await room.ready();
      await room.publish({ hello: 1 });
      return heard;
    });
    assert.deepEqual(data, { hello: 1 });
    await page.close();
  });

  test('the server hands out what was built', async () => {
    for (const name of ['tidings.js', 'tidings.js.map', 'tidings.global.js', 'tidings.global.js.map']) {
      const answer = await fetch(`${server.origin}/${name}`);
      assert.equal(answer.status, 200, name);
      // Not by `equal`: nobody wants to read the difference of two bundles.
      assert.ok((await answer.text()) === (await readFile(new URL(`../../../sdk/js/dist/${name}`, import.meta.url), 'utf8')), `${name} is not that of dist: build the server again`);
    }
  });
});
