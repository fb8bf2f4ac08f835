// Who says which guide a channel has: a playlist, a relay or the configuration. Only the first two are changed here.

import { call } from '../../api/call';

/** Parts of a list that are looked through at most. */
const MAX_PARTS = 20;
const PART = 500;

export type Owner =
  | { kind: 'playlist' | 'relay'; id: number; /** What was set here before; null where nothing was. */ before: string | null }
  | { kind: 'configuration' };

/** Finds what the channel of this id and name belongs to. */
export async function ownerOf(id: string, name: string): Promise<Owner> {
  let after: number | null = null;
  for (let part = 0; part < MAX_PARTS; part += 1) {
    const query: Record<string, string | number | null> = { search: name, after, limit: PART };
    const { channels, next } = await call('get', '/api/lineup/channels', { query });
    const found = channels.find((channel) => channel.path === id);
    if (found) {
      const before = found.edited.includes('tvg_id') ? found.tvg_id : null;
      return { kind: 'playlist', id: found.id, before };
    }
    after = next ?? null;
    if (after === null) {
      break;
    }
  }
  after = null;
  for (let part = 0; part < MAX_PARTS; part += 1) {
    const query: Record<string, string | number | null> = { after, limit: PART };
    const { relays, next } = await call('get', '/api/relays', { query });
    const found = relays.find((relay) => relay.output_path === id);
    if (found) {
      const before = (found as { tvg_id?: unknown }).tvg_id;
      return { kind: 'relay', id: found.id, before: typeof before === 'string' ? before : null };
    }
    after = next ?? null;
    if (after === null) {
      break;
    }
  }
  return { kind: 'configuration' };
}

/** Gives the channel this id in guides; null takes it back. */
export async function setGuideId(owner: Exclude<Owner, { kind: 'configuration' }>, tvg_id: string | null): Promise<void> {
  if (owner.kind === 'playlist') {
    await call('patch', '/api/lineup/channels/{id}', { id: owner.id, body: { tvg_id } });
  } else {
    await call('patch', '/api/relays/{id}', { id: owner.id, body: { tvg_id } });
  }
}
