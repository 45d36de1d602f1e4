// What guides say that can be asked: the bytes of docs/which-transport.md, which depend on no machine, are those that bench/transports
// measures; the metrics and settings of docs/debugging.md exist.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { command, environment, Server } from '../browser/server.mjs';
import { ROOT } from './support.mjs';

const NAMES = ['WebSocket', 'SSE', 'long poll'];

function measured() {
  const script = fileURLToPath(new URL('bench/transports', ROOT));
  const options = ['--bin', command(), '--repetitions', '1', '--messages', '20', '--rtt', '20', '--json'];
  const output = execFileSync('python3', [script, ...options], { env: environment(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return JSON.parse(output).figures;
}

/** The cells of a row of the guide, as numbers. */
function row(guide, label) {
  const found = guide.split('\n').find((line) => line.startsWith(`| ${label} |`));
  assert.ok(found, `docs/which-transport.md has no row "${label}"`);
  return found.split('|').slice(2, -1).map((cell) => Number.parseFloat(cell.replaceAll(',', '')));
}

const near = (is, said, what) => assert.ok(Math.abs(is - said) <= Math.max(2, said * 0.05), `${what}: measured ${is}, the guide says ${said}`);

test('the bytes on the wire are those of the guide', () => {
  const { transports, 'short poll': polls } = measured();
  const guide = readFileSync(new URL('docs/which-transport.md', ROOT), 'utf8');
  const rows = {
    'bytes a message, bare: received': ['bare', 'received'],
    'bytes a message, bare: sent': ['bare', 'sent'],
    "bytes a message, a browser's heads: received": ['browser', 'received'],
    "bytes a message, a browser's heads: sent": ['browser', 'sent'],
  };
  for (const [label, [part, key]] of Object.entries(rows)) {
    const said = row(guide, label);
    NAMES.forEach((name, at) => near(transports[name][part][key][0], said[at], `${label}, ${name}`));
  }
  near(polls[10].bytes[0], row(guide, 'one message in 10 polls')[1], 'an empty short poll');
  for (const name of NAMES) {
    const { far, setup, reconnect } = transports[name];
    // A way through a network takes half a round trip; two of them are a connection and a request.
    assert.ok(far.p50[0] >= 10, `${name}: ${far.p50[0]} ms through a network of 20 ms`);
    for (const [spent] of [setup.far, reconnect.far]) assert.ok(spent >= 40, `${name}: ${spent} ms for two round trips of 20 ms`);
  }
});

test('the metrics and settings that the guide of debugging names exist', async (t) => {
  const server = await Server.start();
  t.after(() => server.kill());
  const guide = readFileSync(new URL('docs/debugging.md', ROOT), 'utf8');
  const known = new Set([...(await server.ask('/metrics')).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => (kind === 'counter' ? `${name}_total` : name)));
  const named = new Set(guide.match(/\btidings_[a-z_]+/g));
  assert.ok(named.size >= 15, `only ${named.size} metrics are named`);
  assert.deepEqual([...named].filter((name) => !known.has(name)), [], 'metrics that do not exist');
  const settings = new Set(guide.match(/`(history|lag|limits|proxy)\.[a-z_]+`|`(hosts|origins)`/g).map((name) => name.slice(1, -1)));
  assert.ok(settings.size >= 8, `only ${settings.size} settings are named`);
  for (const name of settings) {
    // A value that nothing takes: what exists complains about the value, what does not about the name.
    const { stderr } = spawnSync(command(), ['config', '--check', '--set', `${name}=?`], { env: environment(), encoding: 'utf8' });
    assert.match(stderr, /\?/);
    assert.doesNotMatch(stderr, /no such key/, name);
  }
});
