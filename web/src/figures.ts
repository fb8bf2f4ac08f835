// The figures below the picture.

import type { Status } from './api';
import { bufferedEnd } from './buffered';
import type { Verdict } from './codecs';
import type { Player } from './players';
import type { Figures } from './screen';

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
  const codecs = [verdict?.video, verdict?.audio].filter(Boolean).join(', ');
  return {
    picture: video.videoWidth > 0 ? `${video.videoWidth} × ${video.videoHeight}` : null,
    codecs: codecs || null,
    bitrate: status?.bitrate ? bitrate(status.bitrate) : null,
    latency: seconds(player?.latency() ?? null),
    buffer: seconds(player === null || end === null ? null : end - video.currentTime),
    dropped: video.videoWidth > 0 ? `${quality.droppedVideoFrames} of ${quality.totalVideoFrames}` : null,
    stalls: player === null ? null : String(stalls),
  };
}

function seconds(value: number | null): string | null {
  return value === null || !Number.isFinite(value) ? null : `${Math.max(value, 0).toFixed(1)} s`;
}

function bitrate(bits: number): string {
  return bits >= 1_000_000 ? `${(bits / 1_000_000).toFixed(1)} Mbit/s` : `${Math.round(bits / 1_000)} kbit/s`;
}
