// What stands in the page's four panels, and the hands that use them.

import { until } from './browser.mjs';

export const TRANSPORTS = ['websocket', 'sse', 'long-poll', 'poll'];

/** All panels as data, by transport. */
export function readPanels(page) {
  return page.evaluate(() => Object.fromEntries([...document.querySelectorAll('.panel')].map((panel) => {
    const field = (name) => panel.querySelector(`[data-field="${name}"]`).textContent;
    const rows = [...panel.querySelectorAll('.rows > li')].map((row) => ({
      kind: row.dataset.kind,
      mark: row.dataset.mark,
      offset: Number(row.dataset.offset),
      event: row.querySelector('.name')?.textContent,
      text: row.querySelector('.payload')?.textContent ?? row.textContent,
    }));
    return [panel.dataset.transport, {
      state: panel.dataset.state,
      said: field('state'),
      countdown: field('countdown'),
      check: field('check'),
      grade: panel.querySelector('.check').dataset.grade,
      messages: Number(field('messages').replaceAll(',', '')),
      requests: Number(field('requests').replaceAll(',', '')),
      bytes: field('bytes'),
      latency: field('latency'),
      position: field('position'),
      button: field('toggle'),
      rows,
    }];
  })));
}

/** Waits until `test` holds for every panel of `ids`. */
export function untilPanels(page, what, test, ids = TRANSPORTS) {
  return until(what, () => readPanels(page), (panels) => ids.every((id) => test(panels[id], id)));
}

export function untilOpen(page, ids = TRANSPORTS) {
  return untilPanels(page, `open: ${ids}`, ({ state, position }) => state === 'open' && position !== '–', ids);
}

/** Waits until the panels of `ids` stand at the place of a receipt. */
export function untilAt(page, { epoch, offset }, ids = TRANSPORTS) {
  return untilPanels(page, `${ids} at ${epoch}-${offset}`, ({ position }) => position === `${epoch}-${offset}`, ids);
}

/** Presses the button of a panel: Cut or Resume, whatever it is now. */
export function toggle(page, id) {
  return page.click(`.panel[data-transport="${id}"] [data-field="toggle"]`);
}

/** The messages of a panel, oldest first. */
export function messagesOf(panel) {
  return panel.rows.filter(({ kind }) => kind === 'message').reverse();
}
