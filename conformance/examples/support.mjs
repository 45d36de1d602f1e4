// What the tests of the examples need besides a server: a site for pages, programs whose lines are waited for.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import net from 'node:net';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environment } from '../browser/server.mjs';

export const ROOT = new URL('../../', import.meta.url);
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' };
/** The server's address as the examples have it. */
const SHOWN = 'http://127.0.0.1:8000';

/** A site of another origin that serves a folder; the server's address in its files is the one given. */
export async function site(folder, address) {
  const server = createServer(async (request, answer) => {
    const path = new URL(request.url, SHOWN).pathname;
    if (path === '/') return answer.writeHead(200, { 'Content-Type': TYPES['.html'] }).end('<!doctype html><script type="module" src="app.js"></script>');
    const text = await readFile(new URL(`.${path}`, folder), 'utf8').catch(() => undefined);
    if (text === undefined) return answer.writeHead(404).end();
    answer.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'text/plain' }).end(text.replaceAll(SHOWN, address));
  });
  const port = await listen(server);
  return { origin: `http://127.0.0.1:${port}`, stop: () => stop(server) };
}

const sockets = new WeakMap();

/** Listens on any port, which it gives. */
export async function listen(server) {
  const open = new Set();
  sockets.set(server, open);
  server.on('connection', (socket) => open.add(socket.on('close', () => open.delete(socket))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

/** Ends a server and what it has open, upgraded connections, too. */
export async function stop(server) {
  server.close();
  for (const socket of sockets.get(server)) socket.destroy();
  await once(server, 'close');
}

/** A program that runs; `lines(n)` waits for so many lines of its output. */
export function run(command, args, { address, cwd }) {
  const child = spawn(command, args, { cwd: cwd && fileURLToPath(cwd), env: { ...environment(), TIDINGS_URL: address, PYTHONUNBUFFERED: '1' } });
  let output = '';
  const got = () => output.split('\n').slice(0, -1);
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (output += chunk));
  process.once('exit', () => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const until = async (test, timeoutMs = 15_000) => {
    const deadline = Date.now() + timeoutMs;
    while (!test(got())) {
      if (Date.now() > deadline || child.exitCode) throw new Error(`${command} ${args.join(' ')} wrote only:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return got();
  };
  return {
    until,
    lines: (count) => until((lines) => lines.length >= count),
    async ended() {
      const [code] = await ended;
      return { code, output };
    },
    async stop() {
      child.kill();
      await ended;
    },
  };
}

/** Probes until `test` holds for what `probe` gives; fails with the last of it. */
export async function until(what, probe, test, timeoutMs = 15_000) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (test(value)) return value;
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}; last seen: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A relay that closes the connections whose first bytes match: what a network does that forbids something. */
export async function blocking(port, forbidden) {
  const server = net.createServer((client) => {
    client.on('error', () => {});
    client.once('data', (head) => {
      if (forbidden.test(head.toString('latin1'))) return client.destroy();
      const upstream = net.connect(port, '127.0.0.1');
      upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
      client.on('close', () => upstream.destroy());
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
  });
  const own = await listen(server);
  return { origin: `http://127.0.0.1:${own}`, stop: () => stop(server) };
}
