// One channel as it is now, and the curves of what it was lately.

import { call, messageOf, Refused, type Schema } from '../../api/call';
import { poll } from '../../poll';
import type { Stream } from '../../live.svelte';

/** Often enough for curves, in ms. */
const EVERY_MS = 2_000;

/** Points of a curve: four minutes. */
export const POINTS = 120;

export class Watched {
  readonly id: string;
  /** What the list says of it; null where it is not listed. */
  entry = $state.raw<Schema<'ChannelInList'> | null>(null);
  status = $state.raw<Schema<'ChannelStatus'> | null>(null);
  /** Bits a second, the latest last. */
  bitrates = $state.raw<number[]>([]);
  /** Seconds in the buffer, the latest last. */
  buffers = $state.raw<number[]>([]);
  /** There is no such channel. */
  isUnknown = $state(false);
  error = $state('');
  /** What has happened to it lately, the newest last; null before the server has told. */
  events = $state.raw<Schema<'EventDocument'>[] | null>(null);

  constructor(id: string) {
    this.id = id;
  }

  /** Its figures while it is open. */
  get stream(): Stream | null {
    return this.status !== null && 'failovers' in this.status ? this.status : null;
  }

  get name(): string {
    return this.entry?.name ?? this.status?.name ?? this.id;
  }

  /** Follows it until what is returned is called. */
  start(): () => void {
    void this.introduce();
    return poll(EVERY_MS, () => this.load());
  }

  async load(): Promise<void> {
    try {
      const query = { urls: 'full' };
      this.status = await call('get', '/api/streams/{id}/status', { id: this.id, query });
      this.events = (await call('get', '/api/streams/{id}/events', { id: this.id })).events;
      [this.error, this.isUnknown] = ['', false];
      // A channel that is closed sends nothing and holds nothing.
      this.bitrates = [...this.bitrates, this.stream?.bitrate ?? 0].slice(-POINTS);
      this.buffers = [...this.buffers, this.stream?.buffer.seconds ?? 0].slice(-POINTS);
    } catch (thrown) {
      this.isUnknown = thrown instanceof Refused && thrown.code === 'unknown_channel';
      this.error = messageOf(thrown);
    }
  }

  private async introduce(): Promise<void> {
    try {
      this.entry = await call('get', '/api/channels/{id}', { id: this.id });
    } catch {
      // A variant is not listed; the status says whether there is such a channel.
    }
  }
}
