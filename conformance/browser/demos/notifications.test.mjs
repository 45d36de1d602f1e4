// Notifications, in several tabs and browsers.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { launch, until } from '../browser.mjs';
import { Server } from '../server.mjs';
import { HOSTILE, anotherTab, enter, textOf } from './people.mjs';

describe('notifications', { timeout: 120_000 }, () => {
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

  const send = async ({ page }, to, text) => {
    await page.getByLabel('To', { exact: true }).fill(to);
    await page.getByLabel('Text', { exact: true }).fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
    await until('sent', () => textOf(page, 'outcome'), (said) => !/^(How|Sending)/.test(said));
    return textOf(page, 'outcome');
  };
  const untilUnread = (page, count) => until(`${count} unread`, async () => [await textOf(page, 'badge'), await page.title()], ([badge, title]) =>
    badge === String(count) && title === `${count ? `(${count}) ` : ''}Notifications – Tidings`);

  test('what one tab has read is read in all tabs and devices, and stays so', async () => {
    const phone = await enter(browser, server, 'notifications', 'dora');
    const desk = await enter(browser, server, 'notifications', 'dora');
    const tab = await anotherTab(desk, 'dora');
    const bob = await enter(browser, server, 'notifications', 'bob');
    assert.match(await send(bob, 'dora', HOSTILE), /^Reached 2 sessions of dora/);
    await send(bob, 'dora', 'two');
    await send(bob, 'dora', 'three');
    for (const page of [phone.page, desk.page, tab]) await untilUnread(page, 3);
    await tab.locator('#inbox li', { hasText: 'two' }).getByRole('button', { name: 'Mark read' }).click();
    for (const page of [phone.page, desk.page, tab]) {
      await untilUnread(page, 2);
      assert.match(await page.locator('#inbox li[data-unread="false"]').innerText(), /two/);
      assert.equal(await page.locator('#inbox img').count(), 0);
      assert.equal(await page.locator('#inbox li', { hasText: HOSTILE }).count(), 1);
    }
    await phone.page.getByRole('button', { name: 'Mark all read' }).click();
    for (const page of [phone.page, desk.page, tab]) await untilUnread(page, 0);
    await phone.page.reload();
    await phone.page.locator('#inbox li').nth(2).waitFor();
    await untilUnread(phone.page, 0);
    for (const each of [phone, desk, bob]) {
      assert.deepEqual(each.complaints, []);
      await each.close();
    }
  });

  test('nobody else marks mine as read', async () => {
    const emma = await enter(browser, server, 'notifications', 'emma');
    const bob = await enter(browser, server, 'notifications', 'bob');
    await send(bob, 'emma', 'one');
    await untilUnread(emma.page, 1);
    const { messages: [{ epoch }] } = await server.ask('/channels?name=@&after=earliest&user=emma');
    await server.publish('@emma', { epoch, from: 1, to: 9 }, { event: 'read' });
    await send(bob, 'emma', 'two');
    await untilUnread(emma.page, 2);
    await emma.close();
    await bob.close();
  });

  test('who is not there finds them waiting', async () => {
    const bob = await enter(browser, server, 'notifications', 'bob');
    assert.equal(await send(bob, 'fred', 'for later'), 'fred is not here now: it waits in the inbox.');
    const fred = await enter(browser, server, 'notifications', 'fred');
    await untilUnread(fred.page, 1);
    await fred.close();
    await bob.close();
  });

  test('the browser is asked once, and then shows them itself', async () => {
    const gina = await enter(browser, server, 'notifications', 'gina', { permissions: ['notifications'] });
    assert.match(await textOf(gina.page, 'permission'), /^The browser shows them/);
    // The browser's own window is not a page's: what it was given is noted.
    await gina.page.evaluate(() => {
      globalThis.shown = [];
      globalThis.Notification = class extends Notification {
        constructor(title, options) {
          super(title, options);
          globalThis.shown.push([title, options.body]);
        }
      };
    });
    const bob = await enter(browser, server, 'notifications', 'bob');
    await send(bob, 'gina', 'look');
    assert.deepEqual(await until('shown', () => gina.page.evaluate(() => globalThis.shown), (all) => all.length), [['bob writes', 'look']]);
    const refused = await enter(browser, server, 'notifications', 'hans');
    await refused.page.evaluate(() => (Notification.requestPermission = async () => Object.defineProperty(Notification, 'permission', { value: 'denied' })));
    if (await refused.page.locator('#permit').isEnabled()) await refused.page.locator('#permit').click();
    await refused.page.getByText(/^The browser was told not to show them/).waitFor();
    assert.equal(await refused.page.locator('#permit').isDisabled(), true);
    for (const each of [gina, bob, refused]) await each.close();
  });
});
