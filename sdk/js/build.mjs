// Builds dist/: modules and types by tsc, one file for pages and one for classic scripts by esbuild.

import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('.', import.meta.url)));
rmSync('dist', { recursive: true, force: true });
execFileSync('node_modules/.bin/tsc', ['-p', '.'], { stdio: 'inherit' });
const common = { bundle: true, minify: true, sourcemap: true, target: 'es2022', legalComments: 'none' };
await build({ ...common, entryPoints: ['src/index.ts'], format: 'esm', outfile: 'dist/tidings.js' });
await build({ ...common, entryPoints: ['src/global.ts'], format: 'iife', outfile: 'dist/tidings.global.js' });
