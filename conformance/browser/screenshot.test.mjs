// The page in a state that explains itself, light and dark. With UPDATE_SCREENSHOT=1 the pictures
// of the documentation are written anew.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launch, open } from './browser.mjs';
import { TRANSPORTS, readPanels, toggle, untilAt, untilOpen, untilPanels } from './panels.mjs';
import { Server } from './server.mjs';

const UPDATE = process.env.UPDATE_SCREENSHOT === '1';
const FOLDER = fileURLToPath(new URL('../../docs/', import.meta.url));

const EARLIER = Array.from({ length: 15 }, (_, index) => (index % 3 ? `Note ${index + 1} of the morning` : { price: 41000 + index * 10 }));

for (const colorScheme of ['light', 'dark']) {
  test(`a picture of the page, ${colorScheme}`, { timeout: 60_000 }, async (t) => {
    const server = await Server.start(UPDATE ? 8000 : 0);
    t.after(() => server.kill());
    const browser = await launch();
    t.after(() => browser.close());
    const options = { viewport: { width: 1280, height: 850 }, colorScheme, reducedMotion: 'reduce', deviceScaleFactor: 2 };
    await say(server, EARLIER);
    const { page, complaints } = await open(browser, `${server.origin}/?channel=news`, options);
    await stage(page, server);
    const panels = await readPanels(page);
    assert.equal(panels.sse.state, 'cut');
    for (const id of TRANSPORTS) assert.equal(panels[id].grade, 'good', id);
    assert.ok(panels.websocket.rows.some(({ mark }) => mark === 'caught-up'));
    const picture = await page.screenshot(await target(colorScheme));
    assert.ok(picture.length > 50_000);
    assert.deepEqual(complaints, []);
  });
}

/** WebSocket was cut and has caught up, SSE is cut and falls behind, both polls are at the end. */
async function stage(page, server) {
  await untilOpen(page);
  await say(server, ['Good morning', '좋은 아침입니다 ☀️', { price: 41200 }]);
  await untilAt(page, await server.publish('news', 'Doors open at nine'));
  await toggle(page, 'websocket');
  await untilPanels(page, 'cut', ({ state }) => state === 'cut', ['websocket']);
  await say(server, ['Trains run on time', { price: 41350 }, '지하철 2호선 정상 운행 🚇']);
  await untilAt(page, await server.publish('news', 'Rain from the west'), TRANSPORTS.slice(1));
  await toggle(page, 'websocket');
  await untilOpen(page, ['websocket']);
  await untilAt(page, await server.publish('news', { price: 41280 }, { event: 'price' }));
  await toggle(page, 'sse');
  await untilPanels(page, 'cut', ({ state }) => state === 'cut', ['sse']);
  await say(server, ['Lunch is served 🍜', { price: 41410 }]);
  await page.fill('#text', '오후 회의는 3시입니다 👋');
  await page.press('#text', 'Enter');
  await page.getByText(/^Published as text/).waitFor();
  await untilAt(page, await end(server), TRANSPORTS.filter((id) => id !== 'sse'));
  await page.fill('#text', '{"price": 41500}');
  await page.mouse.move(0, 0);
}

async function say(server, messages) {
  for (const message of messages) await server.publish('news', message, message.price ? { event: 'price' } : {});
}

async function end(server) {
  return (await server.read('news')).messages.at(-1);
}

async function target(colorScheme) {
  if (!UPDATE) return {};
  await mkdir(FOLDER, { recursive: true });
  return { path: `${FOLDER}screenshot${colorScheme === 'dark' ? '-dark' : ''}.png` };
}
