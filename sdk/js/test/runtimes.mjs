// The same few steps over every rung in Node, Deno and Bun. `node test/runtimes.mjs` from the package's folder, with a server in `TIDINGS_BIN`.
//
// Deno and Bun are taken from the registry by npx; where they cannot be had it says SKIPPED.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Server } from '../../../conformance/browser/server.mjs';

const run = promisify(execFile);
const script = fileURLToPath(new URL('smoke.mjs', import.meta.url));
// Not the package's own folder: npx would look for the command there.
const cwd = mkdtempSync(join(tmpdir(), 'tidings-runtimes-'));
const runtimes = [
  { name: 'node', command: [process.execPath], how: [] },
  { name: 'deno', command: ['npx', '--yes', 'deno'], how: ['run', '--allow-net', '--allow-read', '--allow-env'] },
  { name: 'bun', command: ['npx', '--yes', 'bun'], how: ['run'] },
];

const server = await Server.start();
for (const { name, command: [program, ...first], how } of runtimes) {
  let found;
  try {
    found = (await run(program, [...first, '--version'], { cwd, timeout: 240_000 })).stdout.split('\n')[0];
  } catch ({ message }) {
    console.log(`SKIPPED  ${name}: ${message.split('\n').find((line) => line.trim())}`);
    continue;
  }
  try {
    const { stdout } = await run(program, [...first, ...how, script, server.origin], { cwd, timeout: 60_000 });
    console.log(`ok       ${name} (${found}): ${stdout.trim()}`);
  } catch ({ message, stdout, stderr }) {
    console.log(`FAILED   ${name} (${found}): ${stdout}${stderr}${message}`);
    process.exitCode = 1;
  }
}
await server.kill();
rmSync(cwd, { recursive: true });
