// What is said to a viewer when something is wrong.

import type { Answer, Failure } from './api';
import type { Verdict } from './codecs';
import type { Mode } from './mode';
import type { Cover } from './screen';

/** Words for a refusal, by its code in docs/http-api.md; others come with the server's own. */
const REFUSALS: Record<string, [headline: string, detail: string]> = {
  no_source: ['No picture from this channel', ''],
  provider_limit: ['The provider is busy', 'It lets no further channel be opened at present.'],
  channel_full: ['This channel is full', 'It has as many viewers as it may have.'],
  no_bandwidth: ['The server is full', 'Another viewer would take bandwidth from those who watch.'],
  address_limit: ['Too many screens', 'As many players as are allowed already watch from your address.'],
  session_limit: ['The server is full', 'It has as many viewers as it can have.'],
  no_segment: ['The picture is not there yet', 'The channel has only just begun.'],
  too_many_connections: ['The server is full', 'It has as many connections as it can have.'],
  no_store: ['The server is short of memory', 'It cannot open this channel at present.'],
  no_cpu: ['The server is busy', 'It has no processor time to make this channel playable here.'],
  closing: ['The server is restarting', 'Or the channel was just changed. This takes a moment.'],
};

/** What a source does that fails for a reason in docs/http-api.md, after "The source"; others are not fit to be shown. */
const FAILURES: Record<string, string> = {
  provider_limit: 'is waiting for a connection of its provider',
  refused: 'refuses the connection',
  unreachable: 'cannot be reached',
  private_address: 'leads to an address that is not allowed',
  untrusted: 'has no valid certificate',
  tls: 'offers no encryption that is safe today',
  proxy: 'cannot be reached through the proxy',
  connect_timeout: 'does not answer in time',
  http_status: 'answers with an error',
  redirect: 'leads nowhere',
  slate_url: 'shows a notice of the provider instead',
  ended: 'has ended',
  broken: 'breaks off',
  file: 'is a file that cannot be read',
  not_transport_stream: 'sends no television stream',
  no_picture: 'sends no picture',
  scrambled: 'is encrypted',
  stalled: 'has stopped sending',
  hls_playlist: 'has a playlist that cannot be played',
  hls_encrypted: 'is encrypted',
  hls_gone: 'is not there any more',
  hls_segments: 'has a playlist, but does not send what is in it',
  hls_format: 'sends a format that cannot be passed on',
};

/** What an HTTP status says to a viewer. */
const STATUSES: Record<string, string> = {
  401: 'refuses access',
  403: 'refuses access',
  404: 'was not found',
  410: 'is not there any more',
  429: 'is asked too often',
};

/** Sources that are spoken of one by one. */
const MAX_TOLD = 4;

/** What is wrong with each source, a line each. Nothing of its address is told. */
function failures(sources: Failure[]): string {
  const lines = sources.map((source, at) => `${sources.length > 1 ? `Source ${at + 1}` : 'The source'} ${failure(source)}.`);
  const more = lines.length - MAX_TOLD;
  return [...lines.slice(0, MAX_TOLD), ...(more > 0 ? [`And ${more} more.`] : [])].join('\n');
}

export function failure({ reason, message }: Failure): string {
  if (reason === null) {
    return 'has sent no picture yet';
  }
  const status = /\bHTTP (\d{3})\b/.exec(message ?? '')?.[1];
  const known = FAILURES[reason] ?? 'sends what is not fit to be shown';
  if (status === undefined) {
    return known;
  }
  const said = status >= '500' ? 'has an error of its own' : STATUSES[status];
  return `${reason === 'http_status' ? (said ?? known) : known} (HTTP ${status})`;
}

/** Why a stream was not given. */
export function refusal(answer: Exclude<Answer, { kind: 'ok' }>): Cover {
  if (answer.kind === 'unreachable') {
    return navigator.onLine
      ? { headline: 'The server cannot be reached', detail: 'Reconnecting as soon as it answers.' }
      : { headline: 'You are offline', detail: 'Reconnecting as soon as there is a network.' };
  }
  const [headline, detail] = REFUSALS[answer.code] ?? ['The channel cannot be opened', answer.message];
  return { headline, detail: detail || failures(answer.sources) };
}

/** There is a decoder missing; of what, is known in most cases. */
export function noDecoder(verdict: Verdict | null): Cover {
  const missing = verdict?.deadVideo
    ? `The picture is ${spoken(verdict.deadVideo)}, for which it has no decoder.`
    : verdict?.deadAudio
      ? `The sound is ${spoken(verdict.deadAudio)}, for which it has no decoder.`
      : 'It has no decoder for it.';
  const detail = `${missing} VLC and most other players have one.`;
  return { headline: 'This browser cannot play this channel', detail, isForPlayer: true };
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
  return `No sound: it is ${spoken(codec)}, which this browser cannot decode. Most other players can.`;
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
