// The page of one film: plays it, and shows where in it one is.

import { idOf } from './api';
import { showChoices } from './choices';
import { element } from './element';
import { keep, recall } from './mode';
import type { Player, Start, Trouble } from './players';
import { readThumbnails, type Thumbnail, thumbnailAt } from './thumbnails';

/** What the page needs of `GET /api/v1/videos/{video}/stream-config`. */
interface Film {
  title: string;
  hls_url: string | null;
  stream_url: string;
  refusal: { code: string; message: string } | null;
}

/** Steps of the keys, in seconds. */
const STEP = 5;
const LONG_STEP = 10;

/** Times that a player is built anew for errors in the media before the viewer is told. */
const REBUILDS = 2;

const SOUND = 'forebay.film.volume';
const PLAY = 'M8 5v14l11-7z';
const PAUSE = 'M8 5v14M16 5v14';
const LOUD = 'M16.5 9a4 4 0 0 1 0 6';
const MUTED = 'm16.5 9.5 5 5m0-5-5 5';

const id = idOf(location);
/** Where the server is: a proxy may serve it below a path. A token in the page's own address goes along. */
const at = (path: string) => new URL(path + location.search, new URL('..', location.href)).href;

const video = element('video', HTMLVideoElement);
const stage = element('stage', HTMLElement);
const bar = element('bar', HTMLInputElement);
const time = element('time', HTMLElement);
const speed = element('speed', HTMLSelectElement);
const preview = element('preview', HTMLElement);
const picture = element('picture', HTMLElement);

let player: Player | null = null;
let thumbnails: Thumbnail[] = [];
let rebuilds = 0;
/** The viewer holds the bar. */
let isHeld = false;

function showCover(headline: string, detail = '', action?: { label: string; run: () => void }): void {
  element('headline', HTMLElement).textContent = headline;
  element('detail', HTMLElement).textContent = detail;
  element('spinner', HTMLElement).hidden = action !== undefined || detail !== '';
  const button = element('action', HTMLButtonElement);
  button.hidden = action === undefined;
  button.textContent = action?.label ?? '';
  button.onclick = () => action?.run();
  element('cover', HTMLElement).hidden = false;
}

const hideCover = () => (element('cover', HTMLElement).hidden = true);

