// Whether the first steps are still ahead. Channels say nothing of that: those that come with Forebay are test cards.

import { call } from '../../api/call';

/** False too where the server does not say: the first steps are then one link away. */
export async function hasNoPlaylist(): Promise<boolean> {
  try {
    return (await call('get', '/api/playlists')).playlists.length === 0;
  } catch {
    return false;
  }
}
