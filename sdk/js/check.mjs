// Whether the package is fit to be published: its types, its exports, its size, and that it does nothing until it is asked to.
//
// It checks what `node build.mjs` made; what it says of the files in dist/ is of those of the working tree.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { isDeepStrictEqual } from 'node:util';
import { build } from 'esbuild';

import { bundles } from './bundles.mjs';

process.chdir(fileURLToPath(new URL('.', import.meta.url)));
const manifest = JSON.parse(readFileSync('package.json', 'utf8'));

/** Runs a command; what it prints stands in the error. */
function run(command, ...args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 });
  } catch ({ message, stdout, stderr }) {
    throw new Error(`${stdout ?? ''}${stderr ?? ''}`.trim() || message);
  }
}

function same(found, expected, what) {
  if (!isDeepStrictEqual(found, expected)) throw new Error(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
}

const checks = {
  'types of the sources': () => run('node_modules/.bin/tsc', '-p', '.', '--noEmit'),
  'publint': () => run('node_modules/.bin/publint', '--strict'),
  'are the types wrong?': () => run('node_modules/.bin/attw', '--pack', '.', '--profile', 'esm-only'),
  'sizes': () => run(process.execPath, 'sizes.mjs'),

  async 'no dependencies at run time'() {
    for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies', 'bundledDependencies']) same(manifest[kind], undefined, kind);
    // Nothing that only one runtime has is imported: a module of another name would not be found.
    const { metafile } = await build({ entryPoints: ['src/index.ts', 'src/core.ts'], bundle: true, platform: 'neutral', outdir: 'none', write: false, metafile: true, logLevel: 'silent' });
    same(Object.keys(metafile.inputs).filter((path) => !path.startsWith('src/')), [], 'modules of others');
  },

  async 'what it exports does nothing when it is imported'() {
    // One that is missing is found by publint.
    for (const entry of Object.values(manifest.exports).map((each) => each.default).filter((path) => path && existsSync(path))) {
      const script = `
        const names = () => Reflect.ownKeys(globalThis).map(String).sort();
        const before = names();
        const touched = [];
        const watched = ['setTimeout', 'setInterval', 'fetch', 'addEventListener', 'WebSocket', 'EventSource', 'BroadcastChannel'];
        for (const name of watched) {
          const value = globalThis[name] ?? function () {};
          Object.defineProperty(globalThis, name, { configurable: true, get: () => (touched.push(name), value) });
        }
        await import(${JSON.stringify(new URL(entry, import.meta.url).href)});
        for (const name of watched) if (!before.includes(name)) delete globalThis[name];
        const handles = process.getActiveResourcesInfo().filter((name) => !/^(TTYWrap|PipeWrap|FSReq|CloseReq)/.test(name));
        console.log(JSON.stringify({ more: names().filter((name) => !before.includes(name)), touched, handles }));`;
      same(JSON.parse(run(process.execPath, '--input-type=module', '-e', script)), { more: [], touched: [], handles: [] }, entry);
    }
  },

  async 'what is not used costs nothing'() {
    for (const name of ['tidings', 'tidings/core']) {
      const { outputFiles } = await build({ stdin: { contents: `import ${JSON.stringify(name)}; import * as all from ${JSON.stringify(name)};`, resolveDir: '.' }, bundle: true, minify: true, format: 'esm', write: false, logLevel: 'silent' });
      same(outputFiles[0].text.trim(), '', name);
    }
  },

  'the script defines Tidings and TidingsError, and nothing else'() {
    // A page's globals that it may ask for; none is needed to define the two.
    const context = createContext({});
    const before = new Set(runInContext('Reflect.ownKeys(globalThis).map(String)', context));
    runInContext(readFileSync('dist/tidings.global.js', 'utf8'), context);
    same(Array.from(runInContext('Reflect.ownKeys(globalThis).map(String)', context)).filter((name) => !before.has(name)).sort(), ['Tidings', 'TidingsError'], 'globals');
    same(runInContext('typeof Tidings + typeof TidingsError', context), 'functionfunction', 'what they are');
  },

  async 'the files for pages are those of these sources'() {
    for (const options of bundles) {
      const { outputFiles } = await build({ ...options, write: false });
      for (const { path, contents } of outputFiles) if (!readFileSync(path).equals(contents)) throw new Error(`${path} is of other sources: node build.mjs, and commit it`);
    }
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok      ${name}`);
  } catch ({ message }) {
    console.log(`FAILED  ${name}\n        ${message.replaceAll('\n', '\n        ')}`);
    process.exitCode = 1;
  }
}
