// The downloads of whoever looks, as they are now.

import { at, call, messageOf, type Schema } from '../../api/call';
import { complain, tell } from '../../notices.svelte';

export type Download = Schema<'DownloadDocument'>;
export type Deed = 'pause' | 'resume' | 'retry' | 'cancel';

/** How long to wait after a refusal, where the browser does not ask again by itself. */
const PAUSE_MS = 5_000;

class Downloads {
  /** The newest first; null until they are known. */
  all = $state.raw<Download[] | null>(null);
  error = $state('');

  private source: EventSource | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Begins to listen; what is returned ends it. */
  start(): () => void {
    void this.load();
    this.open();
    return () => {
      this.source?.close();
      clearTimeout(this.timer);
    };
  }

  async load(): Promise<void> {
    try {
      ({ downloads: this.all } = await call('get', '/api/streaming/downloads'));
      this.error = '';
    } catch (thrown) {
      this.error = messageOf(thrown);
    }
  }

  async act(id: number, deed: Deed): Promise<void> {
    try {
      this.take(await call('post', `/api/streaming/downloads/{id}/${deed}`, { id }));
    } catch (thrown) {
      complain(messageOf(thrown));
    }
  }

  private open(): void {
    this.source = new EventSource(at('api/streaming/events'));
    this.source.addEventListener('fetch', (message: MessageEvent<string>) => {
      this.take(JSON.parse(message.data) as Download);
    });
    this.source.onerror = () => {
      if (this.source?.readyState === EventSource.CLOSED) {
        this.timer = setTimeout(() => this.open(), PAUSE_MS);
      }
    };
  }

  private take(download: Download): void {
    const before = this.all?.find(({ id }) => id === download.id);
    const others = (this.all ?? []).filter(({ id }) => id !== download.id);
    if (download.state === 'cancelled') {
      this.all = others;
      return;
    }
    this.all = [...others, download].sort((a, b) => b.id - a.id);
    if (before && before.state !== download.state) {
      if (download.state === 'completed') {
        tell(`${download.title} is complete.`);
      } else if (download.state === 'failed') {
        complain(`${download.title}: ${download.error ?? 'it has failed'}`);
      }
    }
  }
}

export const downloads = new Downloads();
