// Readers made of packages that many use, each coming back by its own native means. Each gives a
// journal of envelopes.

import { EventSource } from 'eventsource';
import WebSocket from 'ws';

import { Journal } from './support.js';

/** npm `eventsource`: reconnects by itself with Last-Event-ID. */
export function followEvents(url, { types = ['$hello', '$gap', '$closed', '$reconnect'] } = {}) {
  const journal = new Journal();
  const requests = [];
  const source = new EventSource(url, {
    fetch: (target, init) => {
      requests.push(init.headers['Last-Event-ID'] ?? null);
      return fetch(target, init);
    },
  });
  const take = (event) => journal.add({ ...JSON.parse(event.data), id: event.lastEventId });
  source.onmessage = take;
  types.forEach((type) => source.addEventListener(type, take));
  return { journal, source, requests, close: () => source.close() };
}

/** npm `ws`: comes back with `after=` the last position it saw. */
export function followSocket(base, channel, after = 'now') {
  const journal = new Journal();
  const reader = { journal, connects: 0, position: after, close, socket: null };
  let closed = false;

  function connect() {
    if (closed) return;
    const query = `after=${encodeURIComponent(reader.position)}`;
    const socket = new WebSocket(`${base.replace('http', 'ws')}/channels/${encodeURIComponent(channel)}?${query}`);
    reader.socket = socket;
    socket.on('open', () => (reader.connects += 1));
    socket.on('error', () => {});
    socket.on('close', () => setTimeout(connect, 100));
    socket.on('message', (bytes, binary) => {
      const envelope = binary ? binaryEnvelope(bytes) : JSON.parse(bytes.toString());
      const place = envelope.type === 'hello' ? envelope.channels[channel] : envelope;
      if (envelope.type === 'gap') reader.position = `${envelope.epoch}-${envelope.to}`;
      else if (place.epoch !== undefined) reader.position = `${place.epoch}-${place.offset}`;
      journal.add(envelope);
    });
  }

  function close() {
    closed = true;
    reader.socket.terminate();
  }

  connect();
  return reader;
}

/** A binary frame: 2 bytes of header length, the envelope, the bytes. */
export function binaryEnvelope(bytes) {
  const length = bytes.readUInt16BE(0);
  const envelope = JSON.parse(bytes.subarray(2, 2 + length).toString());
  return { ...envelope, data: bytes.subarray(2 + length) };
}

/** Long polls with `fetch`, from cursor to cursor. */
export function followPolls(base, channel, after = 'now') {
  const journal = new Journal();
  const stop = new AbortController();
  const reader = { journal, answers: 0, cursor: after, close: () => stop.abort() };

  async function loop() {
    while (!stop.signal.aborted) {
      try {
        const query = `wait=20&after=${encodeURIComponent(reader.cursor)}`;
        const answer = await fetch(`${base}/channels/${encodeURIComponent(channel)}?${query}`, { signal: stop.signal });
        if (answer.status !== 200) throw new Error(`long poll: ${answer.status}`);
        const { messages, cursor } = await answer.json();
        reader.answers += 1;
        reader.cursor = cursor;
        messages.forEach((message) => journal.add(message));
      } catch {
        // Cut or closed: come back with the same cursor, a moment later.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  loop();
  return reader;
}
