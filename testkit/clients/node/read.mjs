// What libraries of others make of our documents: one JSON object.
//
//   node read.mjs http://host:port NAME PASSWORD LIST GUIDE
//
// The first stream of the panel and of the list is opened, and its first bytes are told in hexadecimal digits.

import { parseM3U } from "@iptv/playlist";
import { parseXmltv } from "@iptv/xmltv";
import { Xtream } from "@iptv/xtream-api";

const [url, username, password, list, guide] = process.argv.slice(2);

async function read(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.text();
}

async function begin(address) {
  const leave = new AbortController();
  const answer = await fetch(address, { signal: leave.signal });
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  const { value } = await answer.body.getReader().read();
  leave.abort();
  return Buffer.from(value.subarray(0, 1)).toString("hex");
}

const panel = new Xtream({ url, username, password, preferredFormat: "ts" });
const profile = await panel.getProfile();
const server = await panel.getServerInfo();
const categories = await panel.getChannelCategories();
const channels = await panel.getChannels();
const channelId = channels[0].stream_id;
const short = await panel.getShortEPG({ channelId, limit: 2 });
const full = await panel.getFullEPG({ channelId });
const movies = await panel.getMovies();
const shows = await panel.getShows();
const m3u = parseM3U(await read(list));
const xmltv = parseXmltv(await read(guide));
const begun = [await begin(channels[0].url), await begin(m3u.channels[0].url)];
const titles = (listings) => listings.map(({ title }) => title);

console.log(JSON.stringify({
  begun,
  categories: categories.map(({ category_name: name }) => name),
  channels: channels.map(({ name, num, category_id: category, epg_channel_id: guide_id }) => [name, num, category, guide_id]),
  guide: { channels: xmltv.channels, programmes: xmltv.programmes },
  list: m3u.channels.map(({ name, tvgId, extras, groupTitle, url: address }) => [name, tvgId, extras["tvg-chno"], groupTitle, address]),
  others: [movies.length, shows.length],
  profile,
  server,
  titles: { full: titles(full.epg_listings), short: titles(short.epg_listings) },
}));
