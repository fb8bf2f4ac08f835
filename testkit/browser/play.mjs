// Plays one URL in headless Chromium and says on one line of JSON how that went.
//
//   node play.mjs '{"kind": "hls", "url": "http://…/index.m3u8", "seconds": 10}'
//
// kind: "hls" (hls.js), "ts" (mpegts.js), or "page", which opens the URL and watches its first <video>. The players of the
// first two are on a page of another origin, so that a missing CORS header shows.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

// Time to the first picture, in seconds.
const FIRST = 20;

const { kind, url, seconds, chromium: executablePath = "/usr/bin/chromium" } = JSON.parse(process.argv[2]);

const scripts = {
  "/hls.js": new URL("node_modules/hls.js/dist/hls.min.js", import.meta.url),
  "/mpegts.js": new URL("node_modules/mpegts.js/dist/mpegts.js", import.meta.url),
};

// Runs in the page: watches a <video> and keeps what is seen of it in window.seen.
function watch(video) {
  // How often the position is looked at, and how long it may stand still, in milliseconds: a third of a second is seen.
  const STEP = 50;
  const STALL = 350;
  const seen = window.seen;
  const now = () => (performance.now() - seen.begun) / 1000;
  for (const name of ["waiting", "ended"]) {
    video.addEventListener(name, () => {
      if (seen.first !== null) seen[name] += 1;
    });
  }
  video.addEventListener("error", () => seen.fatal.push(`media error ${video.error?.code}: ${video.error?.message}`));
  let last = { position: video.currentTime, at: now() };
  setInterval(() => {
    const [position, at] = [video.currentTime, now()];
    if (position === last.position) return;
    if (seen.first === null) {
      // A seek to the live edge is no beginning: pictures have to come.
      if (video.readyState >= 2 && position > last.position && position - last.position < 1) seen.first = at;
    } else {
      const [still, step] = [at - last.at, position - last.position];
      if (still * 1000 > STALL) seen.stalls.push({ at: last.at, seconds: still });
      if (step < 0 || step > still + 0.5) seen.jumps.push({ at, seconds: step });
      else seen.played += step;
    }
    last = { position, at };
    window.standsSince = at;
  }, STEP);
  setInterval(() => {
    const quality = video.getVideoPlaybackQuality();
    Object.assign(seen, {
      frames: quality.totalVideoFrames,
      dropped: quality.droppedVideoFrames,
      width: video.videoWidth,
      height: video.videoHeight,
      muted: video.muted,
      standing: window.standsSince === undefined ? 0 : now() - window.standsSince,
      level: window.player?.currentLevel ?? null,
    });
    const end = video.buffered.length > 0 ? video.buffered.end(video.buffered.length - 1) : video.currentTime;
    seen.samples.push({
      at: now(),
      position: video.currentTime,
      buffer: end - video.currentTime,
      latency: window.player?.latency ?? null,
    });
  }, 250);
}

// Runs in the page, before its own scripts.
function prepare() {
  window.seen = {
    begun: performance.now(),
    first: null,
    played: 0,
    stalls: [],
    jumps: [],
    waiting: 0,
    ended: 0,
    fatal: [],
    errors: {},
    levels: 0,
    samples: [],
  };
}

// Runs in our own page.
function play({ kind, url }) {
  const { seen } = window;
  const video = document.querySelector("video");
  const fails = (what) => (error) => seen.fatal.push(`${what}: ${error}`);
  const count = (name) => (seen.errors[name] = (seen.errors[name] ?? 0) + 1);
  if (kind === "ts") {
    const player = window.mpegts.createPlayer({ type: "mpegts", isLive: true, url });
    player.on(window.mpegts.Events.ERROR, (type, detail, info) => fails(`${type} ${detail}`)(JSON.stringify(info)));
    player.attachMediaElement(video);
    player.load();
    player.play().catch(fails("play"));
    return;
  }
  const player = new window.Hls();
  window.player = player;
  player.on(window.Hls.Events.ERROR, (_, data) => {
    count(data.details);
    if (data.fatal) fails(`${data.type} ${data.details}`)(data.response?.code ?? data.error?.message ?? "");
  });
  player.on(window.Hls.Events.MANIFEST_PARSED, (_, data) => {
    seen.levels = data.levels.length;
    video.play().catch(fails("play"));
  });
  player.loadSource(url);
  player.attachMedia(video);
}

const blank = `<!doctype html><meta charset="utf-8"><video muted playsinline></video>
<script src="/hls.js"></script><script src="/mpegts.js"></script>`;

const server = createServer((request, response) => {
  const script = scripts[request.url];
  response.setHeader("Content-Type", script ? "text/javascript" : "text/html");
  response.end(script ? readFileSync(script) : blank);
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

const args = ["--autoplay-policy=no-user-gesture-required", "--mute-audio", "--disable-gpu", "--disable-dev-shm-usage"];
const browser = await chromium.launch({ executablePath, headless: true, args });
const page = await browser.newPage();
const [failed, said] = [[], []];
page.on("response", (response) => {
  if (response.status() >= 400) failed.push(`${response.status()} ${response.url()}`);
});
page.on("pageerror", (error) => said.push(String(error)));
page.on("console", (message) => {
  if (message.type() === "error") said.push(message.text());
});

await page.addInitScript(prepare);
await page.goto(kind === "page" ? url : `http://127.0.0.1:${server.address().port}/`);
const video = await page.waitForSelector("video", { state: "attached" });
await video.evaluate(watch);
if (kind !== "page") await page.evaluate(play, { kind, url });

const seen = () => page.evaluate(() => window.seen);
const begun = Date.now();
let state = await seen();
while (state.first === null && state.fatal.length === 0 && Date.now() - begun < FIRST * 1000) {
  await page.waitForTimeout(100);
  state = await seen();
}
if (state.first !== null) {
  await page.waitForTimeout(seconds * 1000);
  state = await seen();
}
await browser.close();
server.close();
process.stdout.write(`${JSON.stringify({ ...state, failed, said })}\n`);
