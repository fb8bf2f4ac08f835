// The entries of the audit log in words.

import type { Schema } from '../api/call';

type Entry = Schema<'AuditEntry'>;

/** `user:1:ann` → `ann`; `address:127.0.0.1` → `127.0.0.1` */
export function actorOf(actor: string): string {
  const [kind, ...rest] = actor.split(':');
  switch (kind) {
    case 'user':
      return rest.slice(1).join(':') || actor;
    case 'key':
      return `the key ${rest.slice(1).join(':')}`;
    case 'address':
      return `somebody at ${rest.join(':')}`;
    case 'command':
      return 'a command on the server';
    case 'console':
      return 'the setup';
    default:
      return actor;
  }
}

/** How an object is called: by its name where the entry tells it. */
function objectOf({ object, before, after }: Entry): string {
  const { name } = { ...before, ...after } as { name?: unknown };
  const [kind, id] = object.split(':');
  return typeof name === 'string' ? `the ${kind} ${name}` : id === undefined ? object : `the ${kind} ${id}`;
}

const VERBS: Record<string, string> = {
  create: 'created',
  change: 'changed',
  remove: 'removed',
  reset: 'reset',
  replace: 'made anew',
  make: 'made',
  download: 'downloaded',
  restore: 'asked to restore',
  leave: 'asked not to restore',
};

/** What was done to what. */
export function deedOf(entry: Entry): string {
  const verb = entry.action.split('.').at(-1) ?? entry.action;
  return VERBS[verb] === undefined ? `${entry.action}: ${objectOf(entry)}` : `${VERBS[verb]} ${objectOf(entry)}`;
}

export interface Change {
  field: string;
  /** Nothing where it was not there. */
  before: string;
  /** Nothing where it is not there any more. */
  after: string;
}

/** The fields that differ. */
export function changesOf({ before, after }: Entry): Change[] {
  const [old, made] = [before ?? {}, after ?? {}] as Record<string, unknown>[];
  const fields = [...new Set([...Object.keys(old ?? {}), ...Object.keys(made ?? {})])];
  return fields
    .map((field) => ({ field, before: told(old?.[field]), after: told(made?.[field]) }))
    .filter((change) => change.before !== change.after);
}

const told = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
