// Reads a list of channels with one of the parsers that we compare ours with: node parse.mjs PARSER FILE

import { readFileSync } from 'node:fs';

import { parseM3U } from '@iptv/playlist';
import iptvPlaylistParser from 'iptv-playlist-parser';

const parsers = {
  '@iptv/playlist': (text) =>
    parseM3U(text).channels.map((it) => ({ name: it.name ?? '', group: it.groupTitle ?? '', url: it.url ?? '' })),
  'iptv-playlist-parser': (text) =>
    iptvPlaylistParser.parse(text).items.map((it) => ({ name: it.name, group: it.group.title, url: it.url })),
};

const [parser, path] = process.argv.slice(2);
console.log(JSON.stringify(parsers[parser](readFileSync(path, 'utf8'))));
