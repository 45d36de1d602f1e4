// What the client costs a page, minified and compressed by brotli, against its budget.

import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

/** Bytes. They are only ever lowered. */
const budgets = {
  'core + WebSocket': [4_096, 'import { Tidings, websocket } from "./src/core.ts"; globalThis.client = new Tidings("/", { transports: [websocket] });'],
  everything: [8_192, 'import * as all from "./src/index.ts"; globalThis.all = all;'],
};

let failed = false;
for (const [name, [budget, contents]] of Object.entries(budgets)) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: new URL('.', import.meta.url).pathname, loader: 'ts' },
    bundle: true, minify: true, format: 'esm', target: 'es2022', write: false, legalComments: 'none',
  });
  const [{ contents: code }] = outputFiles;
  const size = brotliCompressSync(code).length;
  if (size > budget) failed = true;
  console.log(`${name}: ${size} of ${budget} bytes brotli, ${code.length} minified${size > budget ? ': TOO LARGE' : ''}`);
}
process.exitCode = failed ? 1 : 0;
