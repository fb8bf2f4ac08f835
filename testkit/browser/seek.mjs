// Opens an HLS playlist with hls.js in headless Chromium, goes to each of some times, and says on one
// line of JSON which picture was shown there: pictures of the testkit's films show their numbers.
//
//   node seek.mjs '{"url": "http://…/master.m3u8", "times": [3.2, 0.0]}'

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

// How long the first picture and each seek may take, in milliseconds.
const PATIENCE = 15_000;

const { url, times, chromium: executablePath = "/usr/bin/chromium" } = JSON.parse(process.argv[2]);

// Runs in the page. A bit of the number is a white square, 40 pixels from the next.
async function seek({ url, times, patience }) {
  const BITS = 12;
  const video = document.querySelector("video");
  const seen = { first: null, pictures: [], milliseconds: [], errors: [] };
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
  const player = new window.Hls();
  player.on(window.Hls.Events.ERROR, (_, error) => seen.errors.push(`${error.details}${error.fatal ? ", fatal" : ""}`));
  video.addEventListener("error", () => seen.errors.push(`media error ${video.error?.code}`));
  const first = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  player.loadSource(url);
  player.attachMedia(video);
  player.on(window.Hls.Events.MANIFEST_PARSED, () => video.play());
  await within(first);
  seen.first = performance.now() - begun;
  video.pause();
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
const seen = await tab.evaluate(seek, { url, times, patience: PATIENCE });
await browser.close();
server.close();
console.log(JSON.stringify(seen));
