// What the tests share: the real server as a process, a proxy that can be cut, a log of what came.
// It knows no transport.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

export const BINARY =
  process.env.SERVER_BIN ?? fileURLToPath(new URL('../../../target/release/tidings', import.meta.url));

const PATIENCE_MS = 20_000;

/** A server process. Its port stays the same over `restart`. */
export class Server {
  static async start(options = []) {
    const server = new Server(options);
    await server.#run('127.0.0.1:0');
    return server;
  }

  /** One that ends with the test `t`, however that ends. */
  static async during(t, options) {
    const server = await Server.start(options);
    t.after(() => server.kill());
    return server;
  }

  constructor(options) {
    this.options = options;
  }

  async #run(listen) {
    const args = ['serve', '--listen', listen, '--set', 'limits.retry=300ms', ...this.options];
    this.process = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let complaints = '';
    this.process.on('error', (error) => (complaints += error));
    this.process.stderr.on('data', (bytes) => (complaints += bytes));
    const lines = createInterface({ input: this.process.stdout });
    for await (const line of lines) {
      const [, port] = /serves http:\/\/127\.0\.0\.1:(\d+)/.exec(line) ?? [];
      if (!port) continue;
      this.port = Number(port);
      this.process.stdout.resume();
      return;
    }
    await finished(this.process.stderr);
    throw new Error(`the server did not start: ${complaints}`);
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends the process, by default without a word. */
  async kill(signal = 'SIGKILL') {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.kill(signal);
    await exited;
  }

  /** The same port again, with an empty memory. */
  async restart() {
    await this.#run(`127.0.0.1:${this.port}`);
  }
}

/** Passes TCP through, until it is cut. */
export class Proxy {
  static async to(port) {
    const proxy = new Proxy();
    proxy.server = net.createServer((client) => proxy.#join(client, net.connect(port, '127.0.0.1')));
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  sockets = new Set();

  #join(...pair) {
    pair.forEach((socket, index) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.sockets.delete(socket);
        pair[1 - index].destroy();
      });
      socket.pipe(pair[1 - index]);
    });
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resets every open connection; new ones are taken. */
  cut() {
    // A socket that is being ended or opened cannot be reset: Node would spin on it.
    this.sockets.forEach((socket) => (socket.writableEnded || socket.connecting ? socket.destroy() : socket.resetAndDestroy()));
  }

  close() {
    this.server.close();
    this.cut();
  }
}

/** What a client was given, in order, and waiting for it. */
export class Journal {
  entries = [];
  #waiting = new Set();

  add(entry) {
    this.entries.push(entry);
    this.#waiting.forEach((check) => check());
  }

  /** Entries of a type of the envelope. */
  of(type) {
    return this.entries.filter((entry) => entry.type === type);
  }

  get messages() {
    return this.of('message');
  }

  get offsets() {
    return this.messages.map((message) => message.offset);
  }

  /** Resolves when `holds` of this journal. */
  async until(holds, what) {
    if (holds(this)) return;
    const { promise, resolve, reject } = withResolvers();
    const check = () => holds(this) && resolve();
    const said = () => `waited for ${what}; got ${JSON.stringify(this.entries).slice(-3000)}`;
    const timer = setTimeout(() => reject(new Error(said())), PATIENCE_MS);
    this.#waiting.add(check);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(check);
    }
  }

  untilMessages(count) {
    return this.until((journal) => journal.messages.length >= count, `${count} messages`);
  }
}

function withResolvers() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

/** Publishes; the receipt. */
export async function publish(url, channel, body, type = 'application/json', query = '') {
  const target = `${url}/channels/${encodeURIComponent(channel)}${query}`;
  const answer = await fetch(target, { method: 'POST', headers: { 'content-type': type }, body });
  const receipt = await answer.json();
  if (answer.status !== 200) throw new Error(`publish: ${answer.status} ${JSON.stringify(receipt)}`);
  return receipt;
}

/** Publishes the numbers from `from` to `to`, each its own offset on a fresh channel. */
export async function publishNumbers(url, channel, from, to) {
  for (let number = from; number <= to; number += 1) {
    await publish(url, channel, JSON.stringify({ number, text: `소식 ${number} 📰` }));
  }
}

/** 1, 2, … count. */
export function upTo(count) {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Payloads that transports like to break: [content type, body, what a reader gets]. */
export const PAYLOADS = [
  ['application/json', '{"글":"안녕하세요 👋🏽","n":12345678901234567890}', undefined],
  ['text/plain', '첫 줄\n둘째 줄\r\n셋째 줄\r\n\n끝 🎉', '첫 줄\n둘째 줄\r\n셋째 줄\r\n\n끝 🎉'],
  ['text/plain', 'data: id: 7\nevent: $gap\n\n', 'data: id: 7\nevent: $gap\n\n'],
  ['text/plain', '', ''],
  ['text/plain', '\u2028\u2029\u0000\ufeff"\\', '\u2028\u2029\u0000\ufeff"\\'],
  ['application/octet-stream', new Uint8Array(256).map((_, index) => index), 'bytes'],
];
