// What the client costs a page, minified and compressed by brotli, against its budget.

import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

/** Bytes: what each may take, only ever lowered, and what it should take in the end. */
const budgets = {
  'core + WebSocket': [7_550, 4_096, 'import { Tidings, websocket } from "./src/core.ts"; globalThis.client = new Tidings("/", { transports: [websocket] });'],
  everything: [12_850, 8_192, 'import * as all from "./src/index.ts"; globalThis.all = all;'],
};

let failed = false;
for (const [name, [budget, wanted, contents]] of Object.entries(budgets)) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: new URL('.', import.meta.url).pathname, loader: 'ts' },
    bundle: true, minify: true, format: 'esm', target: 'es2022', write: false, legalComments: 'none',
  });
  const [{ contents: code }] = outputFiles;
  const size = brotliCompressSync(code).length;
  if (size > budget) failed = true;
  console.log(`${name}: ${size} of ${budget} bytes brotli (wanted: ${wanted}), ${code.length} minified${size > budget ? ': TOO LARGE' : ''}`);
}
process.exitCode = failed ? 1 : 0;
