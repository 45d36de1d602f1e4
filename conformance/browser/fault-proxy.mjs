// The proxy that breaks things, before a server: `fault-proxy --help` says what there is.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const BUILDS = ['release', 'debug'].map((profile) => fileURLToPath(new URL(`../../target/${profile}/fault-proxy`, import.meta.url)));

/** The proxy's command: `FAULT_PROXY_BIN`, or what Cargo built last for release, else for debugging. */
function command() {
  const found = process.env.FAULT_PROXY_BIN ?? BUILDS.find(existsSync);
  if (!found) throw new Error('build the proxy first (cargo build -p conformance --bin fault-proxy), or name it in FAULT_PROXY_BIN');
  return found;
}

export class FaultProxy {
  #process;
  #control;
  /** Where clients come, as `http://127.0.0.1:PORT`. */
  origin;

  /** Before the server on this port of loopback. The same seed, the same decisions. */
  static async start({ port, seed = 1 }) {
    const proxy = new FaultProxy();
    const options = ['--to', `127.0.0.1:${port}`, '--seed', `${seed}`, '--until-stdin-closes'];
    proxy.#process = spawn(command(), options, { stdio: ['pipe', 'pipe', 'inherit'] });
    const { listen, control } = await announced(proxy.#process);
    proxy.origin = listen;
    proxy.#control = control;
    return proxy;
  }

  /** Replaces the faults: the first that a request matches applies to it. */
  async set(faults) {
    await this.#ask('PUT', '/faults', faults);
  }

  /** Takes all faults away from requests to come. */
  async clear() {
    await this.#ask('DELETE', '/faults');
  }

  /** Resets the connections whose present request is of these kinds, or all; gives their number. */
  async cut(kinds) {
    return (await this.#ask('POST', '/cut', { on: kinds })).connections;
  }

  /** Silences them likewise. */
  async stall(kinds) {
    return (await this.#ask('POST', '/stall', { on: kinds })).connections;
  }

  /** Another port for connections to come. */
  async to(port) {
    await this.#ask('PUT', '/to', { to: `127.0.0.1:${port}` });
  }

  /** The server cannot be reached: everything is reset, and each new connection, too. */
  async down() {
    await this.#ask('PUT', '/down');
  }

  /** It can be reached again. */
  async up() {
    await this.#ask('DELETE', '/down');
  }

  /** What happened: one record for each request, those under way among them. */
  async log() {
    return this.#ask('GET', '/log');
  }

  /** Open connections by the kind of their present request, and `idle`. */
  async live() {
    return this.#ask('GET', '/live');
  }

  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.stdin.end();
    await once(this.#process, 'exit');
  }

  async #ask(method, path, body) {
    const answer = await fetch(`${this.#control}${path}`, { method, body: body && JSON.stringify(body) });
    const said = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${said.error}`);
    return said;
  }
}

/** What the proxy prints once it serves. */
async function announced(child) {
  const failed = Promise.race([
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the proxy ended with ${code}`))),
    once(child, 'error').then(([error]) => Promise.reject(error)),
  ]);
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line'), failed]);
  // Its later end is nobody's failure.
  failed.catch(() => {});
  return JSON.parse(line);
}
