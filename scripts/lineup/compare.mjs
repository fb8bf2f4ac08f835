// How we read lists of channels, beside two parsers that players are built on: counts, names, groups. And whether an
// import into a database makes the same channels of them: docs/lists.md says who is right.
//
//     scripts/setup.sh npm python3 scripts/lineup
//     cargo build -p forebay-core --example m3u && cargo build -p forebay
//     node scripts/lineup/compare.mjs [FILE OR FOLDER …]
//
// Prints a table, and for each file and parser the kinds of differences with the first of each kind.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const target = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug');
const program = join(target, 'examples/m3u');

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

/** The channels that an import puts into a database; why there are none, where the list is not taken. */
function rows(path) {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-lists-'));
  try {
    writeFileSync(join(folder, 'channels.toml'), '');
    const options = { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] };
    execFileSync(join(target, 'forebay'), ['import', '--name', 'list', resolve(path)], options);
    const script = join(root, 'scripts/lineup/rows.py');
    const lines = execFileSync('python3', [script, join(folder, 'data/forebay.db')], options).split('\n');
    return { rows: lines.filter((line) => line).map((line) => JSON.parse(line)) };
  } catch (error) {
    return { why: error.stderr?.trim() ?? error.message };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What is different in the database: entry by entry, for an import keeps their order. */
function lost(entries, rows) {
  const found = new Map();
  const note = (kind, example) => found.set(kind, { count: (found.get(kind)?.count ?? 0) + 1, example });
  if (entries.length !== rows.length) note('count', `${entries.length} channels in the list, ${rows.length} rows`);
  entries.slice(0, rows.length).forEach((entry, at) => {
    for (const field of ['name', 'url']) {
      if (entry[field] !== rows[at][field]) note(field, `list ${JSON.stringify(entry[field])}, row ${JSON.stringify(rows[at][field])}`);
    }
    // Groups that differ in capitals and blanks only are one.
    const group = (text) => text.normalize('NFKD').replace(/[\u0300-\u036f'’]/g, '').toLowerCase().trim();
    if (group(entry.group) !== group(rows[at].group)) note('group', `list ${JSON.stringify(entry.group)}, row ${JSON.stringify(rows[at].group)}`);
  });
  return found;
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

let failed = false;
const wanted = process.argv.length > 2 ? process.argv.slice(2) : [join(root, 'core/tests/data/m3u')];
for (const path of wanted.flatMap(lists)) {
  const { document, entries } = ours(path);
  const live = entries.filter((it) => it.kind === 'Live');
  const imported = rows(path);
  const database = imported.rows ? `database ${imported.rows.length} and ${entries.length - live.length} films` : `database: ${imported.why}`;
  const counts = [`ours ${entries.length} (${document})`, database];
  const notes = [];
  for (const [kind, { count, example }] of imported.rows ? lost(live, imported.rows) : []) {
    notes.push(`    database: ${count} x ${kind}: ${example.slice(0, 200)}`);
    failed = failed || document === 'List';
  }
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
// An import that loses something is a fault; what others read differently is to be looked at.
process.exitCode = failed ? 1 : 0;
