// One reading of one channel over one transport: its state, its position, its figures. Every
// transport gets the same care here: a lost connection comes back by itself, a cut one when asked,
// both from the position. What a connection is, the files in transports/ know.

import { serverNow } from './clock.js';
import { Ledger } from './ledger.js';
import { formatPosition, parsePosition, payloadText } from './protocol.js';

const RETRY_MS = [1000, 2000, 4000, 8000];
const LATENCIES_KEPT = 200;

export class Reader {
  /** `connecting`, `open`, `cut`, `resuming`, `waiting` (for the next attempt), `ended` or `refused`. */
  state = 'connecting';
  /** `EPOCH-OFFSET`: the place after what was read; null before the first answer. */
  position = null;
  ledger = new Ledger();
  requests = 0;
  bytes = 0;
  /** Milliseconds, of live messages, the newest last. */
  latencies = [];
  /** Why the connection was refused or lost. */
  notice = '';
  /** When the next attempt comes, in milliseconds of this machine's clock. */
  retryAt = null;

  #transport;
  #channel;
  #names;
  #report;
  #link = null;
  #timer = null;
  #attempt = 0;
  #retryMs = null;
  #openedAt = 0;
  #interruption = null;
  #wasOpen = false;

  /** `report` has `changed(reader)`, `entry(reader, entry)` and `amended(reader, entry)`. */
  constructor(transport, channel, names, report) {
    this.#transport = transport;
    this.#channel = channel;
    this.#names = names;
    this.#report = report;
  }

  /** Connects, or connects again after a cut: from the position. */
  resume() {
    this.#drop();
    this.notice = '';
    this.#set(this.#wasOpen ? 'resuming' : 'connecting');
    const link = {};
    this.#link = link;
    const close = this.#transport.connect({
      channel: this.#channel,
      position: this.position,
      names: this.#names,
      sink: this.#sinkOf(link),
    });
    link.close = close;
    if (this.#link !== link) close();
  }

  /** Cuts the connection; only `resume` brings it back. */
  cut() {
    this.#drop();
    this.#set('cut');
    this.#interrupted('Cut');
  }

  /** Ends the reading for good. */
  stop() {
    this.#drop();
  }

  #drop() {
    clearTimeout(this.#timer);
    this.retryAt = null;
    const link = this.#link;
    this.#link = null;
    link?.close?.();
  }

  /** What a transport may say; a connection that was dropped is not heard any more. */
  #sinkOf(link) {
    const heard = (method) => (...values) => {
      if (this.#link === link) method.apply(this, values);
    };
    return {
      request: heard(() => this.#changed((this.requests += 1))),
      bytes: heard((count) => this.#changed((this.bytes += count))),
      open: heard(this.#opened),
      envelope: heard(this.#envelope),
      place: heard(this.#moved),
      resuming: heard(this.#resuming),
      ended: heard(() => this.#set('ended')),
      lost: heard(this.#lost),
      isNext: (place) => this.ledger.isNext(place),
    };
  }

  #opened() {
    this.#attempt = 0;
    this.notice = '';
    this.#openedAt = serverNow();
    this.#wasOpen = true;
    this.#endInterruption();
    this.#set('open');
  }

  /** The transport comes back by itself. */
  #resuming() {
    this.#interrupted('Lost');
    this.#set('resuming');
  }

  #lost({ text = '', final = false, retryMs = null }) {
    this.#drop();
    if (this.state === 'ended') return;
    this.notice = text;
    if (final) {
      this.#set('refused');
      return;
    }
    this.#interrupted('Lost');
    const step = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)];
    const delay = retryMs ?? this.#retryMs ?? step * (0.75 + Math.random() / 2);
    this.#attempt += 1;
    this.#retryMs = null;
    this.retryAt = Date.now() + delay;
    this.#timer = setTimeout(() => this.resume(), delay);
    this.#set('waiting');
  }

  #envelope(envelope) {
    const handlers = {
      hello: this.#hello,
      message: this.#message,
      gap: this.#gap,
      skip: this.#skip,
      closed: this.#closed,
      reconnect: ({ after_ms: ms }) => (this.#retryMs = ms),
      error: ({ message }) => this.#changed((this.notice = message)),
    };
    handlers[envelope.type]?.call(this, envelope);
  }

  #hello({ channels }) {
    const place = channels[this.#channel];
    // A resumed reading keeps its own position: a loss is told by a gap, which moves it.
    if (place && !this.position) this.#moved(formatPosition(place));
  }

  #message(envelope) {
    const now = serverNow();
    this.#names.learn(envelope.event, envelope);
    const status = this.ledger.message(envelope);
    const mark = this.#markOf(status, envelope.time);
    const latency = mark === 'live' ? now - envelope.time : null;
    if (latency !== null) this.#measure(latency);
    if (mark === 'caught-up') this.#caughtUp();
    if (envelope.offset !== undefined) this.position = formatPosition(envelope);
    const { offset, event } = envelope;
    this.#tell({ kind: 'message', mark, offset, event, latency, text: payloadText(envelope) });
  }

  #markOf(status, time) {
    if (status !== 'next') return status;
    if (time >= this.#openedAt) return 'live';
    return this.#interruption ? 'caught-up' : 'history';
  }

  #caughtUp() {
    this.#interruption.caughtUp += 1;
    this.#report.amended(this, this.#interruption);
  }

  #measure(latency) {
    this.latencies.push(latency);
    if (this.latencies.length > LATENCIES_KEPT) this.latencies.shift();
  }

  #gap(gap) {
    const old = this.position && parsePosition(this.position);
    this.ledger.gap(gap);
    this.position = formatPosition({ epoch: gap.epoch, offset: gap.to });
    this.#tell({ kind: 'gap', old, ...gap });
  }

  #skip(skip) {
    this.ledger.skip(skip);
    this.position = formatPosition({ epoch: skip.epoch, offset: skip.to });
    this.#tell({ kind: 'skip', ...skip });
  }

  #closed(closed) {
    this.ledger.closed(closed);
    this.position = formatPosition(closed);
    if (this.state !== 'ended') this.#tell({ kind: 'closed', ...closed });
    this.#set('ended');
  }

  #moved(position) {
    this.ledger.begin(parsePosition(position));
    this.position = position;
    this.#changed();
  }

  #interrupted(why) {
    if (!this.position || this.#interruption?.open) return;
    this.#interruption = { kind: 'interruption', why, position: this.position, since: Date.now(), open: true, caughtUp: 0 };
    this.#tell(this.#interruption);
  }

  #endInterruption() {
    if (!this.#interruption?.open) return;
    this.#interruption.open = false;
    this.#interruption.lasted = Date.now() - this.#interruption.since;
    this.#report.amended(this, this.#interruption);
  }

  #tell(entry) {
    this.#report.entry(this, entry);
    this.#changed();
  }

  #set(state) {
    this.state = state;
    this.#changed();
  }

  #changed() {
    this.#report.changed(this);
  }
}
