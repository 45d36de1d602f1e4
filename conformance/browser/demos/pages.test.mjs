// What holds for every demo: its size, its width on a phone, the keyboard, names for who does not see, and that nothing jumps.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launch, open, until } from '../browser.mjs';
import { Server } from '../server.mjs';
import { CAMERA, DEMOS, enter } from './people.mjs';

const FOLDER = fileURLToPath(new URL('../../../demos/', import.meta.url));
const LINES = 150;
const PHONE = { viewport: { width: 360, height: 700 }, hasTouch: true, isMobile: true };

/** The files of a demo, with their text. */
async function files(demo) {
  const names = await readdir(FOLDER + demo);
  return Promise.all(names.map(async (name) => ({ name: `${demo}/${name}`, text: await readFile(`${FOLDER}${demo}/${name}`, 'utf8') })));
}

describe('the files of the demos', () => {
  for (const demo of DEMOS) {
    test(`${demo} is short, and has no script or style within HTML`, async () => {
      const all = await files(demo);
      const lines = all.reduce((sum, { text }) => sum + text.split('\n').length - 1, 0);
      assert.ok(lines <= LINES, `${lines} lines`);
      for (const { name, text } of all) {
        assert.ok(text.split('\n').every((line) => line.length <= 160), `${name}: long lines are no way to be short`);
        assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|<style|\sstyle=|\son[a-z]+="|<script>|https?:\/\//, name);
      }
    });
  }
});

describe('every demo', { timeout: 240_000 }, () => {
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

  test('the list leads to each, and is led to', async () => {
    const { page, complaints, close } = await open(browser, server.origin);
    await page.getByRole('link', { name: 'Demos' }).click();
    await page.getByRole('heading', { name: 'Demos' }).waitFor();
    assert.deepEqual(await page.locator('.demos a').evaluateAll((links) => links.map((link) => link.getAttribute('href').slice(0, -1))), DEMOS);
    for (const demo of DEMOS) {
      await page.goto(`${server.origin}/demos`);
      await page.locator(`a[href="${demo}/"]`).click();
      await page.waitForURL(`${server.origin}/demos/${demo}/`);
      assert.equal(await page.locator('.bar > a').evaluate((link) => link.href), `${server.origin}/demos/`);
    }
    assert.deepEqual(complaints, []);
    await close();
  });

  for (const demo of ['', ...DEMOS]) {
    const visit = (options) => (demo ? enter(browser, server, demo, 'ada', options) : open(browser, `${server.origin}/demos/`, options));

    test(`${demo || 'the list'}: nothing is wider than a phone, light or dark`, async () => {
      for (const colorScheme of ['light', 'dark']) {
        const { page, complaints, close } = await visit({ ...PHONE, colorScheme });
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
        const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).every((part) => part > 127));
        assert.equal(light, colorScheme === 'light');
        assert.deepEqual(complaints, []);
        await close();
      }
    });

    test(`${demo || 'the list'}: the keyboard reaches every control, and each has a name`, async () => {
      const { page, complaints, close } = await visit();
      const wanted = await page.evaluate(() => {
        const controls = [...document.querySelectorAll('a[href], button:enabled, input:enabled, [tabindex="0"]')];
        const shown = controls.filter((each) => each.checkVisibility());
        shown.forEach((each, index) => (each.dataset.control = index));
        document.activeElement.blur();
        return shown.length;
      });
      const reached = new Set();
      for (let presses = 0; presses < wanted + 5; presses += 1) {
        await page.keyboard.press('Tab');
        reached.add(await page.evaluate(() => document.activeElement.dataset.control));
      }
      reached.delete(undefined);
      assert.equal(reached.size, wanted);
      assert.deepEqual(await nameless(page), []);
      assert.deepEqual(complaints, []);
      await close();
    });

    test(`${demo || 'the list'}: nothing jumps while it comes up`, async () => {
      const context = { reducedMotion: 'no-preference' };
      const { page, close } = await visit(context);
      const shift = await page.evaluate(() => new Promise((resolve) => {
        const entries = [];
        const seen = new PerformanceObserver((list) => entries.push(...list.getEntries()));
        seen.observe({ type: 'layout-shift', buffered: true });
        // What was buffered is handed over before the second frame.
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(entries.reduce((sum, { value, hadRecentInput }) => sum + (hadRecentInput ? 0 : value), 0))));
      }));
      assert.ok(shift < 0.02, `layout shift ${shift}`);
      await close();
    });
  }

  test('light or dark is chosen once for all', async () => {
    const { page, close } = await enter(browser, server, 'answers');
    const before = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.getByRole('button', { name: 'Light or dark' }).click();
    const after = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.notEqual(after, before);
    await page.goto(`${server.origin}/demos/ticker/`);
    await until('the same', () => page.evaluate(() => getComputedStyle(document.body).backgroundColor), (colour) => colour === after);
    await close();
  });
});

/** Controls, pictures and dialogs that have no name in the tree which screen readers are given. */
async function nameless(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  const roles = new Set(['button', 'link', 'textbox', 'dialog', 'application', 'region', 'Video']);
  return nodes.filter((node) => !node.ignored && roles.has(node.role?.value) && !node.name?.value).map((node) => node.role.value);
}
