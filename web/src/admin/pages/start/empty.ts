// Whether a server has nothing to watch yet.

import { call } from '../../api/call';

/** False too where the server does not say: the first steps are then one link away. */
export async function isEmpty(): Promise<boolean> {
  try {
    const [{ total }, { playlists }] = await Promise.all([
      call('get', '/api/channels', { query: { limit: 1 } }),
      call('get', '/api/playlists'),
    ]);
    return total === 0 && playlists.length === 0;
  } catch {
    return false;
  }
}
