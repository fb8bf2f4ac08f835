// Which of a channel's streams this browser can decode.

import type { Mode } from './mode';

/** How a browser is asked for a codec, by the name that the status document gives it. What is not here is played by no browser. */
const TYPES: Record<string, string> = {
  'H.264': 'video/mp4; codecs="avc1.640028"',
  HEVC: 'video/mp4; codecs="hvc1.1.6.L120.90"',
  AAC: 'audio/mp4; codecs="mp4a.40.2"',
  'AAC LATM': 'audio/mp4; codecs="mp4a.40.2"',
  'MPEG audio': 'audio/mpeg',
  'AC-3': 'audio/mp4; codecs="ac-3"',
  'E-AC-3': 'audio/mp4; codecs="ec-3"',
  Opus: 'audio/mp4; codecs="opus"',
};

/** In a transport stream hls.js has no demultiplexer for these. */
const NOT_BY_HLS_JS = ['AAC LATM', 'E-AC-3'];

const VIDEO = /^(H\.264|HEVC|MPEG-[12] video|video of type .*)$/;
const AUDIO = /^(AAC|AAC LATM|MPEG audio|E?-?AC-[34]|DTS|Opus)$/;

/** What there is to see and to hear, and what of it cannot be decoded here. */
export interface Verdict {
  video: string | null;
  /** The first one, which is the one that is played. */
  audio: string | null;
  /** The picture's codec, where it is not playable. */
  deadVideo: string | null;
  /** The sound's codec, where it is not playable. */
  deadAudio: string | null;
  /** Nothing is shown, then; else there is a picture without sound. */
  isFatal: boolean;
}

/** Looks at a channel's streams, as in `["H.264", "AAC (deu)"]`. */
export function judge(streams: string[], mode: Mode): Verdict {
  const codecs = streams.map((stream) => stream.replace(/ \([^()]*\)$/, ''));
  const video = codecs.find((codec) => VIDEO.test(codec)) ?? null;
  const audio = codecs.find((codec) => AUDIO.test(codec)) ?? null;
  const deadVideo = video !== null && !isPlayable(video, mode) ? video : null;
  const deadAudio = audio !== null && !isPlayable(audio, mode) ? audio : null;
  // mpegts.js waits for all that it was announced. hls.js goes on without, but breaks off a map in which it finds E-AC-3.
  const needsAudio = mode === 'live' || video === null || deadAudio === 'E-AC-3';
  return { video, audio, deadVideo, deadAudio, isFatal: deadVideo !== null || (deadAudio !== null && needsAudio) };
}

/** The same streams when the server makes AAC of the sound. */
export function withSoundMade(streams: string[]): string[] {
  return streams.map((stream) => (AUDIO.test(stream.replace(/ \([^()]*\)$/, '')) ? 'AAC' : stream));
}

function isPlayable(codec: string, mode: Mode): boolean {
  const type = TYPES[codec];
  if (type === undefined) {
    return false;
  }
  const source = mediaSource();
  if (source === undefined) {
    // The system's own player, which often takes more than it admits.
    return true;
  }
  return source.isTypeSupported(type) && !(mode === 'hls' && NOT_BY_HLS_JS.includes(codec));
}

/** Media Source Extensions, which newer iPhones have only as the managed kind. */
export function mediaSource(): typeof MediaSource | undefined {
  const scope = self as { MediaSource?: typeof MediaSource; ManagedMediaSource?: typeof MediaSource };
  return scope.MediaSource ?? scope.ManagedMediaSource;
}