/** `1:02:03`, `2:03` */
function clock(seconds: number): string {
  const whole = Math.max(Math.floor(seconds), 0);
  const two = (value: number) => `${value}`.padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

async function open(): Promise<void> {
  showCover('Opening the film…');
  const answer = await fetch(at(`api/v1/videos/${id}/stream-config`), { cache: 'no-store' }).catch(() => null);
  if (answer === null || !answer.ok) {
    const [headline, detail] =
      answer === null
        ? ['The server does not answer', 'Check the network.']
        : answer.status === 404
          ? ['This film is not there any more', 'Its file was taken away.']
          : ['This film is not for you', 'Sign in, or ask whoever runs this server.'];
    showCover(headline, detail, { label: 'Try again', run: () => void open() });
    return;
  }
  const film = (await answer.json()) as Film;
  document.title = `${film.title} – Forebay`;
  element('name', HTMLElement).textContent = film.title;
  element('file', HTMLAnchorElement).href = at(`stream/${id}`);
  const notice = element('notice', HTMLElement);
  notice.hidden = film.refusal === null;
  notice.textContent = film.refusal === null ? '' : `This film is played as a file: ${film.refusal.message}.`;
  video.poster = film.refusal === null ? at(`hls/${id}/poster.jpg`) : '';
  await begin(film, 0);
  if (film.refusal === null) {
    thumbnails = await readThumbnails(at(`hls/${id}/thumbnails.vtt`));
  }
}

/** Plays from this place on. */
async function begin(film: Film, from: number): Promise<void> {
  player?.destroy();
  player = null;
  const start = film.hls_url === null ? null : await loadPlayer();
  if (start === null) {
    // As a file, in the browser's own player.
    video.src = at(`stream/${id}`);
    video.onerror = () =>
      showCover('This browser cannot play the film', 'Another player, such as VLC, plays nearly every codec.');
  } else {
    player = start(video, at(`hls/${id}/master.m3u8`), (trouble) => handleTrouble(trouble, film));
  }
  if (from > 0) {
    video.addEventListener('loadedmetadata', () => (video.currentTime = from), { once: true });
  }
  await play();
}

async function loadPlayer(): Promise<Start | null> {
  const hls = await import('./players/hls');
  if (hls.isSupported()) {
    return hls.startFilm;
  }
  const native = await import('./players/native');
  return native.isSupported(video) ? native.start : null;
}

/** With sound where the browser lets it; most want to be touched before. */
async function play(): Promise<void> {
  try {
    await video.play();
  } catch (error) {
    if ((error as DOMException).name !== 'NotAllowedError') {
      return;
    }
    if (!video.muted) {
      video.muted = true;
      await play();
    } else {
      showCover('Ready', '', { label: 'Start the film', run: () => void play() });
    }
  }
}

function handleTrouble(trouble: Trouble, film: Film): void {
  const place = video.currentTime;
  if (trouble === 'codec') {
    showCover('This browser cannot play the film', 'Another player, such as VLC, plays nearly every codec.');
  } else if (rebuilds < REBUILDS) {
    rebuilds += 1;
    void begin(film, place);
  } else {
    showCover('The film does not come', 'The network or the server is disturbed.', {
      label: 'Try again',
      run: () => {
        rebuilds = 0;
        void begin(film, place);
      },
    });
  }
}

const seek = (seconds: number) => {
  video.currentTime = Math.min(Math.max(seconds, 0), Number.isFinite(video.duration) ? video.duration : seconds);
};
const toggle = () => (video.paused ? void play() : video.pause());
const loudness = (step: number) => {
  video.muted = false;
  video.volume = Math.min(Math.max(video.volume + step, 0), 1);
};
const faster = (step: number) => {
  speed.selectedIndex = Math.min(Math.max(speed.selectedIndex + step, 0), speed.options.length - 1);
  video.playbackRate = Number(speed.value);
};
const fill = () =>
  void (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen?.())?.catch(() => {});

function showTime(): void {
  const end = Number.isFinite(video.duration) ? video.duration : 0;
  bar.disabled = end === 0;
  bar.max = `${end}`;
  const now = isHeld ? Number(bar.value) : video.currentTime;
  if (!isHeld) {
    bar.value = `${now}`;
  }
  time.textContent = end > 0 ? `${clock(now)} / ${clock(end)}` : clock(now);
  bar.setAttribute('aria-valuetext', time.textContent.replace('/', 'of'));
}

/** Shows the picture of the place under the pointer. */
function showPreview(event: PointerEvent): void {
  const { left, width } = bar.getBoundingClientRect();
  const share = Math.min(Math.max((event.clientX - left) / width, 0), 1);
  const seconds = share * Number(bar.max);
  preview.hidden = bar.disabled;
  element('preview-time', HTMLElement).textContent = clock(seconds);
  const small = thumbnailAt(thumbnails, seconds);
  picture.hidden = small === undefined;
  if (small) {
    picture.style.width = `${small.width}px`;
    picture.style.height = `${small.height}px`;
    picture.style.backgroundImage = `url("${small.sheet}")`;
    picture.style.backgroundPosition = `-${small.left}px -${small.top}px`;
  }
  const half = preview.offsetWidth / 2;
  preview.style.left = `${Math.min(Math.max(share * width - half, 0), Math.max(width - 2 * half, 0))}px`;
}

function listen(): void {
  element('play', HTMLButtonElement).onclick = toggle;
  element('full', HTMLButtonElement).onclick = fill;
  element('sound', HTMLButtonElement).onclick = () => (video.muted = !video.muted);
  video.onclick = toggle;
  speed.onchange = () => (video.playbackRate = Number(speed.value));
  bar.oninput = () => {
    isHeld = true;
    showTime();
  };
  bar.onchange = () => {
    isHeld = false;
    seek(Number(bar.value));
  };
  bar.onpointermove = showPreview;
  bar.onpointerleave = () => (preview.hidden = true);
  for (const event of ['timeupdate', 'durationchange', 'seeking', 'ended']) {
    video.addEventListener(event, showTime);
  }
  const showPlay = () => {
    element('play', HTMLButtonElement).setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
    document.getElementById('play-icon')?.setAttribute('d', video.paused ? PLAY : PAUSE);
  };
  video.addEventListener('pause', showPlay);
  video.addEventListener('play', showPlay);
  video.addEventListener('playing', hideCover);
  video.addEventListener('waiting', () => showCover('Buffering…'));
  video.addEventListener('loadedmetadata', () => (video.playbackRate = Number(speed.value)));
  video.addEventListener('volumechange', () => {
    element('sound', HTMLButtonElement).setAttribute('aria-label', video.muted ? 'Turn the sound on' : 'Mute');
    document.getElementById('sound-icon')?.setAttribute('d', video.muted ? MUTED : LOUD);
    keep(SOUND, `${video.volume}`);
  });
  const keys: Record<string, () => unknown> = {
    ' ': toggle,
    k: toggle,
    m: () => (video.muted = !video.muted),
    f: fill,
    j: () => seek(video.currentTime - LONG_STEP),
    l: () => seek(video.currentTime + LONG_STEP),
    arrowleft: () => seek(video.currentTime - STEP),
    arrowright: () => seek(video.currentTime + STEP),
    arrowup: () => loudness(0.1),
    arrowdown: () => loudness(-0.1),
    home: () => seek(0),
    end: () => seek(video.duration),
    '<': () => faster(-1),
    '>': () => faster(1),
  };
  for (let digit = 0; digit < 10; digit += 1) {
    keys[digit] = () => seek((video.duration * digit) / 10);
  }
  document.addEventListener('keydown', (event) => {
    const key = event.key.toLowerCase();
    const run = keys[key];
    // A control that has the focus takes its own keys; the bar would go by thousandths of a second.
    const taken = key === ' ' ? 'button, a, select' : 'select';
    const isTaken = event.target instanceof Element && event.target.closest(taken) !== null;
    if (run === undefined || isTaken || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    event.preventDefault();
    run();
  });
}

video.volume = Number(recall(SOUND) ?? 1);
listen();
setInterval(() => showChoices(player), 1_000);
void open();
