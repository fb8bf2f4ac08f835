// Opens a page in headless Chromium, does what a visitor would do, one step after the other, and says on one line of JSON how that went.
//
//   node visit.mjs '{"url": "http://…/", "steps": [["sees", "Welcome"], ["clicks", "Play"], ["plays"]]}'
//
// A step waits until it can be done. What comes after one that cannot be done is left out.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

import { chromium } from "playwright-core";

// What a step may take, in milliseconds.
const PATIENCE = 20_000;

// How far a video has to come for it to play, in seconds.
const PLAYS = 1;

const { url, steps, screen = {}, chromium: executablePath = "/usr/bin/chromium" } = JSON.parse(process.argv[2]);

const browser = await chromium.launch({ executablePath, headless: true, args: ["--mute-audio", "--disable-gpu", "--disable-dev-shm-usage"] });
const PHONE = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36";

const context = await browser.newContext({
  viewport: screen.is_phone ? { width: 360, height: 740 } : { width: 1280, height: 800 },
  isMobile: screen.is_phone,
  hasTouch: screen.is_phone,
  userAgent: screen.is_phone ? PHONE : undefined,
  colorScheme: screen.is_dark ? "dark" : "light",
});
const page = await context.newPage();
for (const [end, body] of screen.answers ?? []) {
  await page.route((address) => address.href.endsWith(end), (route) => route.fulfill({ body }));
}
// What a proxy does that serves everything below a path, and nothing else.
if (screen.below) {
  const { origin } = new URL(url);
  await page.route((address) => address.origin === origin, (route) => {
    const path = route.request().url().slice(origin.length);
    if (!path.startsWith(`${screen.below}/`)) return route.fulfill({ status: 404 });
    return route.continue({ url: origin + path.slice(screen.below.length) });
  });
}
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

// Through the debugger, since the policy of a page forbids scripts that are not its own.
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");
const faults = [];
const judge = async () => {
  const { violations } = await page.evaluate(`${axe}; axe.run()`);
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const where = page.url();
  for (const { id, nodes } of grave) faults.push(...nodes.map(({ target }) => `${where}: ${id}: ${target.join(" ")}`));
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (beyond > 0) faults.push(`${where}: ${beyond} points wider than the screen`);
  // A phone reads it from an arm's length, and no module may run into the next.
  const unreadable = await page.evaluate(() =>
    [...document.querySelectorAll('svg[aria-label^="QR code"]')].filter(
      (code) => code.getBoundingClientRect().width < 150 || getComputedStyle(code).stroke !== "none",
    ).length,
  );
  if (unreadable > 0) faults.push(`${where}: the QR code cannot be scanned`);
};

// How long a tab is hidden, in milliseconds: longer than the pauses of pages with figures of now.
const HIDDEN = 7_000;

// What a browser tells a page whose tab another one covers; then the page may ask for nothing until it is seen again.
const rest = async () => {
  const tell = (isHidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
    document.dispatchEvent(new Event("visibilitychange"));
  };
  await page.evaluate(tell, true);
  const before = requests.length;
  await page.waitForTimeout(HIDDEN);
  faults.push(...requests.slice(before).map((request) => `${page.url()}: asked for ${request} while it was hidden`));
  await page.evaluate(tell, false);
};

const actions = {
  rests: rest,
  goes: (address) => page.goto(address),
  judges: judge,
  sees: (text) => page.getByText(text).first().waitFor(),
  clicks: (name) => page.getByRole("button", { name }).click(),
  // By its name alone, and with the keyboard: what is chosen may be drawn over it.
  chooses: (name) => page.getByRole("radio", { name }).press("Space"),
  fills: ([label, text]) => page.getByLabel(label, { exact: true }).fill(text),
  follows: (name) => page.getByRole("link", { name }).first().click(),
  awaits: (name) => page.getByRole("link", { name }).first().waitFor(),
  opens: (text) => page.locator("summary", { hasText: text }).click(),
  selects: ([label, option]) => page.getByLabel(label).selectOption({ label: option }),
  asks: async (text) => {
    const isMeant = (address) => address.includes(text);
    if (!requests.some(isMeant)) await page.waitForRequest((request) => isMeant(request.url()));
  },
  reads: (text) =>
    page.waitForFunction(
      (text) =>
        [...(document.querySelector("video")?.textTracks ?? [])].some(
          ({ mode, activeCues }) => mode === "showing" && [...(activeCues ?? [])].some((cue) => cue.text.includes(text)),
        ),
      text,
      { polling: 100 },
    ),
  types: (text) => page.keyboard.type(text),
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
    stuck = [name, argument ?? ""].flat().join(" ").trim();
    // A document that has just come has none.
    await page.evaluate(() => (window.began = undefined)).catch(() => undefined);
    await actions[name](argument);
  }
  stuck = null;
} catch (error) {
  said.push(String(error));
}
const seen = await page.evaluate(() => {
  const video = document.querySelector("video");
  const visible = (element) => element.checkVisibility({ visibilityProperty: true });
  const named = (element) => (element.ariaLabel ?? element.labels?.[0]?.innerText ?? element.innerText).trim();
  const controls = [...document.querySelectorAll("a[href], button, input, select, summary")].filter(visible);
  const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g);
  return {
    url: location.href,
    text: document.body.innerText,
    title: document.title,
    muted: video?.muted ?? null,
    width: video?.videoWidth ?? 0,
    controls: controls.map(named),
    pictures: [...document.images].filter((image) => visible(image) && image.naturalWidth > 0).map((image) => image.src),
    links: [...document.querySelectorAll("a[href]")].filter(visible).map((link) => link.href),
    overflow: Math.max(document.documentElement.scrollWidth - document.documentElement.clientWidth, 0),
    brightness: Math.round((Number(red) + Number(green) + Number(blue)) / 3),
    stage: Math.round(video?.parentElement.getBoundingClientRect().height ?? 0),
  };
});
await browser.close();
process.stdout.write(`${JSON.stringify({ ...seen, faults, stuck, requests, failed, said })}\n`);
