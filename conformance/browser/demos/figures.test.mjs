// The dashboard and the ticker: what the server tells of itself and of its exchange.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { launch, until } from '../browser.mjs';
import { Server } from '../server.mjs';
import { enter, live, textOf } from './people.mjs';

describe('figures', { timeout: 120_000 }, () => {
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

  const points = ({ page }) => page.locator('.chart').evaluateAll((charts) => charts.map((chart) =>
    [chart.dataset.event, chart.querySelector('polyline').getAttribute('points')?.split(' ').length ?? 0]));

  test('the dashboard draws every figure over SSE, and who comes later finds the chart filled', async () => {
    const one = await enter(browser, server, 'dashboard');
    assert.equal(await one.page.getByText('Live over SSE').count(), 1);
    const drawn = await until('three points each', () => points(one), (all) => all.every(([, count]) => count >= 3));
    assert.deepEqual(drawn.map(([event]) => event), ['cpu', 'memory', 'network', 'disk', 'load']);
    const figures = await one.page.locator('.figure').allInnerTexts();
    [/^\d+ %$/, /^[\d.]+ [KMGT]iB$/, /^↓ [\d.]+ \w+\/s +↑ [\d.]+ \w+\/s$/, /^↓ [\d.]+ \w+\/s +↑ [\d.]+ \w+\/s$/, /^[\d.]+$/].forEach((form, index) => assert.match(figures[index], form));
    const two = await enter(browser, server, 'dashboard');
    await until('filled', () => points(two), (all) => all.every(([, count]) => count >= 3));
    const asked = [];
    two.page.on('request', (request) => asked.push(request.url()));
    const [[, before]] = await points(two);
    await until('goes on', () => points(two), ([[, count]]) => count > before);
    assert.deepEqual(asked, [], 'by the stream that is open');
    for (const each of [one, two]) {
      assert.deepEqual(each.complaints, []);
      await each.close();
    }
  });

  test('the dashboard says when the server is away, and goes on', async () => {
    const one = await enter(browser, server, 'dashboard');
    await until('drawn', () => points(one), (all) => all.every(([, count]) => count > 0));
    await server.kill();
    await one.page.getByText(/^Away/).waitFor();
    await server.startAgain();
    await live(one.page);
    await one.page.getByText(/the server was restarted, or the channel emptied/).waitFor();
    const [[, before]] = await points(one);
    await until('goes on', () => points(one), ([[, count]]) => count > before);
    await one.close();
  });

  test('two readers of the ticker see the same prices; the slow one is told what was left out', async () => {
    const quick = await enter(browser, server, 'ticker');
    const slow = await enter(browser, server, 'ticker');
    for (const { page } of [quick, slow]) await until('all symbols', () => page.locator('.prices tbody tr').count(), (count) => count === 40);
    const symbols = await quick.page.locator('.prices th[scope="row"]').allInnerTexts();
    assert.deepEqual(symbols, [...symbols].sort());
    await slow.page.getByRole('button', { name: 'Slow me down' }).click();
    await slow.page.getByText('Live over polling').waitFor();
    const number = async ({ page }, id) => Number((await textOf(page, id)).replaceAll(/\D/g, ''));
    const [received, skipped] = await until('left out', async () => [await number(slow, 'received'), await number(slow, 'skipped')], ([, count]) => count > 200, 30_000);
    assert.ok(skipped > received, `${skipped} left out, ${received} received`);
    await slow.page.getByRole('button', { name: 'Slow me down' }).click();
    await slow.page.getByText('Live over WebSocket').waitFor();
    const prices = ({ page }) => page.evaluate(() => Object.fromEntries([...document.querySelectorAll('.prices tbody tr')].map((row) => [row.cells[0].textContent, row.cells[1].textContent])));
    // Prices change ninety times a second; a symbol stands still for long enough to be seen alike.
    await until('alike', async () => Promise.all([prices(quick), prices(slow)]), ([one, two]) => symbols.filter((symbol) => one[symbol] === two[symbol]).length > 30);
    assert.ok((await quick.page.locator('.prices polyline').first().getAttribute('points')).split(' ').length > 3);
    for (const each of [quick, slow]) {
      assert.deepEqual(each.complaints, []);
      await each.close();
    }
  });
});
