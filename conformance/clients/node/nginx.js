// An nginx process in front of a server.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BINARY = process.env.NGINX_BIN ?? '/usr/sbin/nginx';
const MAIN = fileURLToPath(new URL('../nginx/main.conf', import.meta.url));
const README = fileURLToPath(new URL('../../../README.md', import.meta.url));

/** The configuration that the README shows. */
export async function shownConfiguration() {
  const [, site] = /^```nginx\n(.*?)^```$/ms.exec(await readFile(README, 'utf8'));
  return site;
}

export class Nginx {
  /** nginx in front of `port`, with `site` as the part of its configuration that is tried. */
  static async start(site, port) {
    const nginx = new Nginx();
    nginx.port = await freePort();
    nginx.prefix = await mkdtemp(path.join(tmpdir(), 'tidings-nginx-'));
    // Workers that nginx starts under another user have to pass.
    await chmod(nginx.prefix, 0o755);
    const here = site.replace('listen 8080;', `listen 127.0.0.1:${nginx.port};`).replace('127.0.0.1:8000', `127.0.0.1:${port}`);
    await writeFile(path.join(nginx.prefix, 'site.conf'), here);
    await copyFile(MAIN, path.join(nginx.prefix, 'nginx.conf'));
    const args = ['-p', `${nginx.prefix}/`, '-c', 'nginx.conf', '-e', 'error.log'];
    nginx.process = spawn(BINARY, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    await nginx.#answers();
    return nginx;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async #answers() {
    for (;;) {
      if (this.process.exitCode !== null) throw new Error(`nginx ended: ${this.process.exitCode}`);
      const answer = await fetch(`${this.url}/healthz`).catch(() => null);
      await answer?.arrayBuffer();
      if (answer?.status === 200) return;
      await pause(20);
    }
  }

  /** New workers; the streams of the old ones are cut a second later. */
  reload() {
    this.process.kill('SIGHUP');
  }

  async stop() {
    const exited = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    await exited;
    await rm(this.prefix, { recursive: true });
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
