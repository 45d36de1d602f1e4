// The types that an application sees: right uses compile, wrong ones do not, and nowhere is anything just `any`.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);

test('right uses compile, wrong ones do not', { timeout: 60_000 }, () => {
  try {
    execFileSync('node_modules/.bin/tsc', ['-p', 'test/types'], { cwd: fileURLToPath(root), encoding: 'utf8' });
  } catch ({ stdout }) {
    assert.fail(stdout);
  }
});

/** Without comments and strings, in which `any` is a word. */
const code = (text) => text.replace(/\/\*[^]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g, ' ');
const isAny = /(?:[:<,|&(=[]|\bas|\bof|\bextends)\s*any\b|\bany\s*\[\]/;

test('no `any`', () => {
  const files = ['src', 'dist'].flatMap((folder) => readdirSync(new URL(folder, root), { recursive: true }).filter((name) => (folder === 'src' ? /\.ts$/ : /\.d\.ts$/).test(name)).map((name) => `${folder}/${name}`));
  assert.ok(files.length > 40);
  for (const file of files) assert.doesNotMatch(code(readFileSync(new URL(file, root), 'utf8')), isAny, file);
  for (const wrong of ['let a: any;', 'Set<any>', '(x as any)', 'f(...all: any[])', 'type A<T = any>', 'a: string | any']) assert.match(code(wrong), isAny);
  for (const right of ['// for any', '"any"', 'const anyone: string', 'type: AnyMessage<E>']) assert.doesNotMatch(code(right), isAny);
});
