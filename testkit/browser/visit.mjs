// Opens a page in headless Chromium, does what a visitor would do, one step after the other, and says on one line of JSON how that went.
//
//   node visit.mjs '{"url": "http://…/", "steps": [["sees", "Welcome"], ["clicks", "Play"], ["plays"]]}'
//
// A step waits until it can be done. What comes after one that cannot be done is left out.

import { chromium } from "playwright-core";

// What a step may take, in milliseconds.
const PATIENCE = 20_000;

// How far a video has to come for it to play, in seconds.
const PLAYS = 1;

const { url, steps, chromium: executablePath = "/usr/bin/chromium" } = JSON.parse(process.argv[2]);

const browser = await chromium.launch({ executablePath, headless: true, args: ["--mute-audio", "--disable-gpu", "--disable-dev-shm-usage"] });
const page = await browser.newPage();
page.setDefaultTimeout(PATIENCE);
const [requests, failed, said] = [[], [], []];
page.on("request", (request) => requests.push(request.url()));
page.on("response", (response) => {
  if (response.status() >= 400) failed.push(`${response.status()} ${response.url()}`);
});
page.on("pageerror", (error) => said.push(String(error)));
page.on("console", (message) => {
  if (message.type() === "error") said.push(message.text());
});

const actions = {
  sees: (text) => page.getByText(text).first().waitFor(),
  clicks: (name) => page.getByRole("button", { name }).click(),
  // By its name alone, and with the keyboard: what is chosen may be drawn over it.
  chooses: (name) => page.getByRole("radio", { name }).press("Space"),
  presses: (key) => page.keyboard.press(key),
  plays: () =>
    page.waitForFunction(
      (span) => {
        const video = document.querySelector("video");
        const began = (window.began ??= { video: video?.currentSrc, position: video?.currentTime });
        if (!video || video.paused || began.video !== video.currentSrc || video.currentTime < began.position) {
          window.began = undefined;
          return false;
        }
        return video.readyState >= 2 && video.currentTime - began.position > span;
      },
      PLAYS,
      { polling: 100 },
    ),
};

let stuck = null;
try {
  await page.goto(url);
  for (const [name, argument] of steps) {
    stuck = [name, argument ?? ""].join(" ").trim();
    await page.evaluate(() => (window.began = undefined));
    await actions[name](argument);
  }
  stuck = null;
} catch (error) {
  said.push(String(error));
}
const seen = await page.evaluate(() => {
  const video = document.querySelector("video");
  return { text: document.body.innerText, title: document.title, muted: video?.muted ?? null, width: video?.videoWidth ?? 0 };
});
await browser.close();
process.stdout.write(`${JSON.stringify({ ...seen, stuck, requests, failed, said })}\n`);
