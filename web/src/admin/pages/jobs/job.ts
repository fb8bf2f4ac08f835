// A job as the API tells it, and the words for it.

import type { Schema } from '../../api/call';
import { ago, counted, duration, joined } from '../../format';

export type Job = Schema<'JobDocument'>;

/** The word of each state, and its colour. */
export const STATES: Record<string, { word: string; tone: string }> = {
  running: { word: 'Running', tone: 'good' },
  cancelling: { word: 'Ending', tone: 'caution' },
  waiting: { word: 'Waiting', tone: '' },
  delayed: { word: 'To be repeated', tone: 'caution' },
  completed: { word: 'Done', tone: '' },
  failed: { word: 'Failed', tone: 'bad' },
  cancelled: { word: 'Cancelled', tone: '' },
};

export const stateOf = ({ state }: Job) => STATES[state] ?? { word: state, tone: '' };

const KINDS: Record<string, string> = {
  ladder: 'Smaller copies',
  storyboard: 'Pictures for the time bar',
  download: 'Download',
  analyze: 'Look at a page',
};

/** What people call a kind of job. */
export const kindOf = (kind: string): string => KINDS[kind] ?? kind;

/** The normal one goes without saying. */
const PRIORITIES = ['urgent', '', 'low priority', 'background'];

export const priorityOf = ({ priority }: Job): string => PRIORITIES[priority] ?? `priority ${priority}`;

const isText = (value: unknown): value is string => typeof value === 'string';

/** The film that a job works on; null where it works on something else. */
export function filmOf({ args }: Job): string | null {
  const { video } = args as { video?: unknown };
  return isText(video) ? video : null;
}

/** What else a job works on, for people; empty where that says nothing to them. */
export function subjectOf({ args }: Job): string {
  const { page } = args as { page?: unknown };
  return isText(page) ? page : '';
}

/** Who added it, without what programs need of that. */
export const ownerOf = ({ owner }: Job): string => owner.replace(/^(?:user|key):\d+:/, '').replace(/^address:/, '');

/** Whether there is something to cancel. */
export const isOpen = ({ state }: Job): boolean => ['waiting', 'delayed', 'running'].includes(state);

/** When it began and ended, or will. */
export function timesOf({ state, created_at, started_at, finished_at, next_at, attempts }: Job, now = Date.now()): string {
  const parts = [
    `added ${ago(created_at, now)}`,
    started_at !== null && finished_at === null ? `running for ${duration((now - Date.parse(started_at)) / 1000)}` : '',
    finished_at !== null && state === 'completed' ? `done ${ago(finished_at, now)}` : '',
    finished_at !== null && state !== 'completed' ? `ended ${ago(finished_at, now)}` : '',
    next_at === null ? '' : `again in ${duration((Date.parse(next_at) - now) / 1000)}`,
    attempts > 1 ? counted(attempts, 'attempt') : '',
  ];
  return joined(parts);
}
