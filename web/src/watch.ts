// The page of one channel: opens it, plays it, and goes on when something breaks.

import hlsLicence from '../node_modules/hls.js/LICENSE?url';
import mpegtsLicence from '../node_modules/mpegts.js/LICENSE?url';
import { Addresses, ask, idOf, type Placed, readPlaced, readStatus, type Status } from './api';
import { showChoices } from './choices';
import { runClock } from './clock';
import { judge, mediaSource, type Verdict, withSoundMade } from './codecs';
import { vlcLink } from './elsewhere';
import { describe } from './figures';
import { startList } from './list';
import { keep, keepMode, type Mode, readMode, recall } from './mode';
import type { Player, Start, Trouble } from './players';
import { runProgrammes, showProgrammes } from './programme';
import * as screen from './screen';
import { noDecoder, noSound, otherMode, refusal } from './words';
import { showNeighbours, startTyping } from './zap';

/** Pauses before trying again, in seconds, where the server names none. */
const RETRY_SECONDS = [1, 2, 3, 5, 8];

/** Playing for so long means that all is well again, in ms. */
const WELL_AFTER_MS = 10_000;

/** A picture that stands still for so long is asked for anew, in ms: longer than the server needs to change sources. */
const STANDSTILL_MS = 15_000;

/** Stalls shorter than this are not spoken of, in ms. */
const NOTICEABLE_MS = 700;

/** Times that a player is built anew for errors in the media before the viewer is told, until all is well again. */
const REBUILDS = 3;

/** How long a paused player keeps its connection, in ms. An endless stream fills the memory meanwhile; HLS only keeps the channel open. */
const PAUSE_LIMIT_MS: Record<Mode, number> = { live: 10_000, hls: 600_000 };

/** How often the status is read, in ms; also soon after opening, until the server has seen what the streams are. */
const STATUS_EVERY_MS = 5_000;
const STATUS_SOON_MS = 1_000;

/** This far behind where it would play by itself, in seconds, there is a way back to live: more than a segment. */
const FAR_BEHIND_SECONDS = 6;

const SOUND = 'forebay.sound';

const { video } = screen;

/** The channel that is to be played. */
let addresses = new Addresses(idOf(location));

/** Without it there is only the browser's own HLS. */
const hasMediaSource = mediaSource() !== undefined;

let mode: Mode = hasMediaSource ? readMode() : 'hls';
let player: Player | null = null;
let status: Status | null = null;
let verdict: Verdict | null = null;
/** What is played: the channel as it is, or with sound that browsers play; refused where the server does not make that. */
let sound: 'own' | 'made' | 'refused' = 'own';
/** Ends with the attempt that it belongs to. */
let attempt = new AbortController();
let retries = 0;
let rebuilds = 0;
let stalls = 0;
let neighbours: Placed | null = null;
/** Since the player was started it has shown something. */
let isOnAir = false;

/** Calls `what` later, unless the attempt has ended by then. */
function later(ms: number, what: () => void): () => void {
  const { signal } = attempt;
  const timer = setTimeout(what, ms);
  const cancel = () => clearTimeout(timer);
  signal.addEventListener('abort', cancel, { once: true });
  return cancel;
}

/** Ends what is, and begins another attempt. */
function reset(): AbortSignal {
  attempt.abort();
  attempt = new AbortController();
  player?.destroy();
  player = null;
  isOnAir = false;
  screen.showOnAir(false);
  screen.showNotice(null);
  screen.live.hidden = true;
  offerSound();
  return attempt.signal;
}

async function open(message: screen.Cover = { headline: 'Opening the channel…' }): Promise<void> {
  const signal = reset();
  screen.showCover({ ...message, busy: true });
  const played = sound === 'made' ? addresses.inBrowser : addresses;
  const url = mode === 'live' ? played.transportStream : played.playlist;
  try {
    const answer = await ask(url, signal);
    if (answer.kind === 'refused' && ['unknown_channel', 'not_found'].includes(answer.code)) {
      stop({ headline: 'This channel is not there any more', detail: 'It was taken out of the list.' });
      return;
    }
    if (answer.kind === 'refused' && sound === 'made') {
      // A picture without sound is more than none.
      sound = 'refused';
      void open(message);
      return;
    }
    if (answer.kind !== 'ok') {
      retry(refusal(answer), answer.kind === 'refused' ? answer.retryAfterSeconds : null);
      return;
    }
    void followStatus(signal);
    const start = await loadPlayer();
    signal.throwIfAborted();
    if (start === null) {
      stop(noDecoder(null));
      return;
    }
    player = start(video, url, (trouble) => handleTrouble(trouble));
    applyStatus();
    later(STANDSTILL_MS, () => isOnAir || video.paused || retry({ headline: 'The picture does not come' }, null));
    await play();
  } catch (error) {
    if (!signal.aborted) {
      // A part of the page that cannot be loaded: the network, or a newer version of the page.
      console.error(error);
      retry({ headline: 'The player cannot be loaded' }, null);
    }
  }
}

