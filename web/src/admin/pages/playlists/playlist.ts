// A playlist as the API tells it, and what is said of it.

import type { Schema } from '../../api/call';
import { count, counted } from '../../format';

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
  return parts.filter((part) => part !== '').join(', ');
}

/** What the panel says of the account. */
export function accountOf(account: NonNullable<Playlist['state']['account']>): string {
  const { max_connections: connections, status } = account;
  return connections === null ? `Account ${status}` : `Account ${status}, ${counted(connections, 'connection')} at a time`;
}
