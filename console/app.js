// The page: one publish box, one log, the same channel over four transports.
//
// Read reader.js for what happens to a connection, ledger.js for how a panel knows that nothing is
// lost, transports/ for the four ways. There is no state here but which channel is shown.

import { listDemos } from './demos.js';
import { EventNames } from './event-names.js';
import { Panel } from './panel.js';
import { Publisher } from './publish.js';
import { Reader } from './reader.js';
import { channelUrl, parsePosition } from './protocol.js';
import { enableCopy, showShellLine } from './shell.js';
import { Strip } from './strip.js';
import { longPoll } from './transports/long-poll.js';
import { poll } from './transports/poll.js';
import { sse } from './transports/sse.js';
import { websocket } from './transports/websocket.js';

const TRANSPORTS = [websocket, sse, longPoll, poll];
const DEFAULT_CHANNEL = 'demo';

const form = document.getElementById('publish');
const strip = new Strip(document.getElementById('strip'), TRANSPORTS);
const panels = TRANSPORTS.map(
  (transport, index) => new Panel(document.getElementById('panels'), transport, () => toggle(readers[index])),
);

let channel;
let readers = [];
let names = new EventNames();

/** Shows a channel in all panels, from its newest messages on. */
function follow(name) {
  readers.forEach((reader) => reader.stop());
  channel = name;
  names = new EventNames();
  readers = TRANSPORTS.map((transport, index) => new Reader(transport, name, names, reportTo(panels[index])));
  strip.show(readers);
  showName();
  TRANSPORTS.forEach((transport, index) => panels[index].show(readers[index], transport.requestLine(pathOf(name))));
  readers.forEach((reader) => reader.resume());
}

function reportTo(panel) {
  return {
    changed(reader) {
      if (!readers.includes(reader)) return;
      panel.changed();
      if (reader.state === 'open' && reader.position) strip.reached(parsePosition(reader.position));
      strip.changed();
      showEnd();
    },
    entry: (reader, entry) => readers.includes(reader) && panel.add(entry),
    amended: (reader, entry) => panel.amend(entry),
  };
}

function pathOf(name) {
  const { pathname, search } = channelUrl(name);
  return decodeURI(pathname + search);
}

function showName() {
  form.elements.channel.value = channel;
  document.getElementById('log-name').textContent = channel;
  document.title = `${channel} – Tidings`;
  showShellLine(channel);
  const url = new URL(location.href);
  if (channel === DEFAULT_CHANNEL) url.searchParams.delete('channel');
  else url.searchParams.set('channel', channel);
  history.replaceState(null, '', url);
}

function showEnd() {
  document.getElementById('log-end').textContent = strip.end ? `newest position ${strip.end}` : '';
}

function toggle(reader) {
  if (['connecting', 'open', 'resuming'].includes(reader.state)) reader.cut();
  else reader.resume();
}

function switchTo(name) {
  if (name && name !== channel && form.elements.channel.checkValidity()) follow(name);
}

form.elements.channel.addEventListener('change', ({ target }) => switchTo(target.value));
document.getElementById('cut-all').addEventListener('click', () => {
  readers.filter(({ state }) => state !== 'ended').forEach((reader) => reader.cut());
});
document.getElementById('resume-all').addEventListener('click', () => {
  readers.filter(({ state }) => !['open', 'ended'].includes(state)).forEach((reader) => reader.resume());
});

new Publisher(form, {
  sending(event) {
    switchTo(form.elements.channel.value);
    names.learn(event);
  },
  published(receipt) {
    if (receipt.channel !== channel) return;
    strip.reached(receipt);
    showEnd();
  },
});
enableCopy();
listDemos();
follow(new URLSearchParams(location.search).get('channel') || DEFAULT_CHANNEL);
