// What is said to a viewer when something is wrong.

import type { Answer } from './api';
import type { Verdict } from './codecs';
import type { Mode } from './mode';
import type { Cover } from './screen';

/** Words for a refusal, by its code in docs/http-api.md; others come with the server's own. */
const REFUSALS: Record<string, [headline: string, detail: string]> = {
  no_source: ['No picture from this channel', 'None of its sources answered. It may be off the air.'],
  provider_limit: ['The provider is busy', 'It lets no further channel be opened at present.'],
  channel_full: ['This channel is full', 'It has as many viewers as it may have.'],
  no_bandwidth: ['The server is full', 'Another viewer would take bandwidth from those who watch.'],
  address_limit: ['Too many screens', 'As many players as are allowed already watch from your address.'],
  session_limit: ['The server is full', 'It has as many viewers as it can have.'],
  no_segment: ['The picture is not there yet', 'The channel has only just begun.'],
  too_many_connections: ['The server is full', 'It has as many connections as it can have.'],
  no_store: ['The server is short of memory', 'It cannot open this channel at present.'],
  closing: ['The server is restarting', 'Or the channel was just changed. This takes a moment.'],
};

/** Why a stream was not given. */
export function refusal(answer: Exclude<Answer, { kind: 'ok' }>): Cover {
  if (answer.kind === 'unreachable') {
    return navigator.onLine
      ? { headline: 'The server cannot be reached', detail: 'Reconnecting as soon as it answers.' }
      : { headline: 'You are offline', detail: 'Reconnecting as soon as there is a network.' };
  }
  const [headline, detail] = REFUSALS[answer.code] ?? ['The channel cannot be opened', answer.message];
  return { headline, detail };
}

/** There is a decoder missing; of what, is known in most cases. */
export function noDecoder(verdict: Verdict | null): Cover {
  const missing = verdict?.deadVideo
    ? `The picture is ${spoken(verdict.deadVideo)}, for which it has no decoder.`
    : verdict?.deadAudio
      ? `The sound is ${spoken(verdict.deadAudio)}, which it cannot play.`
      : 'It has no decoder for it.';
  return { headline: 'This browser cannot play this channel', detail: `${missing} Open the address below in VLC.` };
}

/** The other way of delivery can do what this one cannot. */
export function otherMode(verdict: Verdict, other: Mode): Cover {
  const codec = spoken(verdict.deadVideo ?? verdict.deadAudio ?? '');
  return other === 'hls'
    ? { headline: 'Not with low latency', detail: `This browser cannot play ${codec} in this way.` }
    : { headline: 'Only with low latency', detail: `This browser can play ${codec} in no other way.` };
}

/** The sound's codec is not for this browser; the picture may be. */
export function noSound(codec: string): string {
  return `No sound: it is ${spoken(codec)}, which this browser cannot decode. In VLC, with the address below, you hear it.`;
}

/** Names that viewers may know. */
function spoken(codec: string): string {
  const known: Record<string, string> = {
    HEVC: 'HEVC (H.265)',
    'AC-3': 'AC-3 (Dolby Digital)',
    'E-AC-3': 'E-AC-3 (Dolby Digital Plus)',
    'MPEG audio': 'MPEG audio (MP2)',
  };
  return known[codec] ?? codec;
}