/** The player for the mode, loaded when it is first needed; null where the browser has none that works. */
async function loadPlayer(): Promise<Start | null> {
  if (mode === 'live') {
    return (await import('./players/mpegts')).start;
  }
  const hls = await import('./players/hls');
  if (hls.isSupported()) {
    return hls.start;
  }
  const native = await import('./players/native');
  return native.isSupported(video) ? native.start : null;
}

/** Plays with sound if that was wanted last time, else without; browsers allow nothing else until the viewer has touched the page. */
async function play(): Promise<void> {
  const { signal } = attempt;
  try {
    await video.play();
  } catch (error) {
    if (signal.aborted || (error as DOMException).name !== 'NotAllowedError') {
      return;
    }
    if (!video.muted) {
      video.muted = true;
      await play();
    } else {
      screen.showCover({ headline: 'Ready', action: { label: 'Play', run: () => void play() } });
    }
  }
}

/** Ends with a message that only the viewer can do something about. */
function stop(message: screen.Cover): void {
  reset();
  screen.showCover(message);
}

/** Tries again after a while, and says so. */
function retry(message: screen.Cover, afterSeconds: number | null): void {
  reset();
  // What was wrong stays to be read meanwhile.
  const again = () => void open({ ...message, progress: 'Trying again…' });
  screen.showCover({ ...message, action: { label: 'Try now', run: again } });
  let left = afterSeconds ?? RETRY_SECONDS[Math.min(retries, RETRY_SECONDS.length - 1)] ?? 1;
  retries += 1;
  const count = () => {
    screen.showCountdown(left);
    if (left <= 0) {
      again();
    } else {
      left -= 1;
      later(1_000, count);
    }
  };
  screen.showCountdown(left);
  // Not all who were cut off at the same moment come back at the same moment.
  later(Math.random() * 1_000, count);
}

function handleTrouble(trouble: Trouble): void {
  if (trouble === 'network') {
    // The first time without a pause: often it was but one connection that broke.
    if (isOnAir && retries === 0) {
      retries += 1;
      void open({ headline: 'Connection lost. Reconnecting…' });
    } else {
      retry({ headline: 'Connection lost' }, null);
    }
  } else if (trouble === 'media' && rebuilds < REBUILDS) {
    rebuilds += 1;
    void open({ headline: 'Recovering…' });
  } else if (trouble === 'codec' || verdict?.isFatal) {
    stop(undecodable());
  } else {
    // Each player has streams that it breaks on, and the other does not.
    const action = mode === 'hls' && hasMediaSource
      ? { label: 'Switch to low latency', run: () => choose('live') }
      : { label: 'Try again', run: begin };
    stop({
      headline: 'The picture cannot be decoded',
      detail: 'The channel may be disturbed. Another player may cope better.',
      action,
      isForPlayer: true,
    });
  }
}

/** What to say when a decoder is missing. */
function undecodable(): screen.Cover {
  const other: Mode = mode === 'hls' ? 'live' : 'hls';
  const streams = status?.streams ?? [];
  if (verdict === null || !verdict.isFatal || !hasMediaSource || judge(streams, other).isFatal) {
    return noDecoder(verdict);
  }
  const label = other === 'hls' ? 'Switch to standard' : 'Switch to low latency';
  return { ...otherMode(verdict, other), action: { label, run: () => choose(other) } };
}

/** The viewer asks for it: what went wrong before is forgotten. */
function begin(): void {
  retries = 0;
  rebuilds = 0;
  void open();
}

function choose(chosen: Mode): void {
  mode = chosen;
  keepMode(mode);
  screen.setUpModes(mode, hasMediaSource, choose);
  begin();
}

async function followStatus(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (!document.hidden) {
      const news = await readStatus(addresses);
      if (signal.aborted) {
        return;
      }
      if (news !== null) {
        takeStatus(news);
      }
    }
    const isComplete = (status?.streams ?? []).length > 0;
    await new Promise((resolve) => setTimeout(resolve, isComplete ? STATUS_EVERY_MS : STATUS_SOON_MS));
  }
}

function takeStatus(news: Status): void {
  status = news;
  applyStatus();
}

/** Does not wait for a player to fail where it is known that it must. */
function applyStatus(): void {
  const own = status?.streams ?? [];
  const streams = sound === 'made' ? withSoundMade(own) : own;
  verdict = streams.length === 0 ? null : judge(streams, mode);
  if (verdict?.deadAudio && verdict.deadVideo === null && sound === 'own' && hasMediaSource) {
    sound = 'made';
    void open({ headline: 'Opening the channel with sound for this browser…' });
    return;
  }
  const isHopeless = verdict !== null && judge(streams, 'hls').isFatal && judge(streams, 'live').isFatal;
  screen.showModes(hasMediaSource && !isHopeless);
  screen.showAsRadio(verdict !== null && verdict.video === null && verdict.audio !== null);
  if (player === null || verdict === null) {
    return;
  }
  offerSound();
  if (verdict.isFatal) {
    stop(undecodable());
  } else if (verdict.deadAudio) {
    screen.showNotice(noSound(verdict.deadAudio), true);
  } else {
    screen.showNotice(null);
  }
}

