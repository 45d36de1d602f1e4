// Pointers of two people, and their race.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { launch, until } from '../browser.mjs';
import { Server } from '../server.mjs';
import { enter, textOf } from './people.mjs';

describe('cursors', { timeout: 120_000 }, () => {
  let browser;
  let server;

  before(async () => {
    server = await Server.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.kill();
  });

  /** Where something is within the field, as parts of it. */
  const at = ({ page }, selector) => page.locator(selector).evaluate((node) => ['--x', '--y'].map((name) => Number(node.style.getPropertyValue(name))));
  const move = async ({ page }, [x, y]) => {
    const { x: left, y: top, width, height } = await page.locator('#field').boundingBox();
    await page.mouse.move(left + x * width, top + y * height, { steps: 5 });
  };
  const near = ([x, y], [otherX, otherY]) => Math.abs(x - otherX) < 0.01 && Math.abs(y - otherY) < 0.01;
  const scores = ({ page }) => page.locator('#scores').innerText();

  test('each sees where the other is, and how long that takes', async () => {
    const alice = await enter(browser, server, 'cursors', 'alice');
    const bob = await enter(browser, server, 'cursors', 'bob', { viewport: { width: 700, height: 900 } });
    for (const place of [[0.2, 0.9], [0.9, 0.9], [0.5, 0.95]]) {
      await move(alice, place);
      await until('the pointer is there', () => at(bob, '.pointer'), (seen) => near(seen, place));
      await until('the ring, too', () => at(alice, '.ring'), (seen) => near(seen, place));
    }
    assert.equal(await bob.page.locator('.pointer').innerText(), 'alice');
    for (const id of ['p50', 'p99']) {
      const text = await textOf(alice.page, id);
      assert.match(text, /^\d+\.\d ms$/);
      assert.ok(parseFloat(text) < 2000, text);
    }
    await alice.page.close();
    await until('who has left is not seen', () => bob.page.locator('.pointer').count(), (count) => count === 0, 30_000);
    for (const each of [alice, bob]) {
      assert.deepEqual(each.complaints, []);
      await each.close();
    }
  });

  test('a dot is of who is first, and all agree; who comes later, too', async () => {
    const alice = await enter(browser, server, 'cursors', 'alice');
    const bob = await enter(browser, server, 'cursors', 'bob');
    for (let dot = 1; dot <= 10; dot += 1) {
      const [first, other] = dot % 3 ? [alice, bob] : [bob, alice];
      const place = await at(first, '#dot');
      assert.deepEqual(await at(other, '#dot'), place);
      await Promise.all(dot === 5 ? [move(first, place), move(other, place)] : [move(first, place)]);
      await until('another dot for both', async () => [await at(alice, '#dot'), await at(bob, '#dot')], ([one, two]) => !near(one, place) && near(one, two));
    }
    const carol = await enter(browser, server, 'cursors', 'carol');
    await until('the same result', async () => [await scores(alice), await scores(bob), await scores(carol)], ([one, two, three]) => one !== '' && one === two && one === three);
    assert.match(await textOf(alice.page, 'news'), /^alice wins with \d of 10\.$/);
    const sum = (await alice.page.locator('#scores b').allInnerTexts()).reduce((total, count) => total + Number(count), 0);
    assert.equal(sum, 10);
    for (const each of [alice, bob, carol]) {
      assert.deepEqual(each.complaints, []);
      await each.close();
    }
  });

  test('the keyboard plays, too', async () => {
    const alice = await enter(browser, server, 'cursors', 'keys');
    const [x, y] = await at(alice, '#dot');
    await alice.page.locator('#field').focus();
    const times = async (key, count) => {
      for (let press = 0; press < count; press += 1) await alice.page.keyboard.press(key);
    };
    await times(x < 0.5 ? 'ArrowLeft' : 'ArrowRight', Math.round(Math.abs(x - 0.5) / 0.02));
    await times(y < 0.5 ? 'ArrowUp' : 'ArrowDown', Math.round(Math.abs(y - 0.5) / 0.03));
    await alice.page.getByText(/^keys caught dot/).waitFor();
    await alice.close();
  });
});
