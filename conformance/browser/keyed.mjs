// A server that asks who comes: its configuration in a folder of its own, its tokens and keys made by the command
// itself. And pages of several origins, which are empty: what they do is the tests'.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { Server, command, environment } from './server.mjs';

const run = promisify(execFile);

/** What the server's command prints. */
async function printed(...args) {
  return (await run(command(), args, { env: environment() })).stdout;
}

export class Keyed {
  #folder;
  #config;

  /** `origins` are those of pages that may; `more` is TOML behind the rest. */
  static async start({ origins = [], more = '' } = {}) {
    const keyed = new Keyed();
    keyed.#folder = await mkdtemp(path.join(tmpdir(), 'tidings-keyed-'));
    await writeFile(keyed.#file('secret'), `${randomBytes(48).toString('base64')}\n`, { mode: 0o600 });
    const key = JSON.parse(await printed('key', 'new', 'app', '--admin', '--publish', '*', '--subscribe', '*', '--json'));
    const tokens = `[tokens.main]\nalgorithm = "HS256"\nsecret_file = ${JSON.stringify(keyed.#file('secret'))}\n`;
    keyed.#config = (extra) => `origins = ${JSON.stringify(origins)}\n${tokens}\n${key.config}\n${extra}`;
    await writeFile(keyed.#file('tidings.toml'), keyed.#config(more));
    // Clocks agree: it is one machine.
    const options = ['--config', keyed.#file('tidings.toml'), '--set', 'auth.leeway=0s'];
    keyed.server = await Server.start(0, { options, key: key.key });
    return keyed;
  }

  #file(name) {
    return path.join(this.#folder, name);
  }

  /** Signs a token. */
  async token(user, { subscribe = ['*'], publish = ['*'], expires = '10m' } = {}) {
    const patterns = [...subscribe.flatMap((pattern) => ['--subscribe', pattern]), ...publish.flatMap((pattern) => ['--publish', pattern])];
    return (await printed('token', 'new', '--secret-file', this.#file('secret'), '--user', user, '--expires', expires, ...patterns)).trim();
  }

  /** Puts other TOML behind the rest and has it read. */
  async reload(more) {
    await writeFile(this.#file('tidings.toml'), this.#config(more));
    this.server.reload();
  }

  /** Ends the open streams of `{"user"}` or `{"client"}`. */
  disconnect(whom) {
    return this.server.ask('/admin/disconnect', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(whom) });
  }

  async stop() {
    await this.server.kill();
    await rm(this.#folder, { recursive: true });
  }
}

/** Empty pages on a port of their own, which makes an origin with each name of this machine. */
export class Pages {
  #server;

  static async start() {
    const pages = new Pages();
    pages.#server = http.createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end('<!doctype html>'));
    pages.#server.listen(0, '127.0.0.1');
    await once(pages.#server, 'listening');
    return pages;
  }

  origin(host = 'localhost') {
    return `http://${host}:${this.#server.address().port}`;
  }

  async stop() {
    this.#server.close().closeAllConnections();
    await once(this.#server, 'close');
  }
}
