import mpegts from 'mpegts.js';

import { bufferedEnd } from '../buffered';
import type { Player, Start } from './index';

/** How far behind the newest it is comfortable to be, in seconds: the server sends up to four times a second, and networks hiccup. */
const COMFORTABLE = 1.2;

/** Further behind than this, in seconds, nobody begins: a slow device takes seconds to show a picture, and the stream does not wait for it. */
const LATEST_BEGINNING = 3;

/** So long after the first picture, in milliseconds, a slow device is still unpacking what came meanwhile. */
const BEGINNING_MS = 5000;

const CONFIG: mpegts.Config = {
  isLive: true,
  enableWorker: true,
  // Bytes are passed on as they come.
  enableStashBuffer: false,
  lazyLoad: false,
  deferLoadAfterSourceOpen: false,
  // A little late: play a little faster, which nobody hears. Very late, as after a stall: jump.
  liveSync: true,
  liveSyncMaxLatency: 1.8,
  liveSyncTargetLatency: COMFORTABLE,
  liveSyncPlaybackRate: 1.08,
  liveBufferLatencyChasing: true,
  liveBufferLatencyMaxLatency: 8,
  liveBufferLatencyMinRemain: COMFORTABLE,
  // What was seen is of no use: nobody goes back here.
  autoCleanupSourceBuffer: true,
  autoCleanupMaxBackwardDuration: 60,
  autoCleanupMinBackwardDuration: 30,
};

export const start: Start = (video, url, failed): Player => {
  mpegts.LoggingControl.enableAll = false;
  mpegts.LoggingControl.enableError = true;
  const player = mpegts.createPlayer({ type: 'mpegts', isLive: true, url }, CONFIG);
  let isOver = false;
  const fail: typeof failed = (trouble) => {
    if (!isOver) {
      isOver = true;
      failed(trouble);
    }
  };
  player.on(mpegts.Events.ERROR, (type: string, _detail: string, info?: { msg?: string }) => {
    if (type === mpegts.ErrorTypes.NETWORK_ERROR) {
      fail('network');
    } else {
      fail(/unsupported|not supported/i.test(info?.msg ?? '') ? 'codec' : 'media');
    }
  });
  // A live stream that ends has been cut.
  player.on(mpegts.Events.LOADING_COMPLETE, () => fail('network'));
  player.attachMediaElement(video);
  player.load();
  const latency = () => {
    const end = bufferedEnd(video);
    return end === null ? null : end - video.currentTime;
  };
  const toLive = () => {
    const end = bufferedEnd(video);
    if (end !== null) {
      video.currentTime = end - COMFORTABLE;
    }
  };
  let begun: number | null = null;
  const onPlaying = () => {
    begun ??= performance.now();
  };
  const onTime = () => {
    const isBeginning = begun !== null && performance.now() - begun < BEGINNING_MS;
    if (isBeginning && (latency() ?? 0) > LATEST_BEGINNING) {
      toLive();
    }
  };
  video.addEventListener('playing', onPlaying);
  video.addEventListener('timeupdate', onTime);
  return {
    latency,
    lag() {
      const behind = latency();
      return behind === null ? null : behind - COMFORTABLE;
    },
    choices: () => [],
    toLive,
    destroy() {
      isOver = true;
      video.removeEventListener('playing', onPlaying);
      video.removeEventListener('timeupdate', onTime);
      player.destroy();
    },
  };
};
