// The browser's own HLS: iPhones before iOS 17.1, and some televisions.

import type { Player, Start } from './index';

/** `MediaError.code`, as the HTML standard numbers them. */
const NETWORK = 2;
const UNSUPPORTED = 4;

export const isSupported = (video: HTMLVideoElement): boolean =>
  video.canPlayType('application/vnd.apple.mpegurl') !== '';

export const start: Start = (video, url, failed): Player => {
  const onError = () => {
    const code = video.error?.code;
    failed(code === NETWORK ? 'network' : code === UNSUPPORTED ? 'codec' : 'media');
  };
  const onEnded = () => failed('network');
  video.addEventListener('error', onError, { once: true });
  video.addEventListener('ended', onEnded, { once: true });
  video.src = url;
  const newest = () => (video.seekable.length === 0 ? null : video.seekable.end(video.seekable.length - 1));
  const latency = () => {
    const end = newest();
    return end === null ? null : end - video.currentTime;
  };
  /** Where it began by itself. */
  let usual: number | null = null;
  return {
    latency,
    lag() {
      const behind = latency();
      usual ??= behind;
      return behind === null || usual === null ? null : behind - usual;
    },
    // Its own controls have them.
    choices: () => [],
    toLive() {
      const end = newest();
      if (end !== null) {
        video.currentTime = end;
      }
    },
    destroy() {
      video.removeEventListener('error', onError);
      video.removeEventListener('ended', onEnded);
      video.removeAttribute('src');
      video.load();
    },
  };
};
