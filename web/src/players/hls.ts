import Hls, { ErrorDetails, ErrorTypes, Events, type HlsConfig, type LevelDetails } from 'hls.js';
// hls.js looks for its worker beside the page unless it is told where it is.
import workerPath from 'hls.js/dist/hls.worker.js?url';

import { bufferedEnd } from '../buffered';
import type { Choice, Player, Start, Trouble } from './index';

/** Times that a media error is mended in place before the player is built anew. */
const MENDS = 2;

/** A media error this long after the last one is another one, in ms. */
const FORGIVEN_AFTER_MS = 30_000;

/** Seconds in the buffer for which it is worth to keep the player when loading fails. */
const WORTH_KEEPING = 1;

/** How long after failed loads they are begun anew, in ms. */
const LOAD_AGAIN_AFTER_MS = 1_000;

const CODEC_ERRORS: string[] = [
  ErrorDetails.BUFFER_ADD_CODEC_ERROR,
  ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR,
  ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
];

/** Failed loads are retried here briefly: the page asks the server why, and knows better when to try again. */
const SHORT_RETRY = { maxNumRetry: 3, retryDelayMs: 500, maxRetryDelayMs: 2_000 };

/** Target durations behind the newest, as RFC 8216 (6.3.3) asks. */
const TARGETS = 3;

/** Of these as many are needed in any case: one while the next segment is made, and one to ask for it twice. */
const MIN_TARGETS = 2;

/** Segments by which it is known how long they are now. */
const RECENT = 5;

const CONFIG: Partial<HlsConfig> = {
  workerPath,
  autoStartLoad: false,
  // What was seen stays for a minute to go back to; without a limit a day of television would stay in memory.
  backBufferLength: 60,
  maxBufferLength: 30,
  // Until a playlist has come (see `distance`); after a long pause it goes there again.
  liveSyncDurationCount: TARGETS,
  liveMaxLatencyDurationCount: 12,
  // Whoever has stalled comes back to live without being heard.
  maxLiveSyncPlaybackRate: 1.05,
  liveDurationInfinity: true,
  fragLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 10_000,
      maxLoadTimeMs: 30_000,
      timeoutRetry: SHORT_RETRY,
      errorRetry: SHORT_RETRY,
    },
  },
};

export const isSupported = (): boolean => Hls.isSupported();

/** Plays a channel, which has no end. */
export const start: Start = (video, url, failed) => begin(video, url, failed, true);

/** Plays a film to its end. */
export const startFilm: Start = (video, url, failed) => begin(video, url, failed, false);

function begin(video: HTMLVideoElement, url: string, failed: (trouble: Trouble) => void, isEndless: boolean): Player {
  const hls = new Hls(CONFIG);
  let mends = 0;
  let mendedAt = 0;
  let again: number | undefined;
  let isOver = false;
  const ahead = () => (bufferedEnd(video) ?? 0) - video.currentTime;
  const fail: typeof failed = (trouble) => {
    if (!isOver) {
      isOver = true;
      failed(trouble);
    }
  };
  hls.on(Events.ERROR, (_event, error) => {
    if (!error.fatal) {
      return;
    }
    if (CODEC_ERRORS.includes(error.details)) {
      fail('codec');
    } else if (error.type === ErrorTypes.NETWORK_ERROR) {
      if (ahead() > WORTH_KEEPING) {
        // Who watches need not notice: there is time to try again.
        again = window.setTimeout(() => hls.startLoad(), LOAD_AGAIN_AFTER_MS);
      } else {
        fail('network');
      }
    } else if (error.type === ErrorTypes.MEDIA_ERROR) {
      const now = performance.now();
      mends = now - mendedAt > FORGIVEN_AFTER_MS ? 0 : mends;
      mendedAt = now;
      mends += 1;
      if (mends > MENDS) {
        fail('media');
      } else {
        hls.recoverMediaError();
      }
    } else {
      fail('media');
    }
  });
  const keepDistance = (details: LevelDetails) => (hls.config.liveSyncDuration = distance(details));
  hls.on(Events.LEVEL_UPDATED, (_event, { details }) => keepDistance(details));
  hls.on(Events.MANIFEST_LOADED, (_event, { levels }) => {
    // Before the first segment is chosen, where this is the playlist that names it.
    levels[0]?.details && keepDistance(levels[0].details);
    hls.startLoad();
  });
  hls.on(Events.BUFFER_EOS, () => isEndless && video.addEventListener('ended', () => fail('network'), { once: true }));
  hls.loadSource(url);
  hls.attachMedia(video);
  return {
    latency: () => (hls.liveSyncPosition === null ? null : hls.latency),
    lag: () => (hls.liveSyncPosition === null ? null : hls.latency - (hls.targetLatency ?? 0)),
    choices: () => choicesOf(hls),
    toLive() {
      if (hls.liveSyncPosition !== null) {
        video.currentTime = hls.liveSyncPosition;
      }
    },
    destroy() {
      isOver = true;
      window.clearTimeout(again);
      hls.destroy();
    },
  };
}

/**
 * How far behind the newest to play, in seconds: three segments as they are. The target duration announces the longest that
 * may ever come, which is often much longer.
 */
function distance({ fragments, targetduration }: LevelDetails): number {
  const longest = Math.max(0, ...fragments.slice(-RECENT).map((fragment) => fragment.duration));
  return Math.min(TARGETS * targetduration, Math.max(MIN_TARGETS * targetduration, TARGETS * longest));
}

/** What the playlists name. */
function choicesOf(hls: Hls): Choice[] {
  const name = (track: { name: string; lang?: string }) => track.name || track.lang || 'unnamed';
  const level = ({ height, bitrate }: { height: number; bitrate: number }) =>
    `${height ? `${height}p, ` : ''}${(bitrate / 1_000_000).toFixed(1)} Mbit/s`;
  return [
    {
      kind: 'audio',
      options: hls.audioTracks.map(name),
      chosen: hls.audioTrack,
      choose: (place) => (hls.audioTrack = place),
    },
    {
      kind: 'subtitles',
      options: ['Off', ...hls.subtitleTracks.map(name)],
      chosen: hls.subtitleTrack + 1,
      choose: (place) => (hls.subtitleTrack = place - 1),
    },
    {
      kind: 'quality',
      // Of a single one there is nothing to choose.
      options: hls.levels.length > 1 ? ['Automatic', ...hls.levels.map(level)] : [],
      chosen: hls.manualLevel + 1,
      choose: (place) => (hls.nextLevel = place - 1),
    },
  ];
}
