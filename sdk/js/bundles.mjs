// How the files for pages are made: one module, and one classic script.

const common = { bundle: true, minify: true, sourcemap: true, target: 'es2022', legalComments: 'none' };

export const bundles = [
  { ...common, entryPoints: ['src/index.ts'], format: 'esm', outfile: 'dist/tidings.js' },
  { ...common, entryPoints: ['src/global.ts'], format: 'iife', outfile: 'dist/tidings.global.js' },
];
