// Starts the real server for a test, and publishes to it from outside the browser.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const BUILDS = ['release', 'debug'].map((profile) => fileURLToPath(new URL(`../../target/${profile}/tidings`, import.meta.url)));

/** The server's command: `TIDINGS_BIN`, or what Cargo built last for release, else for debugging. */
export function command() {
  const found = process.env.TIDINGS_BIN ?? BUILDS.find(existsSync);
  if (!found) throw new Error('build the server first (cargo build), or name it in TIDINGS_BIN');
  return found;
}

// To the server every TIDINGS_… is a setting, and the tests run without any.
export function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TIDINGS_')));
}

// A test that fails half-way leaves no server behind.
const orphans = new Set();
process.once('exit', () => orphans.forEach((orphan) => orphan.kill('SIGKILL')));

export class Server {
  #process;
  #options = [];
  #headers = {};
  port = 0;

  /** On any free port, unless one is named; with more options of the command, and with a key where one is needed. */
  static async start(port = 0, { options = [], key } = {}) {
    const server = new Server();
    server.port = port;
    server.#options = options;
    if (key) server.#headers = { Authorization: `Bearer ${key}` };
    await server.#spawn();
    return server;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends the process without a chance to say goodbye. */
  async kill() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'exit');
  }

  /** Starts again on the same port, with an empty memory. */
  async startAgain() {
    await this.#spawn();
  }

  /** Has the configuration read again. */
  reload() {
    this.#process.kill('SIGHUP');
  }

  async #spawn() {
    const listen = `127.0.0.1:${this.port}`;
    this.#process = spawn(command(), ['serve', '--listen', listen, ...this.#options], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    orphans.add(this.#process);
    const started = this.#process;
    started.once('exit', () => orphans.delete(started));
    this.port = await announcedPort(this.#process);
  }

  /** Publishes one message; an object as JSON, bytes as bytes, else text. */
  async publish(channel, data, { event } = {}) {
    const query = event ? `?event=${encodeURIComponent(event)}` : '';
    const [type, body] = encode(data);
    return this.ask(`/channels/${encodeURIComponent(channel)}${query}`, { method: 'POST', headers: { 'Content-Type': type }, body });
  }

  /** Ends a channel. */
  async close(channel) {
    return this.ask(`/channels/${encodeURIComponent(channel)}?close=true`, { method: 'POST' });
  }

  /** What a channel retains. */
  async read(channel) {
    return this.ask(`/channels?name=${encodeURIComponent(channel)}&after=earliest`);
  }

  /** The answer to a request that must succeed, made with the key. */
  async ask(path, { headers, ...rest } = {}) {
    const answer = await fetch(`${this.origin}${path}`, { ...rest, headers: { ...this.#headers, ...headers } });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.headers.get('Content-Type')?.startsWith('application/json') ? answer.json() : answer.text();
  }
}

function encode(data) {
  if (data instanceof Uint8Array) return ['application/octet-stream', data];
  if (typeof data === 'string') return ['text/plain; charset=utf-8', data];
  return ['application/json', JSON.stringify(data)];
}

/** The port in the URL that the server prints once it serves. */
function announcedPort(child) {
  return new Promise((resolve, reject) => {
    let printed = '';
    const look = (chunk) => {
      printed += chunk;
      const url = /http:\/\/127\.0\.0\.1:(\d+)/.exec(printed);
      if (url) resolve(Number(url[1]));
    };
    child.stdout.setEncoding('utf8').on('data', look);
    child.stderr.setEncoding('utf8').on('data', look);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${printed}`)));
  });
}
