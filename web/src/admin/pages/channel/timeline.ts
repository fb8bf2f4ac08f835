// What has happened to a channel: its switches of sources, and when it was opened, closed, or had no source.

import type { Schema } from '../../api/call';
import { duration } from '../../format';
import type { Stream } from '../../live.svelte';
import { switchReason } from '../now/words';

type Event = Schema<'EventDocument'>;

export interface Moment {
  at: string;
  text: string;
  tone: 'good' | 'caution' | 'bad' | '';
}

/** The newest first. */
export function timelineOf(stream: Stream | null, events: Event[]): Moment[] {
  const switches = (stream?.failovers.last ?? []).map(switched);
  // The status says from where to where, and knows those since the channel was opened last.
  const first = Math.min(...(stream?.failovers.last ?? []).map(({ at }) => Date.parse(at)));
  const isTold = ({ kind, at }: Event) => kind === 'stream_switched' && Date.parse(at) >= first - 1_000;
  const own = events.filter((event) => !isTold(event));
  const others = own.flatMap((event, place) => happened(event, own.slice(0, place)) ?? []);
  return [...switches, ...others].sort((one, other) => Date.parse(other.at) - Date.parse(one.at));
}

function switched({ at, from, to, reason }: Stream['failovers']['last'][number]): Moment {
  const named = (place: number | null) => (place === null ? 'a source that is gone' : `source ${place + 1}`);
  const what = from === to ? `Opened ${named(to)} again` : `Switched from ${named(from)} to ${named(to)}`;
  return { at, text: `${what}, because ${switchReason(reason)}`, tone: 'caution' };
}

function happened({ kind, at, provider, reason }: Event, before: Event[]): Moment | null {
  switch (kind) {
    case 'stream_opened':
      return { at, text: 'Opened', tone: 'good' };
    case 'stream_switched':
      return { at, text: `Switched to another source, because ${switchReason(reason ?? '')}`, tone: 'caution' };
    case 'stream_closed':
      return { at, text: 'Closed', tone: '' };
    case 'outage_began':
      return { at, text: 'No source delivers', tone: 'bad' };
    case 'outage_ended': {
      const began = before.filter((event) => event.kind === 'outage_began').at(-1);
      const span = began && ` after ${duration((Date.parse(at) - Date.parse(began.at)) / 1000)}`;
      return { at, text: `A source delivers again${span ?? ''}`, tone: 'good' };
    }
    case 'connection_refused':
      return { at, text: `Got no connection to ${provider}`, tone: 'bad' };
    case 'connection_preempted':
      return { at, text: `Gave up its connection to ${provider} for another channel`, tone: 'caution' };
    default:
      return null;
  }
}
