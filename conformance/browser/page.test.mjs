// The page at `/`, driven in Chromium against the real server.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { launch, open, until } from './browser.mjs';
import { TRANSPORTS, messagesOf, readPanels, toggle, untilAt, untilOpen, untilPanels } from './panels.mjs';
import { Server } from './server.mjs';

describe('the page', { timeout: 180_000 }, () => {
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

  const show = (channel, options) => open(browser, `${server.origin}/?channel=${encodeURIComponent(channel)}`, options);

  test('four panels get the same messages, as text', async () => {
    const { page, complaints, close } = await show('방:같은-글');
    await untilOpen(page);
    const hostile = '<img src=x onerror="document.title=\'broken\'"><script>document.title="broken"</script>';
    await server.publish('방:같은-글', '안녕하세요, 세계 👋');
    await server.publish('방:같은-글', { 가격: 42, ok: '🎉' });
    await server.publish('방:같은-글', hostile);
    await server.publish('방:같은-글', 'named', { event: '가격-변경' });
    await server.publish('방:같은-글', new Uint8Array([0, 255, 10]));
    const last = await server.publish('방:같은-글', 'end');
    const panels = await untilAt(page, last);
    for (const id of TRANSPORTS) {
      const texts = messagesOf(panels[id]).map(({ offset, event, text }) => [offset, event ?? null, text]);
      assert.deepEqual(texts, [
        [1, null, '안녕하세요, 세계 👋'], [2, null, '{"가격":42,"ok":"🎉"}'], [3, null, hostile],
        [4, '가격-변경', 'named'], [5, null, '3 bytes'], [6, null, 'end'],
      ], id);
      assert.equal(panels[id].check, '6 messages · in order · none lost · none twice', id);
      assert.equal(panels[id].grade, 'good', id);
      assert.notEqual(panels[id].bytes, '0 B', id);
    }
    assert.equal(await page.locator('.rows img, .rows script').count(), 0);
    assert.equal(await page.title(), '방:같은-글 – Tidings');
    assert.deepEqual(complaints, []);
    await close();
  });

  test('each cut panel catches up from its position', async () => {
    const { page, complaints, close } = await show('cut');
    await untilOpen(page);
    await untilAt(page, await server.publish('cut', '처음'));
    let sent = 1;
    for (const id of TRANSPORTS) {
      await toggle(page, id);
      const before = await untilPanels(page, 'cut', ({ state }) => state === 'cut', [id]);
      let last;
      for (let n = 1; n <= 5; n += 1) last = await server.publish('cut', `${id} 동안 ${n} 🌊`);
      sent += 5;
      await untilAt(page, last, TRANSPORTS.filter((other) => other !== id));
      const during = (await readPanels(page))[id];
      assert.equal(during.position, before[id].position, 'a cut panel reads nothing');
      await toggle(page, id);
      const panel = (await untilAt(page, last, [id]))[id];
      const caughtUp = messagesOf(panel).filter(({ mark }) => mark === 'caught-up');
      assert.deepEqual(caughtUp.slice(-5).map(({ text }) => text), [1, 2, 3, 4, 5].map((n) => `${id} 동안 ${n} 🌊`));
      const told = panel.rows.find(({ kind }) => kind === 'interruption').text;
      assert.match(told, /^Cut at \S+-\d+ for [\d.]+ s · 5 caught up$/);
    }
    const panels = await readPanels(page);
    for (const id of TRANSPORTS) {
      assert.equal(panels[id].check, `${sent} messages · in order · none lost · none twice`, id);
    }
    assert.deepEqual(complaints, []);
    await close();
  });

  test('a burst while all are cut is there after the resume', async () => {
    const { page, complaints, close } = await show('burst');
    await untilOpen(page);
    await page.click('#cut-all');
    await untilPanels(page, 'cut', ({ state }) => state === 'cut');
    await page.fill('#text', '물결 🌊');
    await page.click('#burst');
    await page.getByText(/^Published 20 messages/).waitFor();
    assert.equal((await readPanels(page)).websocket.messages, 0);
    await page.click('#resume-all');
    const panels = await untilPanels(page, '20 messages', ({ messages }) => messages === 20);
    for (const id of TRANSPORTS) {
      assert.equal(panels[id].check, '20 messages · in order · none lost · none twice', id);
      assert.ok(messagesOf(panels[id]).every(({ mark }) => mark === 'caught-up'), id);
      assert.equal(messagesOf(panels[id]).at(-1).text, '물결 🌊 20 of 20', id);
    }
    assert.deepEqual(complaints, []);
    await close();
  });

  test('the keyboard is enough', async () => {
    const { page, complaints, close } = await show('keys');
    await untilOpen(page);
    const focused = () => page.evaluate(() => {
      const node = document.activeElement;
      return { id: node.id, label: node.ariaLabel, ring: getComputedStyle(node).outlineStyle };
    });
    const tabTo = async (wanted) => {
      for (let presses = 0; presses < 40; presses += 1) {
        await page.keyboard.press('Tab');
        const here = await focused();
        assert.equal(here.ring, 'solid', `a focus ring on ${JSON.stringify(here)}`);
        if (here.id === wanted || here.label === wanted) return;
      }
      assert.fail(`no way to ${wanted}`);
    };
    await tabTo('text');
    await page.keyboard.type('{"열쇠":"🔑"}');
    assert.equal(await page.textContent('#kind'), 'sent as JSON');
    await page.keyboard.press('Enter');
    await untilPanels(page, 'one message', ({ messages }) => messages === 1);
    assert.deepEqual((await server.read('keys')).messages[0].data, { 열쇠: '🔑' });
    await tabTo('Cut Server-Sent Events');
    await page.keyboard.press('Space');
    await untilPanels(page, 'cut', ({ state }) => state === 'cut', ['sse']);
    assert.equal((await focused()).label, 'Resume Server-Sent Events');
    await page.keyboard.press('Enter');
    await untilOpen(page, ['sse']);
    assert.deepEqual(complaints, []);
    await close();
  });

  test('an event name that only the outside knows reaches the EventSource panel', async () => {
    const { page, complaints, close } = await show('names');
    await untilOpen(page);
    for (const id of ['websocket', 'long-poll', 'poll']) await toggle(page, id);
    await server.publish('names', 'first', { event: '처음 듣는 이름' });
    await server.publish('names', 'second');
    const last = await server.publish('names', 'third', { event: 'message' });
    const { sse } = await untilAt(page, last, ['sse']);
    assert.equal(sse.check, '3 messages · in order · none lost · none twice');
    assert.deepEqual(messagesOf(sse).map(({ text }) => text), ['first', 'second', 'third']);
    assert.deepEqual(complaints, []);
    await close();
  });

  test('a channel that ends is shown as ended', async () => {
    const { page, complaints, close } = await show('ends');
    await untilOpen(page);
    await server.publish('ends', '마지막');
    await server.close('ends');
    const panels = await untilPanels(page, 'ended', ({ state }) => state === 'ended');
    for (const id of TRANSPORTS) assert.equal(panels[id].grade, 'good', id);
    assert.deepEqual(complaints, []);
    await page.fill('#text', 'too late');
    await page.press('#text', 'Enter');
    await page.locator('#outcome.failed').waitFor();
    await close();
  });

  test('the channel box changes the channel', async () => {
    const { page, complaints, close } = await show('한 곳'.replace(' ', '/'));
    await untilOpen(page);
    await page.fill('#text', '슬래시');
    await page.press('#text', 'Enter');
    await untilPanels(page, 'one message', ({ messages }) => messages === 1);
    assert.match(await page.textContent('#curl'), /^curl -d '\{"messages":.*\/publish$/);
    await page.fill('#channel', '다른:곳');
    await page.press('#channel', 'Tab');
    await untilOpen(page);
    assert.equal(new URL(page.url()).searchParams.get('channel'), '다른:곳');
    const panels = await untilAt(page, await server.publish('다른:곳', '여기'));
    for (const id of TRANSPORTS) assert.equal(panels[id].messages, 1, id);
    assert.deepEqual(complaints, []);
    await close();
  });

  test('a phone gets one column and no sideways scrolling', async () => {
    const { page, close } = await show('phone', { viewport: { width: 360, height: 740 } });
    await untilOpen(page);
    await untilAt(page, await server.publish('phone', '긴-글'.repeat(100)));
    const layout = await page.evaluate(() => ({
      overflow: document.documentElement.scrollWidth - innerWidth,
      columns: new Set([...document.querySelectorAll('.panel')].map((panel) => panel.getBoundingClientRect().left)).size,
    }));
    assert.deepEqual(layout, { overflow: 0, columns: 1 });
    await close();
  });

  test('the check line finds what a server must not do', async () => {
    const { page, close } = await show('ledger');
    const verdicts = await page.evaluate(async () => {
      const { Ledger } = await import('./console/ledger.js');
      const judge = (...offsets) => {
        const ledger = new Ledger();
        offsets.forEach((offset) => ledger.message({ epoch: 'k3f9', offset }));
        return ledger;
      };
      const told = judge(1, 2);
      told.gap({ epoch: 'k3f9', from: 3, to: 6, reason: 'expired' });
      told.message({ epoch: 'k3f9', offset: 7 });
      const early = judge(1, 2);
      early.gap({ epoch: 'k3f9', from: 5, to: 6, reason: 'expired' });
      const jumped = judge(1, 2);
      jumped.message({ epoch: 'new1', offset: 3 });
      return [judge(5, 6), judge(1, 2, 4), judge(1, 2, 2), judge(1, 3, 2, 4), told, early, jumped].map((l) => l.verdict());
    });
    assert.deepEqual(verdicts, [
      { grade: 'good', text: '2 messages · in order · none lost · none twice' },
      { grade: 'bad', text: '3 messages · in order · 1 missing, untold · none twice' },
      { grade: 'bad', text: '3 messages · in order · none lost · 1 twice' },
      { grade: 'bad', text: '4 messages · 1 out of order · none lost · none twice' },
      { grade: 'told', text: '3 messages · in order · 4 lost, told · none twice' },
      { grade: 'bad', text: '2 messages · in order · 2 missing, untold · none twice' },
      { grade: 'bad', text: '3 messages · in order · 1 missing, untold · none twice' },
    ]);
    await close();
  });

  test('a restart is told as a gap with the new epoch, and all come back by themselves', async () => {
    const { page, complaints, close } = await show('restart');
    await untilOpen(page);
    const old = await server.publish('restart', '전');
    await untilAt(page, old);
    await server.kill();
    await untilPanels(page, 'noticed', ({ state }) => ['waiting', 'resuming'].includes(state));
    await until('a countdown', () => readPanels(page), ({ websocket }) => /in \d s/.test(websocket.countdown));
    assert.ok(complaints.every((text) => /ERR_|Failed to load|WebSocket connection/.test(text)), complaints.join('\n'));
    complaints.length = 0;
    await server.startAgain();
    const fresh = await server.publish('restart', '후');
    assert.notEqual(fresh.epoch, old.epoch);
    const panels = await untilAt(page, fresh);
    for (const id of TRANSPORTS) {
      const { rows, check, grade } = panels[id];
      const gap = rows.find(({ kind }) => kind === 'gap');
      assert.match(gap.text, /epoch_changed/, id);
      assert.match(gap.text, new RegExp(`what followed ${old.epoch}-1; goes on after ${fresh.epoch}-`), id);
      assert.equal(check, '2 messages · in order · 1 gap, told · none twice', id);
      assert.equal(grade, 'told', id);
      assert.deepEqual(messagesOf(panels[id]).map(({ text }) => text), ['전', '후'], id);
    }
    await close();
  });
});
