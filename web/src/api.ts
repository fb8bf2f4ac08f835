// What the server says of a channel (docs/http-api.md).

/** What the page shows of `GET /api/streams/{id}/status`. */
export interface Status {
  name: string;
  number: number | null;
  active: boolean;
  state: string;
  /** Elementary streams, as in `AAC (deu)`; only of an open channel. */
  streams?: string[];
  /** Bits a second; only of an open channel. */
  bitrate?: number;
}

/** How a request for a stream was answered. */
export type Answer =
  | { kind: 'ok' }
  | { kind: 'refused'; code: string; message: string; retryAfterSeconds: number | null }
  | { kind: 'unreachable' };

/** The server answers within its `start_timeout` (10 s unless configured otherwise); a proxy before it may wait a minute. */
const ANSWER_LIMIT_MS = 65_000;

/** A status document is made at once; one that takes longer is of no use any more. */
const STATUS_LIMIT_MS = 5_000;

/** The addresses of one channel. Relative to the page's, since a proxy may serve it below a path. */
export class Addresses {
  readonly id: string;
  readonly #root: URL;

  constructor(page: URL) {
    this.#root = new URL('..', page);
    this.id = page.pathname.slice(page.pathname.lastIndexOf('/') + 1);
  }

  get transportStream(): string {
    return this.#at(`stream/${this.id}`);
  }

  get playlist(): string {
    return this.#at(`stream/${this.id}/index.m3u8`);
  }

  /** For other players, of which some look at the ending. */
  get elsewhere(): string {
    return this.#at(`stream/${this.id}.ts`);
  }

  get status(): string {
    return this.#at(`api/streams/${this.id}/status`);
  }

  #at(path: string): string {
    return new URL(path, this.#root).href;
  }
}

/** Asks for a stream, without taking it: opens the channel, and says why if that cannot be. */
export async function ask(url: string, signal: AbortSignal): Promise<Answer> {
  const done = new AbortController();
  const limits = AbortSignal.any([signal, done.signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]);
  try {
    const answer = await fetch(url, { signal: limits, cache: 'no-store' });
    if (answer.ok) {
      return { kind: 'ok' };
    }
    const seconds = Number.parseInt(answer.headers.get('Retry-After') ?? '', 10);
    const retryAfterSeconds = Number.isFinite(seconds) ? seconds : null;
    const error = await errorOf(answer);
    return { kind: 'refused', ...error, retryAfterSeconds };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'unreachable' };
  } finally {
    done.abort();
  }
}

/** The error in an answer, or what stands for it in one that is not Forebay's own, as a proxy's. */
async function errorOf(answer: Response): Promise<{ code: string; message: string }> {
  const body: unknown = await answer.json().catch(() => null);
  const error = (body as { error?: { code?: unknown; message?: unknown } } | null)?.error;
  return {
    code: typeof error?.code === 'string' ? error.code : `http_${answer.status}`,
    message: typeof error?.message === 'string' ? error.message : `The server answered ${answer.status}.`,
  };
}

/** The channel's status, or null where it cannot be had now. */
export async function readStatus(url: string): Promise<Status | null> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(STATUS_LIMIT_MS), cache: 'no-store' });
    return answer.ok ? ((await answer.json()) as Status) : null;
  } catch {
    return null;
  }
}
