// Takes the pictures of docs/debugging.md: Chromium's own tools, as a page in a second browser, look at a page that follows a channel.
//
//   node conformance/examples/devtools.mjs

import { fileURLToPath } from 'node:url';
import { launch, open, until, WITHOUT_WALLS } from '../browser/browser.mjs';
import { Server } from '../browser/server.mjs';
import { ROOT } from './support.mjs';

const PORT = 9333;
const picture = (name) => fileURLToPath(new URL(`docs/${name}.png`, ROOT));

const server = await Server.start();
const watched = await launch(`--remote-debugging-port=${PORT}`, '--remote-allow-origins=*', WITHOUT_WALLS);
const watching = await launch(WITHOUT_WALLS);
try {
  const { page } = await open(watched, `${server.origin}/blank`);
  const tools = await attach();
  await follow(page);
  await tools.getByText('channels', { exact: true }).click();
  await shot(tools, 'Messages', 'devtools-websocket');
  await tools.getByText(/^channels\?name/).click();
  await shot(tools, 'EventStream', 'devtools-sse');
} finally {
  await Promise.all([watched.close(), watching.close(), server.kill()]);
}

/** The tools of the first page that is open. */
async function attach() {
  const pages = await (await fetch(`http://127.0.0.1:${PORT}/json/list`)).json();
  const { id } = pages.find(({ url }) => url.endsWith('/blank'));
  const tools = await watching.newPage({ viewport: { width: 1000, height: 600 } });
  await tools.goto(`http://127.0.0.1:${PORT}/devtools/devtools_app.html?ws=127.0.0.1:${PORT}/devtools/page/${id}&panel=network`);
  await tools.getByText('Keep log').or(tools.getByText('Preserve log')).waitFor();
  return tools;
}

/** One client by WebSocket, one by Server-Sent Events. */
function follow(page) {
  return page.evaluate(async () => {
    const { Tidings } = await import('/tidings.js');
    for (const transports of [['websocket'], ['sse']]) {
      const room = new Tidings('/', { transports, tabs: false }).channel('room:7', { last: 2 });
      room.on('$message', () => {});
      await room.ready();
      for (const text of ['Hello', 'How are you?']) await room.publish({ text });
    }
  });
}

async function shot(tools, tab, name) {
  await tools.getByRole('tab', { name: tab }).click();
  const rows = tools.locator('tbody tr.data-grid-data-grid-node', { hasText: '"type"' });
  await until(`rows in ${tab}`, () => rows.count(), (count) => count >= 4);
  await tools.screenshot({ path: picture(name) });
}