/** Only where there is sound to be turned on. */
function offerSound(): void {
  const isAudible = verdict !== null && verdict.audio !== null && verdict.deadAudio === null;
  screen.unmute.hidden = !(isOnAir && video.muted && isAudible);
}

function followVideo(): void {
  let forget = () => {};
  video.addEventListener('playing', () => {
    forget();
    if (player === null) {
      return;
    }
    isOnAir = true;
    screen.hideCover();
    screen.showOnAir(true);
    offerSound();
    forget = later(WELL_AFTER_MS, () => {
      retries = 0;
      rebuilds = 0;
    });
  });
  video.addEventListener('waiting', () => {
    // Seeking waits too, but that is what the viewer asked for.
    if (!isOnAir || video.seeking || video.paused) {
      return;
    }
    stalls += 1;
    forget();
    const hint = later(NOTICEABLE_MS, () => screen.showCover({ headline: 'Buffering…', busy: true }));
    const anew = later(STANDSTILL_MS, () => void open({ headline: 'Connection lost. Reconnecting…' }));
    forget = () => {
      hint();
      anew();
    };
  });
  video.addEventListener('pause', () => {
    forget();
    screen.showOnAir(false);
    const current = player;
    forget = later(PAUSE_LIMIT_MS[mode], () => {
      if (current !== null && current === player && video.paused) {
        stop({ headline: 'Paused', action: { label: 'Go on, live', run: begin } });
      }
    });
  });
  video.addEventListener('volumechange', () => {
    offerSound();
    if (!video.muted) {
      keep(SOUND, 'on');
    }
  });
}

function listenToTheViewer(): void {
  const setSound = (isOn: boolean) => {
    video.muted = !isOn;
    keep(SOUND, isOn ? 'on' : 'off');
    if (isOn && video.volume === 0) {
      video.volume = 1;
    }
  };
  screen.unmute.onclick = () => {
    setSound(true);
    video.focus();
  };
  screen.live.onclick = () => player?.toLive();
  const keys: Record<string, () => unknown> = {
    ' ': () => (video.paused ? video.play() : video.pause()),
    k: () => (video.paused ? video.play() : video.pause()),
    m: () => setSound(video.muted),
    f: () => (document.fullscreenElement ? document.exitFullscreen() : screen.stage.requestFullscreen?.()),
    l: () => player?.toLive(),
    n: () => neighbours?.next && go(neighbours.next.id),
    p: () => neighbours?.previous && go(neighbours.previous.id),
    '/': () => list.search(),
  };
  for (let digit = 0; digit < 10; digit += 1) {
    keys[digit] = () => type(`${digit}`);
  }
  document.addEventListener('keydown', (event) => {
    const run = keys[event.key.toLowerCase()];
    // A control that has the focus takes its own keys, and so does the video's own play button.
    const taken = event.key === ' ' ? 'button, input, a, video, select, summary' : 'input, select';
    const isTaken = event.target instanceof Element && event.target.closest(taken) !== null;
    if (run === undefined || isTaken || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    event.preventDefault();
    void Promise.resolve(run()).catch(() => {});
  });
  window.addEventListener('online', () => player ?? begin());
  window.addEventListener('popstate', () => take(idOf(location)));
}

function showFigures(): void {
  if (document.hidden) {
    return;
  }
  screen.showFigures(describe(video, player, status, verdict, stalls));
  const lag = isOnAir ? (player?.lag() ?? null) : null;
  screen.live.hidden = lag === null || lag < FAR_BEHIND_SECONDS;
  showChoices(player);
}

/** Goes to another channel, without a new page: the sound stays on, and the picture full. */
function go(id: string): void {
  if (id !== addresses.id) {
    history.pushState(null, '', new URL(new Addresses(id).page + location.search));
    take(id);
  }
}

/** Plays this channel from now on. */
function take(id: string): void {
  addresses = new Addresses(id);
  status = null;
  verdict = null;
  sound = 'own';
  stalls = 0;
  neighbours = null;
  screen.showChannel(id, null);
  screen.showLogo(null);
  screen.showAsRadio(false);
  screen.showModes(hasMediaSource);
  screen.setUpElsewhere(addresses.elsewhere, addresses.file, vlcLink(addresses.elsewhere));
  showNeighbours(null, go);
  showProgrammes(addresses);
  begin();
  void introduce();
}

/** Shows what the list says of the channel. */
async function introduce(): Promise<void> {
  const mine = addresses;
  const placed = await readPlaced(mine);
  if (mine === addresses && placed !== null) {
    neighbours = placed;
    screen.showChannel(placed.name, placed.number);
    screen.showLogo(placed.has_logo ? mine.logo : null);
    showNeighbours(placed, go);
    list.mark(placed.id, placed.position);
  }
}

const list = startList(go);
const type = startTyping(go);
video.muted = recall(SOUND) !== 'on';
screen.setUpLicences(hlsLicence, mpegtsLicence);
screen.setUpModes(mode, hasMediaSource, choose);
followVideo();
listenToTheViewer();
setInterval(showFigures, 1_000);
runClock();
runProgrammes();
take(addresses.id);
