// A push as the API tells it, and the words for it.

import type { Schema } from '../../api/call';
import { ago, bytes, counted, duration, joined } from '../../format';

export type Push = Schema<'PushDocument'>;
export type Action = 'start' | 'stop' | 'restart';

/** What a notice says after an action. */
export const DONE: Record<Action, string> = { start: 'starts', stop: 'is stopped', restart: 'starts again' };

/** The word of each state, and its colour. */
export const STATES: Record<Push['state'], { word: string; tone: string }> = {
  publishing: { word: 'On air', tone: 'good' },
  connecting: { word: 'Connecting', tone: 'caution' },
  waiting: { word: 'Waiting for the channel', tone: 'caution' },
  retrying: { word: 'Trying again', tone: 'caution' },
  refused: { word: 'Refused', tone: 'bad' },
  stopped: { word: 'Stopped', tone: '' },
};

/** Pictures and sound wait so long for a server that keeps up, in milliseconds. */
const NORMAL_QUEUE_MS = 1_000;

/** How long it has been as it is. */
export const sinceOf = ({ since }: Push): string => duration((Date.now() - Date.parse(since)) / 1000);

/** What has been sent, and how it went. */
export function historyOf(push: Push): string {
  const parts = [
    `${bytes(push.bytes_sent)} sent`,
    counted(push.connects, 'connection'),
    push.republishes > 0 ? `${counted(push.republishes, 'reconnection')} for a changed stream` : '',
    push.frames_dropped > 0 ? `${counted(push.frames_dropped, 'picture')} left out` : '',
  ];
  return joined(parts);
}

/** What to know about a push that is on air; nothing where all is well. */
export function warningsOf(push: Push): string[] {
  if (push.state !== 'publishing') {
    return [];
  }
  return [
    push.queue_ms > NORMAL_QUEUE_MS ? `The server is slow: ${duration(push.queue_ms / 1000)} of the stream wait for it.` : '',
    push.sound_replaced === null ? '' : `The server gets silence, because RTMP cannot carry ${push.sound_replaced} sound.`,
  ].filter((warning) => warning !== '');
}

/** Why the last connection ended. */
export const errorOf = ({ text, at }: NonNullable<Push['last_error']>): string => `${text} (${ago(at)})`;
