// Answers: the whole text for every reader, whenever one comes and however often one reloads.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { launch, until } from '../browser.mjs';
import { Server } from '../server.mjs';
import { HOSTILE, enter, textOf } from './people.mjs';

describe('answers', { timeout: 180_000 }, () => {
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

  const ask = async ({ page }, form, prompt) => {
    await page.locator(`#${form} input`).fill(prompt);
    await page.keyboard.press('Enter');
  };
  const written = ({ page }, id = 'answer') => page.locator(`#${id}`).evaluate((node) => node.textContent);
  const ended = ({ page }, word) => until(word, () => textOf(page, 'state'), (text) => text.startsWith(word), 60_000);
  /** The whole answer, as it stands in its channel. */
  const whole = async ({ page }) => {
    const name = `demo-answers:${new URL(page.url()).hash.slice(1)}`;
    const { messages } = await server.ask(`/channels?name=${name}&after=earliest&limit=1000`);
    return messages.map(({ data }) => data?.content ?? '').join('');
  };

  test('a reload in the middle, and another reader, have the whole text', async () => {
    const alice = await enter(browser, server, 'answers');
    await ask(alice, 'ask', `Why? ${HOSTILE}`);
    await until('the first words', () => written(alice), (text) => text.length > 100);
    const bob = await enter(browser, server, 'answers', undefined, { hash: new URL(alice.page.url()).hash });
    await until('both read', () => textOf(alice.page, 'readers'), (text) => text === '2 readers');
    await alice.page.reload();
    const before = (await written(bob)).length;
    await until('goes on after the reload', () => written(alice), (text) => text.length > before);
    assert.match(await textOf(alice.page, 'state'), /^Answering/, 'it was reloaded in the middle');
    for (const each of [alice, bob]) await ended(each, 'Done');
    const text = await whole(alice);
    assert.ok(text.length > 500);
    assert.deepEqual([await written(alice), await written(bob)], [text, text]);
    for (const each of [alice, bob]) {
      assert.equal(await textOf(each.page, 'question'), `Why? ${HOSTILE}`);
      assert.equal(await each.page.locator('#answer *').count(), 0, 'nothing but text');
      assert.deepEqual(each.complaints, []);
      await each.close();
    }
  });

  test('whoever reads may stop it, for all', async () => {
    const alice = await enter(browser, server, 'answers');
    await ask(alice, 'ask', 'How long?');
    await until('the first words', () => written(alice), (text) => text.length > 50);
    const bob = await enter(browser, server, 'answers', undefined, { hash: new URL(alice.page.url()).hash });
    await bob.page.locator('#stop:enabled').click();
    for (const each of [alice, bob]) await ended(each, 'Stopped');
    const text = await whole(alice);
    assert.deepEqual([await written(alice), await written(bob)], [text, text]);
    assert.equal(await alice.page.locator('#stop').isDisabled(), true);
    for (const each of [alice, bob]) {
      assert.deepEqual(each.complaints, []);
      await each.close();
    }
  });

  test('the plain form is the same answer, and its channel is read besides', async () => {
    const alice = await enter(browser, server, 'answers');
    await ask(alice, 'plain', 'Plainly?');
    await until('the first words', () => written(alice, 'plain-answer'), (text) => text.length > 50);
    await alice.page.getByRole('link', { name: 'Read it in its channel' }).click();
    await until('done', () => textOf(alice.page, 'plain-state'), (text) => text === 'Done.', 60_000);
    await ended(alice, 'Done');
    assert.equal(await written(alice), await written(alice, 'plain-answer'));
    assert.equal(await written(alice), await whole(alice));
    assert.deepEqual(alice.complaints, []);
    await alice.close();
  });

  test('a refusal is told in the words of the server', async () => {
    const alice = await enter(browser, server, 'answers');
    await alice.page.locator('#ask input').evaluate((input) => input.removeAttribute('maxlength'));
    await ask(alice, 'ask', 'x'.repeat(5000));
    await alice.page.getByText('`prompt` has at most 4096 bytes').waitFor();
    await alice.close();
  });
});
