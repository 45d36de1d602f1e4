// The guide docs/quick-start.md: it shows the files of examples/quick-start, and these run.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, open } from '../browser/browser.mjs';
import { CuttingProxy } from '../browser/proxy.mjs';
import { Server } from '../browser/server.mjs';
import { ROOT, run, site, until } from './support.mjs';

const FOLDER = new URL('examples/quick-start/', ROOT);
const PYTHON = process.env.PYTHON ?? 'python3';
const NOT_SHOWN = /package|README|\.npmrc|requirements|app\.js$/;
let server;
before(async () => (server = await Server.start()));
after(() => server.kill());

test('the guide shows the files as they are, and all of them', () => {
  const guide = readFileSync(new URL('docs/quick-start.md', ROOT), 'utf8');
  const shown = new Map([...guide.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].map(([, path, text]) => [path, text]));
  for (const [path, text] of shown) assert.equal(text, readFileSync(new URL(path, ROOT), 'utf8'), `docs/quick-start.md and ${path} differ`);
  const files = execFileSync('git', ['ls-files', 'examples/quick-start', 'crates/tidings-client/examples'], { cwd: fileURLToPath(ROOT), encoding: 'utf8' });
  const missing = files.trim().split('\n').filter((path) => !NOT_SHOWN.test(path) && !shown.has(path));
  assert.deepEqual(missing, [], 'not shown');
  assert.ok(shown.size >= 8, `only ${shown.size} files are shown`);
});

const listed = (page) => () => page.locator('li').allTextContents();
const say = async (page, text) => {
  await page.locator('input').fill(text);
  await page.locator('input').press('Enter');
};

/** How many read anything. */
const readers = async () =>
  [...(await server.ask('/metrics')).matchAll(/^tidings_readers\S* (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);

/** Opens a page in two browsers that do not know each other, writes in one and reads in both. */
async function talk(t, path, play) {
  await server.ask('/channels/room:7', { method: 'DELETE' });
  const pages = await site(FOLDER, server.origin);
  const browser = await launch();
  t.after(() => Promise.all([browser.close(), pages.stop()]));
  const tabs = await Promise.all([0, 1].map(() => open(browser, pages.origin + path)));
  const [one, two] = tabs.map(({ page }) => page);
  await until('both read', readers, (count) => count >= 2);
  await say(one, 'first');
  await until('the first line', listed(two), (lines) => lines.length === 1);
  await say(two, 'second');
  for (const page of [one, two]) assert.deepEqual(await until('both lines', listed(page), (lines) => lines.length >= 2), ['first', 'second']);
  await play?.(one, two);
  for (const { complaints } of tabs) assert.deepEqual(complaints.filter((text) => !text.startsWith(`foreign request: ${server.origin}`)), []);
}

test('a page', (t) => talk(t, '/page.html'));

test('a page without a client', (t) => talk(t, '/without-sdk.html'));

test('React: strict mode, another room and back', async (t) => {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: fileURLToPath(FOLDER), stdio: 'inherit' });
  await talk(t, '/', async (one, two) => {
    await one.getByText('room:8', { exact: true }).click();
    await until('an empty room', listed(one), (lines) => lines.length === 0);
    await say(two, 'third');
    await until('the third line', listed(two), (lines) => lines.length === 3);
    await one.getByText('room:7', { exact: true }).click();
    assert.deepEqual(await until('all lines, once', listed(one), (lines) => lines.length >= 3), ['first', 'second', 'third']);
  });
});

test('Node', async (t) => {
  await server.ask('/channels/room:7', { method: 'DELETE' });
  const program = run(process.execPath, ['node.mjs'], { address: server.origin, cwd: FOLDER });
  t.after(() => program.stop());
  await program.lines(2);
  await server.publish('room:7', { text: 'from outside' });
  assert.deepEqual(await program.lines(3), ['published as 1', '1 안녕 from Node', '2 from outside']);
});

test('Python publishes', async () => {
  await server.ask('/channels/room:7', { method: 'DELETE' });
  const { code, output } = await run(PYTHON, ['python/publish.py'], { address: server.origin, cwd: FOLDER }).ended();
  assert.equal(code, 0, output);
  assert.deepEqual((await server.read('room:7')).messages.map(({ data }) => data), [{ text: '안녕 from Python' }]);
});

for (const [name, file] of [['Server-Sent Events', 'follow.py'], ['long polling', 'poll.py']]) {
  test(`Python follows by ${name}, is cut, and goes on`, async (t) => {
    await server.ask('/channels/room:7', { method: 'DELETE' });
    const proxy = await CuttingProxy.start(server.port);
    const program = run(PYTHON, [`python/${file}`], { address: proxy.origin, cwd: FOLDER });
    t.after(() => Promise.all([program.stop(), proxy.stop()]));
    // Line ends that a payload may hold are none of the stream's.
    await server.publish('room:7', { text: 'one\u2028line' });
    await program.until((lines) => lines.some((line) => line.startsWith('1 ')));
    proxy.cut();
    await server.publish('room:7', { text: 'while away' });
    const lines = await program.until((lines) => lines.some((line) => line.startsWith('2 ')));
    assert.deepEqual(lines.filter((line) => /^\d/.test(line)).map((line) => line.split(' ')[0]), ['1', '2'], lines.join('\n'));
    assert.ok(!lines.some((line) => line.includes('Traceback')), lines.join('\n'));
  });
}

test('Rust', { skip: process.env.QUICK_START_BIN ? false : 'QUICK_START_BIN names no program' }, async (t) => {
  await server.ask('/channels/room:7', { method: 'DELETE' });
  const program = run(process.env.QUICK_START_BIN, [], { address: server.origin });
  t.after(() => program.stop());
  await program.lines(2);
  await server.publish('room:7', { text: 'from outside' });
  assert.deepEqual((await program.lines(3)).map((line) => line.replaceAll(' ', '')), ['0readitnow', '{"text":"안녕fromRust"}', '{"text":"fromoutside"}']);
});
