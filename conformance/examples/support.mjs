// What the tests of the examples need besides a server: a site for pages, programs whose lines are waited for.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
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

export async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

export async function stop(server) {
  server.closeAllConnections?.();
  server.close();
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
