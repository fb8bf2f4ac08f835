// The page's elements, and how they are shown.

import { element } from './element';
import type { Mode } from './mode';

/** A message over the picture. */
export interface Cover {
  headline: string;
  detail?: string;
  /** Something is under way. */
  busy?: boolean;
  /** What that is, where the headline does not say it. */
  progress?: string;
  action?: { label: string; run: () => void };
  /** Another player may do it. */
  isForPlayer?: boolean;
}

/** The figures below the picture, by their `data-figure`; null where there is none. */
export type Figures = Record<
  'picture' | 'codecs' | 'bitrate' | 'latency' | 'buffer' | 'dropped' | 'stalls',
  string | null
>;

const number = element('number', HTMLElement);
const name = element('name', HTMLElement);
const logo = element('logo', HTMLImageElement);
const state = element('state', HTMLElement);
const card = element('card', HTMLElement);
const cardLogo = element('card-logo', HTMLImageElement);
const cardName = element('card-name', HTMLElement);
const cover = element('cover', HTMLElement);
const spinner = element('spinner', HTMLElement);
const headline = element('headline', HTMLElement);
const detail = element('detail', HTMLElement);
const countdown = element('countdown', HTMLElement);
const action = element('action', HTMLButtonElement);
const coverPlayer = element('cover-player', HTMLAnchorElement);
const notice = element('notice', HTMLElement);
const noticeText = element('notice-text', HTMLElement);
const noticePlayer = element('notice-player', HTMLAnchorElement);
const typed = element('typed', HTMLElement);
const modes = element('modes', HTMLElement);
const details = element('details', HTMLElement);
const app = element('app', HTMLAnchorElement);
const file = element('file', HTMLAnchorElement);
const address = element('address', HTMLElement);
const copy = element('copy', HTMLButtonElement);

/** What the page plays in. */
export const stage = element('stage', HTMLElement);
export const video = element('video', HTMLVideoElement);
export const unmute = element('unmute', HTMLButtonElement);
export const live = element('live', HTMLButtonElement);

/** Names the channel. */
export function showChannel(title: string, place: number | null): void {
  name.textContent = title;
  cardName.textContent = title;
  document.title = `${title} – Forebay`;
  number.hidden = place === null;
  number.textContent = place === null ? '' : String(place);
}

/** Shows the channel's logo, if it has one and that can be had. */
export function showLogo(url: string | null): void {
  for (const image of [logo, cardLogo]) {
    image.hidden = true;
    image.onload = () => (image.hidden = false);
    if (url === null) {
      image.removeAttribute('src');
    } else {
      image.src = url;
    }
  }
}

/** Sound alone is shown as a card with the channel's name. */
export function showAsRadio(isRadio: boolean): void {
  card.hidden = !isRadio;
  stage.classList.toggle('radio', isRadio);
}

/** Whether the channel is on the screen. */
export function showOnAir(isOnAir: boolean): void {
  state.textContent = isOnAir ? 'Live' : '';
  stage.classList.toggle('playing', isOnAir);
}

/** Lays a message over the picture. */
export function showCover(message: Cover): void {
  // An unchanged text is not read out again.
  for (const [place, text] of [[headline, message.headline], [detail, message.detail ?? '']] as const) {
    if (place.textContent !== text) {
      place.textContent = text;
    }
  }
  countdown.textContent = message.progress ?? '';
  spinner.hidden = !message.busy;
  action.hidden = message.action === undefined;
  action.textContent = message.action?.label ?? '';
  action.onclick = message.action?.run ?? null;
  coverPlayer.hidden = !message.isForPlayer;
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

/** A message that leaves the picture to be seen, or none; with the way to another player where that may do better. */
export function showNotice(text: string | null, isForPlayer = false): void {
  if (noticeText.textContent !== (text ?? '')) {
    noticeText.textContent = text ?? '';
  }
  noticePlayer.hidden = !isForPlayer;
  notice.hidden = text === null;
}

/** Shows the figures that there are. */
export function showFigures(values: Figures): void {
  for (const place of details.querySelectorAll<HTMLElement>('[data-figure]')) {
    const value = values[place.dataset.figure as keyof Figures];
    place.textContent = value;
    place.parentElement!.hidden = value === null;
  }
  details.hidden = Object.values(values).every((value) => value === null);
}

/** The digits of a channel's number that have been typed so far. */
export function showTyped(digits: string): void {
  typed.textContent = digits;
  typed.hidden = digits === '';
}

/** Whether there is a choice between the two ways of delivery: not where neither plays. */
export function showModes(isChoice: boolean): void {
  modes.hidden = !isChoice;
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

/** The ways to another player: its address, a file that opens one, and VLC itself where it takes links. */
export function setUpElsewhere(url: string, list: string, vlc: string | null): void {
  address.textContent = url;
  file.href = list;
  app.hidden = vlc === null;
  app.href = vlc ?? '';
  for (const link of [coverPlayer, noticePlayer]) {
    link.href = vlc ?? list;
    link.textContent = vlc === null ? 'Open in a player' : 'Open in VLC';
    link.toggleAttribute('download', vlc === null);
  }
  copy.onclick = async () => {
    // Without HTTPS there is no clipboard: then it is selected, for the viewer to copy.
    const isCopied = await (navigator.clipboard?.writeText(url).then(() => true, () => false) ?? false);
    getSelection()?.selectAllChildren(address);
    copy.textContent = isCopied || document.execCommand('copy') ? 'Copied' : 'Selected';
    setTimeout(() => (copy.textContent = 'Copy the address'), 2_000);
  };
}

/** The texts under which the players are passed on. */
export function setUpLicences(hls: string, mpegts: string): void {
  element('licence-hls', HTMLAnchorElement).href = hls;
  element('licence-mpegts', HTMLAnchorElement).href = mpegts;
}
