// The time of day, as on a television.

import { element } from './element';

const MINUTE_MS = 60_000;

/** Shows it, and goes on to. */
export function runClock(): void {
  const now = new Date();
  element('clock', HTMLTimeElement).textContent = now.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  setTimeout(runClock, MINUTE_MS - (now.getTime() % MINUTE_MS));
}
