// A server and a network in the test's own time: logs, connections of three kinds, and everything that goes wrong with them.

import { TidingsError } from '../dist/errors.js';

const EVERY = 25;

/** A channel's log, of which the newest are retained. */
class Log {
  epoch = 1;
  end = 0;
  oldest = 1;
  entries = new Map();

  constructor(name) {
    this.name = name;
  }

  get id() {
    return `${this.name}e${this.epoch}`;
  }

  append(data) {
    this.entries.set(++this.end, data);
    return this.frame(this.end);
  }

  frame(offset) {
    const base = { channel: this.name, epoch: this.id };
    if (offset % EVERY === 0) return { ...base, type: 'skip', from: offset, to: offset, reason: 'own' };
    return { ...base, type: 'message', offset, data: this.entries.get(offset), time: 1 };
  }

  reset() {
    this.epoch++;
    this.end = 0;
    this.oldest = 1;
    this.entries.clear();
    return { type: 'gap', channel: this.name, epoch: this.id, from: null, to: 0, reason: 'epoch_changed' };
  }

  /** What a reading begins with: where it stands, and what it gets. */
  read({ after, last }) {
    const at = (offset, recovered, first = []) => {
      const frames = [...first];
      for (let next = offset + 1; next <= this.end; next++) frames.push(this.frame(next));
      return [{ epoch: this.id, offset, recovered }, frames];
    };
    if (after === undefined && last !== undefined) return at(Math.max(this.oldest - 1, this.end - last), true);
    if (after === 'earliest') return at(this.oldest - 1, true);
    if (after === undefined || after === 'now') return at(this.end, true);
    const [, epoch, offset] = /^(.+)-(\d+)$/.exec(after);
    const place = Number(offset);
    if (epoch === this.id && place >= this.oldest - 1 && place <= this.end) return at(place, true);
    const to = this.oldest - 1;
    const lost = { type: 'gap', channel: this.name, epoch: this.id, from: epoch === this.id ? place + 1 : null, to, reason: epoch === this.id ? 'expired' : 'epoch_changed' };
    return at(to, false, [lost]);
  }
}

const unreachable = () => new TidingsError('unreachable', 'no way there', true);

export class World {
  logs = new Map();
  connections = new Set();
  up = true;
  /** What happens to attempts over each rung. */
  fates = {};
  published = new Map();
  /** What came in, in its order: `channel` and `data` of each message that is new. */
  arrived = [];
  opened = 0;
  fetched = 0;

  constructor(clock, dice, heartbeat = 2) {
    this.clock = clock;
    this.dice = dice;
    this.heartbeat = heartbeat;
  }

  log(name) {
    let log = this.logs.get(name);
    if (!log) this.logs.set(name, (log = new Log(name)));
    return log;
  }

  append(name, data) {
    this.#tell(this.log(name).append(data), name);
  }

  reset(name) {
    this.#tell(this.log(name).reset(), name);
  }

  fleeting(name, data) {
    this.#tell({ type: 'message', channel: name, data, time: this.clock.now }, name);
  }

  expire(name, count) {
    const log = this.log(name);
    log.oldest = Math.min(log.oldest + count, log.end + 1);
  }

  #tell(frame, name) {
    for (const connection of this.connections) if (connection.reads.has(name)) connection.say(frame);
  }

  latency() {
    return this.dice.pick([0, 1, 5, 30, 150]);
  }

  /** One message of a publish, once per key. */
  take({ channel, data, key, ephemeral }) {
    if (ephemeral) {
      this.arrived.push({ channel, data });
      this.fleeting(channel, data);
      return { channel };
    }
    const before = this.published.get(key);
    if (before) return { ...before, duplicate: true };
    this.arrived.push({ channel, data });
    this.append(channel, data);
    const log = this.log(channel);
    const receipt = { channel, epoch: log.id, offset: log.end };
    this.published.set(key, receipt);
    return receipt;
  }

  /** In place of the runtime's `fetch`. */
  fetch = (url, { body, signal }) =>
    new Promise((resolve, reject) => {
      this.fetched++;
      signal.addEventListener('abort', () => reject(signal.reason));
      const { pathname } = new URL(url);
      const answer = (value) => this.clock.later(() => resolve(Response.json(value)), this.latency());
      this.clock.later(() => {
        if (signal.aborted) return;
        if (!this.up) return reject(new TypeError('fetch failed'));
        if (pathname === '/healthz') return answer({});
        if (pathname === '/session') return answer({ client: 'c', session: 's' });
        if (pathname === '/presence' && this.members) return answer({ clients: this.members, count: this.members.length, cursor: `${this.log('$presence:a').id}-0` });
        if (pathname === '/publish') {
          const results = JSON.parse(body).messages.map((message) => this.take(message));
          // An answer can get lost.
          if (this.dice.chance(0.1)) return reject(new TypeError('fetch failed'));
          return answer({ results });
        }
        reject(new TypeError(`what is ${pathname}?`));
      }, this.latency());
    });

  /** `socket` takes commands, `stream` is opened anew for every change, `poll` has no hello. */
  transport(name, kind) {
    return { name, usable: () => true, open: (http, sink) => this.#open(name, kind, sink) };
  }

  #open(name, kind, sink) {
    this.opened++;
    const connection = new Fake(this, name, kind, sink);
    const fate = this.up ? (this.fates[name] ?? 'ok') : 'down';
    const after = this.latency();
    const asks = kind === 'socket' ? [] : sink.asks();
    this.clock.later(() => {
      if (connection.closed) return;
      if (fate === 'ok' || fate === 'cut') return connection.begin(asks, fate === 'cut' ? this.dice.pick([10, 500, 3_000]) : undefined);
      if (fate === 'broken') return connection.end('lost', unreachable());
      if (fate === 'passing') return connection.end('passing', new TidingsError('server_full', 'full', true, this.dice.pick([undefined, 100, 20_000])));
      if (fate !== 'mute') connection.end('blocked', unreachable());
    }, after);
    return connection.face;
  }
}

