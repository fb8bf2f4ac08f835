// What the channel shows now, and what comes next, as its guide tells.

import { type Addresses, type Programme, readProgrammes } from './api';
import { element } from './element';

/** How often what is shown is compared with the clock, in ms. */
const LOOK_EVERY_MS = 10_000;

/** How often the guide is asked again, in ms: guides change during the day. */
const ASK_EVERY_MS = 1_800_000;

/** How soon it is asked again where it did not answer, in ms. */
const RETRY_AFTER_MS = 60_000;

const box = element('programme', HTMLElement);
const now = element('programme-now', HTMLElement);
const next = element('programme-next', HTMLElement);

let addresses: Addresses | null = null;
let programmes: Programme[] = [];
let askAt = 0;

/** Shows the programmes of this channel from now on. */
export function showProgrammes(of: Addresses): void {
  addresses = of;
  programmes = [];
  askAt = 0;
  show();
  void refresh();
}

/** Keeps up with the clock. */
export function runProgrammes(): void {
  setInterval(() => void refresh(), LOOK_EVERY_MS);
  // A tab that comes back shows what is on by then.
  document.addEventListener('visibilitychange', () => void refresh());
}

async function refresh(): Promise<void> {
  if (document.hidden || addresses === null) {
    return;
  }
  if (Date.now() >= askAt) {
    askAt = Date.now() + ASK_EVERY_MS;
    const mine = addresses;
    const found = await readProgrammes(mine);
    if (mine !== addresses) {
      return;
    }
    if (found === null) {
      // What it said before stays: it was right a while ago.
      askAt = Date.now() + RETRY_AFTER_MS;
    } else {
      programmes = found.programmes;
    }
  }
  show();
}

function show(): void {
  const at = Date.now();
  // Where two overlap, the one that began last is on.
  const running = programmes.filter((it) => Date.parse(it.start) <= at && at < Date.parse(it.stop)).at(-1);
  const from = running === undefined ? at : Date.parse(running.stop);
  const coming = programmes.find((it) => Date.parse(it.start) >= from);
  box.hidden = running === undefined && coming === undefined;
  now.textContent = running === undefined ? '' : describe(running);
  next.textContent = coming === undefined ? '' : `Next: ${describe(coming)}`;
}

function describe(programme: Programme): string {
  const [start, stop] = [programme.start, programme.stop].map((time) =>
    new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }),
  );
  const title = programme.sub_title === undefined ? programme.title : `${programme.title}: ${programme.sub_title}`;
  return `${start}–${stop} ${title}`;
}
