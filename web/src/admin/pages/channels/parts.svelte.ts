// The channels, as far as they are seen: there may be a hundred thousand, and no page asks for all.

import { call, messageOf, type Schema } from '../../api/call';

type Channel = Schema<'ChannelEntry'>;

/** Channels that are asked for at once. */
const PART = 100;

/** Parts that are kept: more than anybody sees, and no more than a megabyte. */
const MAX_KEPT = 50;

/** Whoever scrolls past thousands wants none of them: a part is asked for when it is still wanted after so long. */
const SETTLED_MS = 50;

export class ChannelParts {
  total = $state(0);
  /** Whether the server has answered. */
  isKnown = $state(false);
  /** Whether these are all channels, and not what a search found. */
  isOfAll = $state(true);
  error = $state('');
  /** The parts that have come, by their place; in the order in which they came. */
  private parts = $state.raw(new Map<number, Channel[]>());
  private asked = new Set<number>();
  private text = '';
  private running = new AbortController();
  private wish: ReturnType<typeof setTimeout> | undefined;

  /** The channel at this place, once it has come. */
  channel(place: number): Channel | undefined {
    return this.parts.get(Math.floor(place / PART))?.[place % PART];
  }

  /** Begins anew, with what matches this text. */
  search(text: string): void {
    this.running.abort();
    this.running = new AbortController();
    this.asked.clear();
    this.text = text;
    void this.load(0, true);
  }

  /** Sees to it that these places come. */
  want(from: number, to: number): void {
    clearTimeout(this.wish);
    const first = Math.floor(from / PART);
    const missing = Array.from({ length: Math.ceil(to / PART) - first }, (_, at) => first + at).filter(
      (part) => !this.parts.has(part) && !this.asked.has(part),
    );
    if (missing.length > 0) {
      this.wish = setTimeout(() => missing.forEach((part) => void this.load(part, false)), SETTLED_MS);
    }
  }

  private async load(part: number, isFirst: boolean): Promise<void> {
    this.asked.add(part);
    const { signal } = this.running;
    try {
      const query = { search: this.text, offset: part * PART, limit: PART };
      const { total, channels } = await call('get', '/api/channels', { query, signal });
      const kept = isFirst ? [] : [...this.parts].filter(([at]) => at !== part).slice(1 - MAX_KEPT);
      [this.total, this.isKnown, this.isOfAll, this.error] = [total, true, this.text === '', ''];
      this.parts = new Map([...kept, [part, channels]]);
    } catch (thrown) {
      if (!signal.aborted) {
        this.error = messageOf(thrown);
      }
    } finally {
      if (!signal.aborted) {
        this.asked.delete(part);
      }
    }
  }
}