class Fake {
  reads = new Set();
  /** Channels that are asked for, by the id of the command. */
  pending = new Map();
  worked = false;
  closed = false;
  ended = false;
  dead = false;
  #queue = 0;

  constructor(world, name, kind, sink) {
    this.world = world;
    this.name = name;
    this.kind = kind;
    this.sink = sink;
    const commands = kind === 'socket' ? { send: (command) => this.#command(command), change: (added, removed) => this.#change(added, removed) } : {};
    this.face = { ...commands, close: (last) => this.close(last) };
  }

  begin(asks, life) {
    const { world } = this;
    world.connections.add(this);
    this.begun = true;
    const channels = {};
    const frames = [];
    for (const ask of asks) {
      const [place, first] = world.log(ask.name).read(ask);
      channels[ask.name] = place;
      frames.push(...first);
      this.reads.add(ask.name);
    }
    const hello = { type: 'hello', client: 'c', session: 's', heartbeat: world.heartbeat, channels };
    this.say(this.kind === 'poll' ? { type: 'ping' } : hello);
    for (const frame of frames) this.say(frame);
    if (this.kind === 'poll') for (const { name } of asks) this.say({ type: 'cursor', cursor: `${channels[name].epoch}-${world.log(name).end}`, names: [name] });
    if (this.kind === 'socket') for (const ask of this.sink.asks()) this.#subscribe(ask);
    this.#beat();
    if (life !== undefined) world.clock.later(() => this.end('lost', unreachable()), life);
  }

  /** One frame after another, each some time later. Frames that were on their way still come after the client has closed. */
  say(frame) {
    if (this.closed || this.ended) return;
    this.#queue = Math.max(this.#queue, this.world.clock.now + this.world.latency());
    this.world.clock.later(() => {
      if (this.dead || this.ended) return;
      this.worked = true;
      if (frame.type === 'subscribed' || frame.type === 'error') {
        this.pending.delete(frame.id);
        if (frame.type === 'error' && [...this.pending.values()].includes(frame.channel)) return;
      }
      // As the WebSocket does: it is of the reading before.
      else if ([...this.pending.values()].includes(frame.channel)) return;
      this.sink.frame(structuredClone(frame));
    }, this.#queue - this.world.clock.now);
  }

  end(end, error) {
    if (this.closed || this.ended) return;
    this.ended = true;
    this.world.connections.delete(this);
    this.sink.end(end, error);
  }

  close() {
    this.closed = true;
    this.world.connections.delete(this);
  }

  #beat() {
    this.world.clock.later(() => {
      if (this.closed || this.ended) return;
      if (this.world.up) this.say({ type: 'ping' });
      this.#beat();
    }, this.world.heartbeat * 1_000);
  }

  #arrives(act) {
    const { world } = this;
    const at = (this.inbound = Math.max(this.inbound ?? 0, world.clock.now + world.latency()));
    world.clock.later(() => {
      if (world.connections.has(this) && !this.dead) act();
    }, at - world.clock.now);
  }

  #subscribe(ask) {
    const id = (this.id = (this.id ?? 0) + 1);
    const { name } = ask;
    this.pending.set(id, name);
    this.#arrives(() => {
      if (this.reads.has(name)) return this.say({ type: 'error', id, channel: name, code: 'already_subscribed', message: 'it is read', temporary: false });
      if (this.world.refuses?.(name)) return this.say({ type: 'error', id, channel: name, code: 'too_many_requests', message: 'later', temporary: true, retry_ms: 2_000 });
      const [place, frames] = this.world.log(name).read(ask);
      this.reads.add(name);
      this.say({ type: 'subscribed', channel: name, id, ...place });
      for (const frame of frames) this.say(frame);
    });
  }

  #change(added, removed) {
    if (!this.begun) return;
    for (const name of removed) this.#arrives(() => this.reads.delete(name) && this.say({ type: 'unsubscribed', channel: name }));
    for (const ask of added) this.#subscribe(ask);
  }

  #command({ type, id, ...message }) {
    if (type !== 'publish') return;
    this.#arrives(() => this.say({ type: 'ack', id, ...this.world.take(message) }));
  }
}
