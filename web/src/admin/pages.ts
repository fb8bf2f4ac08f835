// The pages, as data: the navigation, the router and who may see what are made of it.

import type { Component } from 'svelte';
import type { IconName } from './parts/icons';
import type { Role } from './session.svelte';

export interface Page {
  /** Behind `admin/`. */
  path: string;
  title: string;
  /** For whom it is; everybody where nobody needs to be signed in. */
  role: Role | 'everybody';
  /** The listed page that it belongs to, where it is not listed itself. */
  within?: string;
  load: () => Promise<{ default: Component }>;
}

export interface Listed extends Page {
  icon: IconName;
}

export const GROUPS: { title: string; pages: Listed[] }[] = [
  {
    title: 'Television',
    pages: [
      { path: '', title: 'Now', icon: 'pulse', role: 'operator', load: () => import('./pages/Now.svelte') },
      {
        path: 'channels',
        title: 'Channels',
        icon: 'channels',
        role: 'operator',
        load: () => import('./pages/Channels.svelte'),
      },
      { path: 'guide', title: 'Guide', icon: 'guide', role: 'operator', load: () => import('./pages/Guide.svelte') },
      {
        path: 'playlists',
        title: 'Playlists',
        icon: 'import',
        role: 'admin',
        load: () => import('./pages/Playlists.svelte'),
      },
      { path: 'films', title: 'Films', icon: 'film', role: 'operator', load: () => import('./pages/Films.svelte') },
      {
        path: 'downloads',
        title: 'Downloads',
        icon: 'save',
        role: 'operator',
        load: () => import('./pages/Downloads.svelte'),
      },
      { path: 'relays', title: 'Relays', icon: 'list', role: 'operator', load: () => import('./pages/Relays.svelte') },
      { path: 'pushes', title: 'Pushes', icon: 'push', role: 'operator', load: () => import('./pages/Pushes.svelte') },
    ],
  },
  {
    title: 'People',
    pages: [
      { path: 'users', title: 'Users', icon: 'people', role: 'admin', load: () => import('./pages/Users.svelte') },
      { path: 'tokens', title: 'Tokens', icon: 'ticket', role: 'admin', load: () => import('./pages/Tokens.svelte') },
      { path: 'keys', title: 'Keys', icon: 'key', role: 'admin', load: () => import('./pages/Keys.svelte') },
      { path: 'audit', title: 'Audit', icon: 'audit', role: 'admin', load: () => import('./pages/Audit.svelte') },
    ],
  },
  {
    title: 'Server',
    pages: [
      { path: 'jobs', title: 'Jobs', icon: 'jobs', role: 'operator', load: () => import('./pages/Jobs.svelte') },
      {
        path: 'settings',
        title: 'Settings',
        icon: 'settings',
        role: 'admin',
        load: () => import('./pages/Settings.svelte'),
      },
      { path: 'logs', title: 'Log', icon: 'log', role: 'admin', load: () => import('./pages/Logs.svelte') },
      { path: 'backups', title: 'Backups', icon: 'backup', role: 'admin', load: () => import('./pages/Backups.svelte') },
    ],
  },
];

/** The pages for whoever is not signed in. */
export const SIGN_IN: Page = {
  path: 'signin',
  title: 'Sign in',
  role: 'everybody',
  load: () => import('./pages/SignIn.svelte'),
};

const SETUP: Page = { path: 'setup', title: 'Set up', role: 'everybody', load: () => import('./pages/Setup.svelte') };

/** What to do first on an empty server; the settings lead to it later. */
const START: Page = {
  path: 'start',
  title: 'First steps',
  role: 'admin',
  within: 'settings',
  load: () => import('./pages/Start.svelte'),
};

/** Below the list of channels: `channel?id=…`. */
const CHANNEL: Page = {
  path: 'channel',
  title: 'Channel',
  role: 'operator',
  within: 'channels',
  load: () => import('./pages/Channel.svelte'),
};

const MISSING: Page = {
  path: '?',
  title: 'No such page',
  role: 'everybody',
  load: () => import('./pages/Missing.svelte'),
};

/** The page of this path. */
export function pageOf(path: string): Page {
  const all = [...GROUPS.flatMap((group): Page[] => group.pages), SIGN_IN, SETUP, START, CHANNEL];
  return all.find((page) => page.path === path) ?? MISSING;
}
