// A playlist as the API tells it, and what is said of it.

import type { Schema } from '../../api/call';
import { count, counted, date, joined } from '../../format';

export interface Playlist {
  id: number;
  name: string;
  owner: string;
  state: Schema<'PlaylistState'>;
  url?: string;
  kind?: string;
  username?: string;
  refresh?: string;
}

/** An address without what stands for a name and a password in it. */
export function publicPart(url: string): string {
  try {
    const { protocol, host } = new URL(url);
    return host === '' ? url : `${protocol}//${host}`;
  } catch {
    return url;
  }
}

/** What the list had that was taken last, and what that changed. */
export function contentsOf({ summary }: Playlist['state']): string {
  if (summary === null) {
    return 'Not read yet';
  }
  const { live, movies, episodes, added, absent } = summary;
  const parts = [
    counted(live, 'channel'),
    movies > 0 ? `${counted(movies, 'film')} left out` : '',
    episodes > 0 ? `${counted(episodes, 'episode')} left out` : '',
    added > 0 ? `${count(added)} new` : '',
    absent > 0 ? `${count(absent)} missing` : '',
  ];
  return joined(parts);
}

/** What the panel says of the account; empty where there is none. */
export function accountOf({ account }: Playlist['state']): string {
  if (account === null) {
    return '';
  }
  const { expires_at: until, max_connections: connections, status, time_zone: zone } = account;
  const parts = [
    `Account ${status}`,
    connections === null ? '' : `${counted(connections, 'connection')} at a time`,
    until === null ? '' : `until ${date(until)}`,
    zone === '' ? '' : `time zone ${zone}`,
  ];
  return joined(parts);
}

/** Whether its first list is being read, or is about to be. A list from a file has no address to be read from. */
export const isFirstRead = ({ state, url }: Playlist): boolean =>
  state.summary === null && (state.progress !== null || (state.read_at === null && url !== undefined));
