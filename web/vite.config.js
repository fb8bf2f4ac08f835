import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

/** Less than this goes into one packet anyway, in bytes. */
const SMALL = 1_000;

/** Writes a `.gz` beside each file that is worth it, so that the server compresses nothing. */
const gzip = {
  name: 'gzip',
  writeBundle({ dir }, bundle) {
    for (const name of Object.keys(bundle)) {
      const path = join(dir, name);
      const bytes = readFileSync(path);
      if (bytes.length > SMALL) {
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    }
  },
};

/** Licences have no ending, or one that no browser shows. */
const assetName = ({ names }) => `assets/[name]-[hash]${/\.(?!md$)/.test(names[0] ?? '') ? '[extname]' : '.txt'}`;

export default defineConfig({
  // Relative addresses: a proxy may serve Forebay below a path.
  base: './',
  build: {
    target: 'es2022',
    // The page's policy allows no `data:` address.
    assetsInlineLimit: 0,
    // Every browser that has what the players need knows it.
    modulePreload: { polyfill: false },
    // The players are big, and loaded when they are needed.
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      input: ['admin.html', 'watch.html', 'film.html', 'channels.html', 'not-found.html'],
      output: { assetFileNames: assetName },
    },
  },
  plugins: [svelte(), gzip],
});
