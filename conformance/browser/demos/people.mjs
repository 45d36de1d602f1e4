// People in front of the demos: each in a browser context of their own, with a name where the page asks for one.

import { open } from '../browser.mjs';

export const DEMOS = ['chat', 'notifications', 'dashboard', 'ticker', 'cursors', 'call', 'answers'];
export const NAMED = new Set(['chat', 'notifications', 'cursors', 'call']);
export const HOSTILE = '<img src=x onerror="document.title=\'broken\'">';

/** Chromium with a camera that shows a clock. */
export const CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

/** Opens a demo and waits until it is live. `name` is entered where it asks. */
export async function enter(browser, server, demo, name, { hash = '', ...options } = {}) {
  const person = await open(browser, `${server.origin}/demos/${demo}/${hash}`, { viewport: { width: 1000, height: 700 }, ...options });
  if (NAMED.has(demo)) await introduce(person.page, name);
  await live(person.page);
  return person;
}

/** Another tab of the same browser; it asks for a name as the first did. */
export async function anotherTab({ page, complaints }, name) {
  const tab = await page.context().newPage();
  tab.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  tab.on('pageerror', (error) => complaints.push(String(error)));
  await tab.goto(page.url());
  await introduce(tab, name);
  await live(tab);
  return tab;
}

async function introduce(page, name) {
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Enter' }).click();
}

/** Waits for a connection, or in a page that reads nothing yet until it says so. */
export const live = (page) => page.getByText(/^(Live over |Not connected$)/).waitFor();

/** The text of the element with this id. */
export const textOf = (page, id) => page.locator(`#${id}`).innerText();
