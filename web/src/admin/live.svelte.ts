// What happens now, for as long as somebody looks at it: one stream of messages for all parts of the page.

import { at, type Schema } from './api/call';
import { who } from './session.svelte';

export type Now = Schema<'Now'>;
export type Stream = Schema<'OpenChannel'>;

/** Points of a curve, a second each. */
export const MAX_POINTS = 120;

/** The server ends each answer after a minute, and the browser asks again: that is no interruption. */
const GRACE_MS = 3_000;

/** How long to wait after a refusal, where the browser does not ask again by itself. */
const PAUSE_MS = 5_000;

class Live {
  now = $state.raw<Now | null>(null);
  /** Whether what is shown is of now. */
  isFresh = $state(false);
  /** Bits a second to viewers, the latest last. */
  bandwidth = $state.raw<number[]>([]);

  private source: EventSource | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Begins to listen; what is returned ends it. Nothing is sent while nobody sees the page. */
  start(): () => void {
    const turn = () => (document.hidden ? this.close() : this.open());
    document.addEventListener('visibilitychange', turn);
    turn();
    return () => {
      document.removeEventListener('visibilitychange', turn);
      this.close();
    };
  }

  private open(): void {
    this.close();
    this.source = new EventSource(at('api/events'));
    this.source.onmessage = (message) => this.take(JSON.parse(message.data) as Now);
    this.source.onerror = () => this.lose();
  }

  private close(): void {
    this.source?.close();
    this.source = null;
    clearTimeout(this.timer);
  }

  private take(now: Now): void {
    clearTimeout(this.timer);
    this.now = now;
    this.isFresh = true;
    this.bandwidth = [...this.bandwidth, now.status.server.bandwidth.now].slice(-MAX_POINTS);
  }

  private lose(): void {
    clearTimeout(this.timer);
    if (this.source?.readyState !== EventSource.CLOSED) {
      this.timer = setTimeout(() => (this.isFresh = false), GRACE_MS);
      return;
    }
    // It was refused: the session may have ended.
    this.isFresh = false;
    this.timer = setTimeout(() => this.open(), PAUSE_MS);
    void who.ask();
  }
}

export const live = new Live();
