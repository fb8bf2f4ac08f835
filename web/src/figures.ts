// The figures below the picture.

import type { Status } from './api';
import { bufferedEnd } from './buffered';
import type { Verdict } from './codecs';
import type { Player } from './players';
import type { Figures } from './screen';

const NONE = '–';

/** What is known of the stream, in words. */
export function describe(
  video: HTMLVideoElement,
  player: Player | null,
  status: Status | null,
  verdict: Verdict | null,
  stalls: number,
): Figures {
  const quality = video.getVideoPlaybackQuality();
  const end = bufferedEnd(video);
  return {
    picture: video.videoWidth > 0 ? `${video.videoWidth} × ${video.videoHeight}` : NONE,
    codecs: [verdict?.video, verdict?.audio].filter(Boolean).join(', ') || NONE,
    bitrate: status?.bitrate ? bitrate(status.bitrate) : NONE,
    latency: seconds(player?.latency() ?? null),
    buffer: seconds(end === null ? null : Math.max(end - video.currentTime, 0)),
    dropped: player === null ? NONE : `${quality.droppedVideoFrames} of ${quality.totalVideoFrames}`,
    stalls: String(stalls),
  };
}

function seconds(value: number | null): string {
  return value === null || !Number.isFinite(value) ? NONE : `${Math.max(value, 0).toFixed(1)} s`;
}

function bitrate(bits: number): string {
  return bits >= 1_000_000 ? `${(bits / 1_000_000).toFixed(1)} Mbit/s` : `${Math.round(bits / 1_000)} kbit/s`;
}
