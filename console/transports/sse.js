// The channel over the browser's own EventSource: it reconnects by itself and says where it was
// by Last-Event-ID. This file listens, and sees to it that no event name goes by unheard.

import { byteLength, channelUrl, parsePosition, start } from '../protocol.js';

export const sse = {
  id: 'sse',
  title: 'Server-Sent Events',
  requestLine: (path) => `new EventSource("${path}")`,
  connect: (how) => {
    const stream = new Stream(how);
    return () => stream.close();
  },
};

/** `message` is what an EventSource calls an event without a name. */
const ALWAYS = ['message', '$hello', '$gap', '$skip', '$closed', '$reconnect', '$error', '$ping'];

/** After this time an event that another transport brought should be here too. */
const GRACE_MS = 150;

class Stream {
  #how;
  #source = null;
  #position;
  #listening = new Set(ALWAYS);
  #unfollow;
  #closed = false;
  /** The position after which the event names have been asked for already. */
  #askedAfter = null;

  constructor(how) {
    this.#how = how;
    this.#position = how.position;
    this.#unfollow = how.names.follow((name, place) => this.#learned(name, place));
    this.#connect();
  }

  close() {
    this.#closed = true;
    this.#unfollow();
    this.#source.close();
  }

  #connect() {
    if (this.#closed) return;
    const { channel, sink } = this.#how;
    this.#source?.close();
    this.#source = new EventSource(channelUrl(channel, start(this.#position)));
    for (const name of this.#listening) this.#listen(name);
    this.#source.onerror = () => this.#failed();
    sink.request();
  }

  #listen(name) {
    this.#source.addEventListener(name, (event) => this.#received(event));
  }

  #learned(name, place) {
    if (this.#listening.has(name)) return;
    this.#listening.add(name);
    if (!this.#source) return;
    this.#listen(name);
    // It may have gone by before its name was known: then the stream begins again at its position.
    if (place) setTimeout(() => this.#hasReached(place) || this.#connect(), GRACE_MS);
  }

  #hasReached({ epoch, offset }) {
    if (!this.#position || offset === undefined) return true;
    const here = parsePosition(this.#position);
    return here.epoch !== epoch || here.offset >= offset;
  }

  #received(event) {
    const { sink } = this.#how;
    const envelope = JSON.parse(event.data);
    if (this.#passedOver(envelope)) {
      this.#askForNames();
      return;
    }
    sink.bytes(eventLength(event, envelope));
    if (envelope.type === 'hello') sink.open();
    sink.envelope(envelope);
    // The id of $hello is the position asked for: a gap that follows is told again after a cut.
    if (event.lastEventId) this.#position = event.lastEventId;
    if (envelope.type === 'closed') this.close();
  }

  /** Whether an event before this one had a name that nobody told this stream. */
  #passedOver(envelope) {
    const placed = envelope.type === 'message' && envelope.offset !== undefined;
    return placed && this.#askedAfter !== this.#position && !this.#how.sink.isNext(envelope);
  }

  // A poll from the position says which names went by; then the stream begins again there. If an
  // offset is still missing, it is shown as missing.
  async #askForNames() {
    const { channel, names, sink } = this.#how;
    this.#source.close();
    this.#askedAfter = this.#position;
    sink.request();
    try {
      const answer = await fetch(channelUrl(channel, start(this.#position)), { cache: 'no-store' });
      const { messages } = await answer.json();
      messages.forEach(({ event }) => names.learn(event));
      this.#connect();
    } catch {
      sink.lost({ text: 'The event names of this channel could not be read.' });
    }
  }

  #failed() {
    const { sink } = this.#how;
    if (this.#source.readyState === EventSource.CONNECTING) {
      sink.resuming();
      sink.request();
    } else {
      sink.lost({ text: 'The server refused the stream.' });
    }
  }
}

/** Bytes of an event as it stood in the stream: its id, its name, its data, the empty line. */
function eventLength({ lastEventId, type, data }, envelope) {
  const withoutId = type === '$ping' || (envelope.type === 'message' && envelope.offset === undefined);
  const id = withoutId ? 0 : byteLength(`id: ${lastEventId}\n`);
  const name = type === 'message' ? 0 : byteLength(`event: ${type}\n`);
  const lines = data.split('\n').reduce((sum, line) => sum + byteLength(`data: ${line}\n`), 0);
  return id + name + lines + 1;
}
