// The page's elements, and how they are shown.

import type { Mode } from './mode';

/** A message over the picture. */
export interface Cover {
  headline: string;
  detail?: string;
  /** Something is under way. */
  busy?: boolean;
  action?: { label: string; run: () => void };
}

/** The figures below the picture, by their `data-figure`. */
export type Figures = Record<'picture' | 'codecs' | 'bitrate' | 'latency' | 'buffer' | 'dropped' | 'stalls', string>;

function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) {
    throw new Error(`the page has no #${id}`);
  }
  return found;
}

const number = element('number', HTMLElement);
const name = element('name', HTMLElement);
const state = element('state', HTMLElement);
const cover = element('cover', HTMLElement);
const spinner = element('spinner', HTMLElement);
const headline = element('headline', HTMLElement);
const detail = element('detail', HTMLElement);
const countdown = element('countdown', HTMLElement);
const action = element('action', HTMLButtonElement);
const notice = element('notice', HTMLElement);
const figures = element('figures', HTMLElement);
const address = element('address', HTMLInputElement);
const copy = element('copy', HTMLButtonElement);

/** What the page plays in. */
export const stage = element('stage', HTMLElement);
export const video = element('video', HTMLVideoElement);
export const unmute = element('unmute', HTMLButtonElement);
export const live = element('live', HTMLButtonElement);

/** Names the channel. */
export function showChannel(title: string, place: number | null): void {
  name.textContent = title;
  document.title = `${title} – Forebay`;
  number.hidden = place === null;
  number.textContent = place === null ? '' : String(place);
}

/** Whether the channel is on the screen. */
export function showOnAir(isOnAir: boolean): void {
  state.textContent = isOnAir ? 'Live' : '';
}

/** Lays a message over the picture. */
export function showCover(message: Cover): void {
  // An unchanged text is not read out again.
  for (const [place, text] of [[headline, message.headline], [detail, message.detail ?? '']] as const) {
    if (place.textContent !== text) {
      place.textContent = text;
    }
  }
  countdown.textContent = '';
  spinner.hidden = !message.busy;
  action.hidden = message.action === undefined;
  action.textContent = message.action?.label ?? '';
  action.onclick = message.action?.run ?? null;
  cover.hidden = false;
  // They would lie beneath the message.
  video.controls = false;
}

/** Says in how many seconds something is tried again; not to screen readers, which would say it each second. */
export function showCountdown(seconds: number): void {
  countdown.textContent = seconds > 0 ? `Trying again in ${seconds} s` : '';
}

/** Takes the message away. */
export function hideCover(): void {
  cover.hidden = true;
  video.controls = true;
  headline.textContent = '';
  detail.textContent = '';
}

/** A message that leaves the picture to be seen, or none. */
export function showNotice(text: string | null): void {
  if (notice.textContent !== (text ?? '')) {
    notice.textContent = text ?? '';
  }
  notice.hidden = text === null;
}

/** Shows the figures. */
export function showFigures(values: Figures): void {
  for (const place of figures.querySelectorAll<HTMLElement>('[data-figure]')) {
    place.textContent = values[place.dataset.figure as keyof Figures];
  }
}

/** The switch between the two ways of delivery. */
export function setUpModes(current: Mode, isLivePossible: boolean, chosen: (mode: Mode) => void): void {
  for (const input of document.querySelectorAll<HTMLInputElement>('input[name=mode]')) {
    const mode = input.value as Mode;
    input.disabled = mode === 'live' && !isLivePossible;
    input.checked = mode === current;
    input.onchange = () => chosen(mode);
  }
}

/** The address for other players. */
export function setUpAddress(url: string): void {
  address.value = url;
  address.onfocus = () => address.select();
  copy.onclick = async () => {
    address.select();
    // Without HTTPS there is no clipboard: then it is selected, for the viewer to copy.
    const isCopied = await (navigator.clipboard?.writeText(url).then(() => true, () => false) ?? false);
    copy.textContent = isCopied || document.execCommand('copy') ? 'Copied' : 'Selected';
    setTimeout(() => (copy.textContent = 'Copy'), 2_000);
  };
}

/** The texts under which the players are passed on. */
export function setUpLicences(hls: string, mpegts: string): void {
  element('licence-hls', HTMLAnchorElement).href = hls;
  element('licence-mpegts', HTMLAnchorElement).href = mpegts;
}
