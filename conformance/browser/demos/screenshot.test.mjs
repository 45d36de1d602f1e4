// Each demo with life in it. With UPDATE_SCREENSHOT=1 the pictures of the documentation are written anew.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launch, open, until } from '../browser.mjs';
import { Server } from '../server.mjs';
import { CAMERA, enter, textOf } from './people.mjs';

const UPDATE = process.env.UPDATE_SCREENSHOT === '1';
const FOLDER = fileURLToPath(new URL('../../../docs/demos/', import.meta.url));
const LARGEST = 150 * 1024;
const LOOKS = { viewport: { width: 1000, height: 700 }, colorScheme: 'light', reducedMotion: 'reduce' };

describe('pictures of the demos', { timeout: 240_000 }, () => {
  let browser;
  let server;

  before(async () => {
    server = await Server.start();
    browser = await launch(...CAMERA);
  });
  after(async () => {
    await browser?.close();
    await server?.kill();
  });

  const visit = (demo, name, options) => enter(browser, server, demo, name, { ...LOOKS, ...options });

  async function take({ page, complaints, close }, name) {
    if (UPDATE) await mkdir(FOLDER, { recursive: true });
    const picture = await page.screenshot(UPDATE ? { path: `${FOLDER}${name}.png` } : {});
    assert.ok(picture.length > 10_000 && picture.length <= LARGEST, `${name}: ${picture.length} bytes`);
    assert.deepEqual(complaints, []);
    await close();
  }

  test('the list', async () => {
    await take(await open(browser, `${server.origin}/demos/`, LOOKS), 'index');
  });

  test('chat', async () => {
    const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((name) => visit('chat', name)));
    const write = async ({ page }, text) => {
      await page.getByLabel('Message', { exact: true }).fill(text);
      await page.keyboard.press('Enter');
    };
    const say = async (who, text) => {
      await write(who, text);
      await alice.page.locator('#messages p', { hasText: text }).waitFor();
    };
    await say(bob, 'Good morning! The release is out.');
    await say(carol, 'Already? How did the night shift go?');
    await say(alice, 'Quiet. The network went away twice, and every reader went on from where it was.');
    await say(bob, 'So that was the yellow lamp. I have every message.');
    await say(carol, '<b>Nice</b> 😄 Who writes the notes?');
    await say(alice, 'I do, if @bob reads them before noon.');
    await say(bob, 'Deal.');
    await carol.page.locator('#new-room input').fill('lunch');
    await carol.page.keyboard.press('Enter');
    await write(carol, '@alice Soup or noodles?');
    await alice.page.locator('.toast').waitFor();
    await until('carol has left the room', () => textOf(alice.page, 'people-title'), (title) => title === 'Here: 2', 30_000);
    await bob.page.getByLabel('Message', { exact: true }).pressSequentially('o');
    await alice.page.getByText('bob is typing…').waitFor();
    await take(alice, 'chat');
    await Promise.all([bob.close(), carol.close()]);
  });

  test('notifications', async () => {
    const alice = await visit('notifications', 'alice');
    const [bob, carol] = await Promise.all(['bob', 'carol'].map((name) => visit('notifications', name)));
    for (const [{ page }, text] of [[carol, 'Your export is ready: 3 files'], [bob, 'Review, please: the guide for proxies'], [bob, 'The build is green again'], [carol, 'Lunch at noon?']]) {
      await page.getByLabel('To', { exact: true }).fill('alice');
      await page.getByLabel('Text', { exact: true }).fill(text);
      await page.keyboard.press('Enter');
      await alice.page.locator('#inbox p', { hasText: text }).waitFor();
    }
    await alice.page.locator('#inbox li', { hasText: 'export' }).getByRole('button').click();
    await alice.page.locator('#inbox [data-unread="false"]').waitFor();
    await alice.page.getByLabel('To', { exact: true }).fill('bob');
    await alice.page.getByLabel('Text', { exact: true }).fill('Thanks!');
    await alice.page.keyboard.press('Enter');
    await alice.page.getByText('Reached 1 session of bob').waitFor();
    await take(alice, 'notifications');
    await Promise.all([bob.close(), carol.close()]);
  });

  test('dashboard', async () => {
    const one = await visit('dashboard');
    const seconds = UPDATE ? 110 : 3;
    await until('a filled chart', () => one.page.locator('polyline').first().getAttribute('points'), (points) => points?.split(' ').length >= seconds, 150_000);
    await take(one, 'dashboard');
  });

  test('ticker', async () => {
    const one = await visit('ticker');
    const lengths = () => one.page.locator('.prices polyline').evaluateAll((lines) => lines.map((line) => line.getAttribute('points')?.split(' ').length ?? 0));
    await until('courses', lengths, (all) => all.length === 40 && all.every((length) => length > (UPDATE ? 20 : 5)), 60_000);
    await take(one, 'ticker');
  });

  test('cursors', async () => {
    const names = ['alice', 'bob', 'carol', 'dora'];
    const people = await Promise.all(names.map((name) => visit('cursors', name)));
    const move = async ({ page }, x, y) => {
      const box = await page.locator('#field').boundingBox();
      await page.mouse.move(box.x + x * box.width, box.y + y * box.height, { steps: 12 });
    };
    for (const [index, who] of [1, 0, 2, 1, 0, 1, 3].entries()) {
      const [x, y] = await people[who].page.locator('#dot').evaluate((dot) => ['--x', '--y'].map((name) => Number(dot.style.getPropertyValue(name))));
      await move(people[who], x, y);
      await people[0].page.getByText(`caught dot ${index + 1}.`).waitFor();
    }
    for (const [index, place] of [[0.36, 0.62], [0.22, 0.3], [0.58, 0.24], [0.7, 0.72]].entries()) await move(people[index], ...place);
    await until('all pointers', () => people[0].page.locator('.pointer').count(), (count) => count === 3);
    await take(people[0], 'cursors');
    await Promise.all(people.slice(1).map(({ close }) => close()));
  });

  test('call', async () => {
    const [alice, bob] = await Promise.all(['alice', 'bob'].map((name) => visit('call', name)));
    await alice.page.getByRole('button', { name: 'Call bob' }).click();
    await bob.page.getByRole('button', { name: 'Accept' }).click();
    for (const [{ page }, text] of [[alice, 'Can you hear me?'], [bob, 'Loud and clear, and green.'], [alice, 'It is only a fake camera.']]) {
      await page.locator('#say input:enabled').fill(text);
      await page.keyboard.press('Enter');
      await alice.page.locator('#lines li', { hasText: text }).waitFor();
    }
    await until('a picture', () => alice.page.locator('#remote').evaluate(({ videoWidth }) => videoWidth), (width) => width >= 640, 60_000);
    await alice.page.getByText('In a call with bob.').waitFor();
    await take(alice, 'call');
    await bob.close();
  });

  test('answers', async () => {
    const one = await visit('answers');
    for (const [form, prompt] of [['ask', 'Why is the sea salty?'], ['plain', 'And why is it blue?']]) {
      await one.page.locator(`#${form} input`).fill(prompt);
      await one.page.keyboard.press('Enter');
    }
    for (const id of ['answer', 'plain-answer']) await until('some words', () => one.page.locator(`#${id}`).evaluate((node) => node.textContent.length), (length) => length > 550, 60_000);
    await take(one, 'answers');
  });
});
