// How we read lists of channels, beside two parsers that players are built on: counts, names, groups.
//
//     scripts/setup.sh npm scripts/lineup
//     cargo build -p forebay-core --example m3u
//     node scripts/lineup/compare.mjs [FILE OR FOLDER …]
//
// Prints a table, and for each file and parser the kinds of differences with the first of each kind.

import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const program = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/examples/m3u');

function lists(path) {
  if (statSync(path).isDirectory()) return readdirSync(path).sort().flatMap((name) => lists(join(path, name)));
  return /\.(m3u8?|txt)$/.test(path) ? [path] : [];
}

function ours(path) {
  const lines = execFileSync(program, [path], { encoding: 'utf8', maxBuffer: 1 << 28 }).trimEnd().split('\n');
  const { document } = JSON.parse(lines.pop());
  const entries = lines.map((line) => JSON.parse(line)).map((it) => ({ ...it, group: it.group ?? '' }));
  return { document, entries };
}

const others = ['@iptv/playlist', 'iptv-playlist-parser'];

/** What another parser makes of a file, in a process of its own: some never come back. */
function theirs(parser, path) {
  const script = join(root, 'scripts/lineup/parse.mjs');
  const options = { encoding: 'utf8', maxBuffer: 1 << 28, timeout: 20_000, stdio: ['ignore', 'pipe', 'pipe'] };
  return JSON.parse(execFileSync(process.execPath, [script, parser, path], options));
}

function reason({ code, stderr, message }) {
  if (code === 'ETIMEDOUT') return 'does not return';
  const lines = (stderr ?? message).split('\n');
  return `fails: ${lines.find((line) => /^\w*Error/.test(line)) ?? lines[0]}`;
}

/** The entries of `ours` and `theirs` by address, in the order in which each address comes. */
function pairs(ours, theirs) {
  const queues = new Map();
  for (const it of theirs) {
    const key = address(it.url);
    queues.set(key, [...(queues.get(key) ?? []), it]);
  }
  const matched = ours.map((it) => [it, queues.get(address(it.url))?.shift()]);
  const left = [...queues.values()].flat().map((it) => [undefined, it]);
  return [...matched, ...left];
}

const address = (url) => url.trim().split('|')[0].split('$')[0];

function differences(ours, theirs) {
  const found = new Map();
  const note = (kind, example) => {
    const known = found.get(kind) ?? { count: 0, example };
    found.set(kind, { ...known, count: known.count + 1 });
  };
  for (const [our, their] of pairs(ours, theirs)) {
    if (!their) note('only ours', `${our.name} ${our.url}`);
    else if (!our) note('only theirs', `${their.name} ${their.url}`);
    else {
      if (our.name !== their.name) note('name', `ours ${JSON.stringify(our.name)}, theirs ${JSON.stringify(their.name)}`);
      if (our.group !== their.group) note('group', `ours ${JSON.stringify(our.group)}, theirs ${JSON.stringify(their.group)}`);
    }
  }
  return found;
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : [join(root, 'core/tests/data/m3u')];
for (const path of wanted.flatMap(lists)) {
  const { document, entries } = ours(path);
  const counts = [`ours ${entries.length} (${document})`];
  const notes = [];
  for (const parser of others) {
    try {
      const found = theirs(parser, path);
      counts.push(`${parser} ${found.length}`);
      for (const [kind, { count, example }] of differences(entries, found)) {
        notes.push(`    ${parser}: ${count} x ${kind}: ${example.slice(0, 200)}`);
      }
    } catch (error) {
      counts.push(`${parser} ${reason(error)}`);
    }
  }
  console.log([`${relative(root, path)}: ${counts.join(', ')}`, ...notes].join('\n'));
}
