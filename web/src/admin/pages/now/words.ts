// What is said of a stream.

import type { Schema } from '../../api/call';
import type { Stream } from '../../live.svelte';
import { failure } from '../../../words';
import { count, joined } from '../../format';

export interface State {
  word: string;
  tone: 'good' | 'caution' | 'bad' | '';
}

/** What a stream does, as far as its viewers notice. */
export function stateOf({ state, source_live }: Stream): State {
  switch (state) {
    case 'starting':
      return { word: 'Opening', tone: 'caution' };
    case 'active':
      return source_live ? { word: 'Playing', tone: 'good' } : { word: 'No source', tone: 'bad' };
    case 'stopping':
      return { word: 'Closes soon', tone: '' };
    default:
      return { word: 'Closed', tone: '' };
  }
}

/** Who reads a stream, by kind: `2 by TS, 1 by HLS, time-shift` */
export function readersOf({ clients_by_kind: { ts, hls }, readers }: Stream): string {
  const others = Object.entries(readers).filter(([kind, many]) => many > 0 && kind !== 'viewer' && kind !== 'hls');
  const parts = [
    ts > 0 ? `${count(ts)} by TS` : '',
    hls > 0 ? `${count(hls)} by HLS` : '',
    ...others.map(([kind, many]) => (many > 1 ? `${count(many)} ${kind}` : kind)),
  ];
  return joined(parts);
}

type Source = Schema<'OpenSource'> | Schema<'ClosedSource'>;

/** What is wrong with a source, in a sentence; nothing where nothing is, or where its channel is closed. */
export function troubleOf(source: Source): string {
  const { last_error: reason, last_error_message: message } = 'last_error' in source ? source : NO_TROUBLE;
  return reason === null ? '' : `It ${failure({ reason, message })}.`;
}

const NO_TROUBLE = { last_error: null, last_error_message: null };

/** Why a source was left, after "since". */
const SWITCHES: Record<string, string> = {
  preempted: 'its connection was needed elsewhere',
  return: 'a preferred source was good again',
  pinned: 'somebody pinned the other one',
  skipped: 'somebody skipped it',
  disabled: 'somebody disabled it',
  removed: 'it was removed',
};

export function switchReason(reason: string): string {
  return SWITCHES[reason] ?? `it ${failure({ reason, message: null })}`;
}
