// The processes: a server that asks for keys, and a proxy in front of it by a block of docs/proxies.md.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

const { TIDINGS, TLS_FOLDER } = process.env;
const DOCUMENT = readFileSync(new URL('../../docs/proxies.md', import.meta.url), 'utf8');
const PROCESSES = new Set();
process.once('exit', () => PROCESSES.forEach((child) => child.kill('SIGKILL')));

/** The block of the document with this mark behind its fence. */
function block(mark) {
  const found = [...DOCUMENT.matchAll(/^```([^\n]+)\n(.*?)^```$/gms)].find(([, fence]) => fence === mark);
  if (!found) throw new Error(`docs/proxies.md has no block ${mark}`);
  return found[2];
}

/** The one line of a block that holds `line` becomes another block. */
function instead(text, line, other) {
  const lines = text.split('\n');
  const at = lines.findIndex((candidate) => candidate.includes(line));
  if (at < 0) throw new Error(`no line with ${line} in ${text}`);
  return lines.with(at, other.trimEnd()).join('\n');
}

/** How each proxy is started in a folder, with a block at its place. */
const KINDS = {
  nginx: {
    program: 'nginx',
    target: 'proxy_pass http:',
    args: (folder) => ['-p', `${folder}/`, '-c', 'nginx.conf', '-e', 'error.log'],
    files: (text, port, passed) => ({ 'nginx.conf': nginxMain(text.replace('listen 443', `listen 127.0.0.1:${port}`), passed) }),
  },
  haproxy: {
    program: 'haproxy',
    target: 'server tidings',
    args: () => ['-db', '-f', 'haproxy.cfg'],
    files: (text, port) => ({ 'haproxy.cfg': text.replace('bind :443', `bind 127.0.0.1:${port}`) }),
  },
  caddy: {
    program: 'caddy',
    target: 'reverse_proxy',
    args: () => ['run', '--adapter', 'caddyfile', '--config', 'Caddyfile'],
    files: (text, port) => ({
      Caddyfile: `{\n    admin off\n    auto_https disable_redirects\n}\n${text.replace('rt.example.com {', `localhost:${port} {\n    bind 127.0.0.1`)}`,
    }),
  },
};

function nginxMain(text, passed) {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`).join(' ');
  const module = passed ? 'load_module /usr/lib/nginx/modules/ngx_stream_module.so;' : '';
  const context = passed ? `stream {\n${text}}` : `http {\naccess_log off; ${paths}\n${text}}`;
  return `${module}\ndaemon off; pid nginx.pid; error_log error.log warn; worker_processes 1;\nevents { worker_connections 256; }\n${context}\n`;
}

export const isThere = (kind) => spawnSync(KINDS[kind].program, [kind === 'caddy' ? 'version' : '-v']).error === undefined;

/** A proxy of this kind by the block `way` ('', 'to-tls' or 'passed') in front of a server. */
export async function startProxy(kind, way, server) {
  const { program, target, args, files } = KINDS[kind];
  let text = block(way === 'passed' ? `${kind} passed` : kind);
  if (way === 'to-tls') text = instead(text, target, block(`${kind} to-tls`));
  text = text.replaceAll('/etc/tls/', `${TLS_FOLDER}/`).replace(/127\.0\.0\.1:8(000|443)/, `127.0.0.1:${server.port}`);
  const folder = mkdtempSync(path.join(tmpdir(), `tidings-${kind}-`));
  chmodSync(folder, 0o755);
  const port = await freePort();
  for (const [name, content] of Object.entries(files(text, port, way === 'passed'))) writeFileSync(path.join(folder, name), content);
  const options = { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: folder } };
  const proxy = new Process(spawn(program, args(folder), options));
  Object.assign(proxy, { port, url: `https://localhost:${port}`, clean: () => rmSync(folder, { recursive: true }) });
  await proxy.until(async () => (await fetch(`${proxy.url}/healthz`)).status === 200);
  return proxy;
}

/** The server: it knows a key and lets everybody read and publish. */
export async function startServer({ tls, trusted, protocol }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'tidings-behind-'));
  const { config } = JSON.parse(execFileSync(TIDINGS, ['key', 'new', 'app', '--json']));
  const files = tls ? `[tls]\ncert = "${TLS_FOLDER}/cert.pem"\nkey = "${TLS_FOLDER}/key.pem"\n` : '';
  const proxies = `${trusted ? block('toml') : '[proxy]\n'}protocol = ${protocol}\n`;
  const text = `hosts = ["rt.example.com"]\n${files}${proxies}[may]\nsubscribe = "anyone"\npublish = "anyone"\n${config}`;
  writeFileSync(path.join(folder, 'tidings.toml'), text);
  const child = spawn(TIDINGS, ['serve', '--listen', '127.0.0.1:0', '--config', 'tidings.toml'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const server = new Process(child);
  server.clean = () => rmSync(folder, { recursive: true });
  for await (const line of createInterface({ input: child.stdout })) {
    server.port = Number(/serves https?:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
    if (server.port) break;
  }
  child.stdout.resume();
  if (!server.port) throw new Error(`the server did not start: ${server.said}`);
  return server;
}

class Process {
  said = '';

  constructor(child) {
    this.child = child;
    PROCESSES.add(child);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (this.said += bytes));
    this.exited = once(child, 'exit');
  }

  async until(holds) {
    const deadline = Date.now() + 15_000;
    for (;;) {
      if (this.child.exitCode !== null) throw new Error(`${this.child.spawnargs}: ended: ${this.said}`);
      const error = await holds().then((held) => (held ? null : 'not yet'), (error) => error.cause ?? error);
      if (error === null) return;
      if (Date.now() > deadline) throw new Error(`${this.child.spawnargs}: ${error}: ${this.said}`);
      await pause(20);
    }
  }

  async stop(signal = 'SIGTERM') {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.exited;
    PROCESSES.delete(this.child);
    this.clean();
  }
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
