// Each fault on each rung, in one of the runtimes by turns, so that each pair of fault, rung and runtime comes once at least.
// `MATRIX=all` runs each case in each of them.

import { after, before, describe, test } from 'node:test';
import { Server } from '../server.mjs';
import { engines } from './engines.mjs';
import { HEARTBEAT, LADDER, cases, run } from './matrix.mjs';

const NAMES = (process.env.ENGINES ?? 'node,chromium,firefox').split(',');
const ALL = process.env.MATRIX === 'all';
const ONLY = new RegExp(process.env.ONLY ?? '');

let server;
let runtimes;
before(async () => {
  server = await Server.start(0, { options: ['--set', `limits.heartbeat=${HEARTBEAT}`, '--set', 'history.count=100000', '--set', 'history.bytes=100MiB', '--demo'] });
  runtimes = await engines(NAMES);
});
after(async () => {
  await Promise.all(Object.values(runtimes ?? {}).map((engine) => engine.stop()));
  await server?.kill();
});

describe('matrix', { concurrency: 5 }, () => {
  [...cases()].forEach(({ fault, rung }, at) => {
    const names = ALL ? NAMES : [NAMES[(at + LADDER.indexOf(rung)) % NAMES.length]];
    for (const name of names) {
      const title = `${fault}, ${rung}, ${name}`;
      if (ONLY.test(title)) test(title, { timeout: 120_000 }, () => run({ engine: runtimes[name], server, fault, rung }));
    }
  });
});
