// The chat, by two people and more.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { launch, until } from '../browser.mjs';
import { Server } from '../server.mjs';
import { HOSTILE, enter, live, textOf } from './people.mjs';

describe('the chat', { timeout: 120_000 }, () => {
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

  const say = async ({ page }, text) => {
    await page.getByLabel('Message', { exact: true }).fill(text);
    await page.keyboard.press('Enter');
  };
  const lines = ({ page }) => page.locator('#messages p').allInnerTexts();
  const untilSaid = (who, expected) => until(`said: ${expected}`, () => lines(who), (all) => all.join('|') === expected.join('|'));

  test('what is said is seen by all, as text, and found by who comes later', async () => {
    const alice = await enter(browser, server, 'chat', 'alice', { hash: '#room=later' });
    const bob = await enter(browser, server, 'chat', 'bob', { hash: '#room=later' });
    await say(alice, 'Good morning');
    await say(bob, HOSTILE);
    await say(alice, '안녕 👋');
    const expected = ['Good morning', HOSTILE, '안녕 👋'];
    for (const each of [alice, bob]) await untilSaid(each, expected);
    const carol = await enter(browser, server, 'chat', 'carol', { hash: '#room=later' });
    await untilSaid(carol, expected);
    assert.deepEqual(await carol.page.locator('#messages b').allInnerTexts(), ['alice', 'bob', 'alice']);
    assert.equal(await carol.page.locator('#messages img').count(), 0);
    for (const each of [alice, bob, carol]) {
      await until('all are there', () => textOf(each.page, 'people-title'), (title) => title === 'Here: 3');
      assert.deepEqual(each.complaints, []);
    }
    await bob.close();
    await until('who closes the page is no longer there', () => alice.page.locator('#people').innerText(), (people) => !people.includes('bob'), 30_000);
    await alice.close();
    await carol.close();
  });

  test('who types is seen to type, and soon no longer', async () => {
    const alice = await enter(browser, server, 'chat', 'alice', { hash: '#room=typing' });
    const bob = await enter(browser, server, 'chat', 'bob', { hash: '#room=typing' });
    await until('both', () => textOf(bob.page, 'people-title'), (title) => title === 'Here: 2');
    await bob.page.evaluate(() => {
      globalThis.seen = [];
      const note = () => globalThis.seen.push([document.getElementById('typing').textContent, performance.now()]);
      new MutationObserver(note).observe(document.getElementById('typing'), { childList: true });
    });
    await alice.page.getByLabel('Message', { exact: true }).pressSequentially('h');
    const seen = await until('begins and ends', () => bob.page.evaluate(() => globalThis.seen), (all) => all.length >= 2);
    assert.deepEqual(seen.map(([text]) => text), ['alice is typing…', '']);
    const lasted = seen[1][1] - seen[0][1];
    assert.ok(lasted > 900 && lasted < 3000, `${lasted} ms`);
    assert.equal(await textOf(alice.page, 'typing'), '', 'nobody is told of oneself');
    await alice.page.getByLabel('Message', { exact: true }).pressSequentially('e');
    await bob.page.getByText('alice is typing…').waitFor();
    await alice.page.keyboard.press('Enter');
    await untilSaid(bob, ['he']);
    assert.equal(await textOf(bob.page, 'typing'), '', 'a message ends it at once');
    await alice.close();
    await bob.close();
  });

  test('a mention is told in another room, and leads there', async () => {
    const alice = await enter(browser, server, 'chat', 'alice', { hash: '#room=one' });
    const bob = await enter(browser, server, 'chat', 'bob', { hash: '#room=two' });
    await say(alice, `Look here, @bob! ${HOSTILE}`);
    await bob.page.getByText(`alice in one: Look here, @bob! ${HOSTILE}`).waitFor();
    assert.equal(await bob.page.locator('.toast img').count(), 0);
    await bob.page.getByRole('button', { name: 'Go there' }).click();
    await untilSaid(bob, [`Look here, @bob! ${HOSTILE}`]);
    assert.equal(await bob.page.locator('#messages mark').innerText(), '@bob');
    assert.equal(await bob.page.locator('#rooms [aria-current]').innerText(), 'one');
    assert.equal(await alice.page.locator('.toast').count(), 0, 'a mention is for whom it names');
    await alice.close();
    await bob.close();
  });

  test('rooms are apart, and a new one is made by its name', async () => {
    const alice = await enter(browser, server, 'chat', 'alice');
    await say(alice, 'in general');
    await untilSaid(alice, ['in general']);
    await alice.page.getByLabel('New room').fill('나무');
    await alice.page.keyboard.press('Enter');
    await until('the other room', () => alice.page.locator('#rooms [aria-current]').innerText(), (room) => room === '나무');
    await say(alice, 'in the new one');
    await untilSaid(alice, ['in the new one']);
    await alice.page.getByRole('link', { name: 'general' }).click();
    await untilSaid(alice, ['in general']);
    await alice.close();
  });

  test('being away and what is lost are said in words, and what was written meanwhile is sent', async () => {
    const alice = await enter(browser, server, 'chat', 'alice', { hash: '#room=away' });
    await say(alice, 'before');
    await untilSaid(alice, ['before']);
    await server.kill();
    await alice.page.getByText(/^Away/).waitFor();
    await say(alice, 'while away');
    await alice.page.getByText('You are away: the message is sent when the connection is back.').waitFor();
    await server.startAgain();
    await live(alice.page);
    await alice.page.locator('#messages .gap', { hasText: 'did not reach this page: the server was restarted' }).waitFor();
    await until('sent', () => lines(alice), (all) => all.at(-1) === 'while away');
    await alice.close();
  });
});
