// From one channel to another: the neighbours in the list, and channels by their numbers.

import { Addresses, type Channel, type Placed, readChannels } from './api';
import { element } from './element';
import * as screen from './screen';

/** A number is complete when no digit has followed for so long, in ms, as on a television. */
const COMPLETE_MS = 1_500;

/** Digits of the longest number (docs/config.md). */
const MAX_DIGITS = 6;

const previous = element('previous', HTMLAnchorElement);
const next = element('next', HTMLAnchorElement);

/** Shows the ways to the neighbours; none where they are not known, or there are none. */
export function showNeighbours(placed: Placed | null, go: (id: string) => void): void {
  const ways: [HTMLAnchorElement, string, MediaSessionAction, Channel | null | undefined][] = [
    [previous, 'Previous', 'previoustrack', placed?.previous],
    [next, 'Next', 'nexttrack', placed?.next],
  ];
  for (const [link, word, key, channel] of ways) {
    link.hidden = !channel;
    const run = channel ? () => go(channel.id) : null;
    // The keys of a keyboard, a headset and a remote control.
    navigator.mediaSession?.setActionHandler(key, run);
    if (channel) {
      link.href = new Addresses(channel.id).page;
      link.setAttribute('aria-label', `${word} channel: ${channel.name}`);
      link.title = channel.name;
      link.onclick = (event) => {
        if (!(event.ctrlKey || event.metaKey || event.shiftKey)) {
          event.preventDefault();
          run?.();
        }
      };
    }
  }
}

/** Takes digits one by one, and goes to the channel whose number they are. */
export function startTyping(go: (id: string) => void): (digit: string) => void {
  let digits = '';
  let timer: number | undefined;
  const complete = async () => {
    const wanted = Number(digits);
    digits = '';
    const [found] = (await readChannels(`${wanted}`, 0, 1))?.channels ?? [];
    screen.showTyped(found?.number === wanted || digits !== '' ? digits : 'No such channel');
    if (found?.number === wanted) {
      go(found.id);
    } else {
      timer = setTimeout(() => screen.showTyped(digits), COMPLETE_MS);
    }
  };
  return (digit) => {
    digits = (digits + digit).slice(0, MAX_DIGITS);
    clearTimeout(timer);
    screen.showTyped(digits);
    timer = setTimeout(() => void complete(), COMPLETE_MS);
  };
}
