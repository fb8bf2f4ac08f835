// Opens an HLS playlist with hls.js in headless Chromium, goes to each of some times, and says on one
// line of JSON which picture was shown there: pictures of the testkit's films show their numbers.
//
// With "switches", it takes each segment in another quality than the one before, and says what is
// buffered at the end.
//
//   node seek.mjs '{"url": "http://…/master.m3u8", "times": [3.2, 0.0], "switches": false}'

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

// How long the first picture and each seek may take, in milliseconds.
const PATIENCE = 15_000;

const { url, times, switches = false, chromium: executablePath = "/usr/bin/chromium" } = JSON.parse(process.argv[2]);

// Runs in the page. A bit of the number is a white square, 40 pixels from the next.
async function seek({ url, times, switches, patience }) {
  const BITS = 12;
  const video = document.querySelector("video");
  const seen = { first: null, pictures: [], milliseconds: [], errors: [], levels: [], buffered: [] };
  const within = (event) =>
    Promise.race([event, new Promise((resolve) => setTimeout(resolve, patience))]);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [640, 360];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const read = () => {
    context.drawImage(video, 0, 0, 640, 360);
    let number = 0;
    for (let bit = 0; bit < BITS; bit += 1) {
      if (context.getImageData(40 + bit * 40, 20, 1, 1).data[0] > 128) number |= 1 << bit;
    }
    return number;
  };
  const begun = performance.now();
  const player = new window.Hls(switches ? { maxBufferLength: 600, maxMaxBufferLength: 600 } : {});
  if (switches) {
    player.on(window.Hls.Events.FRAG_LOADED, (_, { frag }) => {
      if (frag.type !== "main" || frag.sn === "initSegment") return;
      seen.levels.push(frag.level);
      // Behind the last one there is nothing to switch to.
      const isLast = frag.sn >= player.levels[frag.level].details.endSN;
      if (!isLast) player.nextLoadLevel = (frag.level + 1) % player.levels.length;
    });
  }
  player.on(window.Hls.Events.ERROR, (_, error) => seen.errors.push(`${error.details}${error.fatal ? ", fatal" : ""}`));
  video.addEventListener("error", () => seen.errors.push(`media error ${video.error?.code}`));
  const first = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  player.loadSource(url);
  player.attachMedia(video);
  player.on(window.Hls.Events.MANIFEST_PARSED, () => video.play());
  await within(first);
  seen.first = performance.now() - begun;
  video.pause();
  const isWhole = () => {
    const end = video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0;
    return end > video.duration - 0.2;
  };
  const until = performance.now() + 4 * patience;
  while (switches && !isWhole() && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (let at = 0; at < video.buffered.length; at += 1) {
    seen.buffered.push([video.buffered.start(at), video.buffered.end(at)]);
  }
  for (const time of times) {
    const from = performance.now();
    const arrived = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
    video.currentTime = time;
    await within(arrived);
    seen.milliseconds.push(performance.now() - from);
    // The picture is painted after it is there.
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 60)));
    seen.pictures.push(read());
  }
  return seen;
}

const page = "<!doctype html><video muted playsinline></video><script src=/hls.js></script>";
const script = readFileSync(new URL("node_modules/hls.js/dist/hls.min.js", import.meta.url));
const server = createServer((request, response) => {
  const isScript = request.url === "/hls.js";
  response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
  response.end(isScript ? script : page);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
});
const tab = await browser.newPage();
await tab.goto(`http://127.0.0.1:${server.address().port}/`);
const seen = await tab.evaluate(seek, { url, times, switches, patience: PATIENCE });
await browser.close();
server.close();
console.log(JSON.stringify(seen));
