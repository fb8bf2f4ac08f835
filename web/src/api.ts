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

/** What the list says of a channel. */
export interface Channel {
  id: string;
  name: string;
  number: number | null;
  group: string | null;
  has_logo: boolean;
}

/** A channel with its place in the list, and what stands beside it there. */
export interface Placed extends Channel {
  position: number;
  previous: Channel | null;
  next: Channel | null;
}

/** What a channel shows at a time; both times as `Date` reads them. */
export interface Programme {
  start: string;
  stop: string;
  title: string;
  sub_title?: string;
}

/** A part of the list, or of what a search found. */
export interface Part {
  total: number;
  offset: number;
  channels: Channel[];
}

/** What is known of a source that does not play. Both are null where it has not failed: it has not answered either. */
export interface Failure {
  reason: string | null;
  message: string | null;
}

/** Why a stream was refused. */
export interface Refusal {
  code: string;
  message: string;
  sources: Failure[];
}

/** How a request for a stream was answered. */
export type Answer =
  | { kind: 'ok' }
  | ({ kind: 'refused'; retryAfterSeconds: number | null } & Refusal)
  | { kind: 'unreachable' };

/** The server answers within its `start_timeout` (10 s unless configured otherwise); a proxy before it may wait a minute. */
const ANSWER_LIMIT_MS = 65_000;

/** Documents are made at once; one that takes longer is of no use any more. */
const DOCUMENT_LIMIT_MS = 5_000;

/** The addresses of the server. Relative to the page's, since a proxy may serve it below a path. */
const root = new URL('..', location.href);

const at = (path: string) => new URL(path, root).href;

/** The addresses of one channel. */
export class Addresses {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  /** The same channel with sound that browsers play, which the server makes. */
  get inBrowser(): Addresses {
    return new Addresses(`${this.id}@browser`);
  }

  get page(): string {
    return at(`watch/${this.id}`);
  }

  get transportStream(): string {
    return at(`stream/${this.id}`);
  }

  get playlist(): string {
    return at(`stream/${this.id}/index.m3u8`);
  }

  /** For other players, of which some look at the ending. */
  get elsewhere(): string {
    return at(`stream/${this.id}.ts`);
  }

  /** A list of this channel alone, which a player opens. */
  get file(): string {
    return at(`stream/${this.id}/channel.m3u`);
  }

  get logo(): string {
    return at(`api/channels/${this.id}/logo`);
  }

  get status(): string {
    return at(`api/streams/${this.id}/status`);
  }

  get placed(): string {
    return at(`api/channels/${this.id}`);
  }

  /** The programmes of a day from now on. */
  get guide(): string {
    return at(`api/epg/${this.id}`);
  }
}

/** The channel that an address of a page names. */
export function idOf(page: Location): string {
  return page.pathname.slice(page.pathname.lastIndexOf('/') + 1);
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
    return { kind: 'refused', ...(await refusalOf(answer)), retryAfterSeconds };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'unreachable' };
  } finally {
    done.abort();
  }
}

/** The error in an answer, or what stands for it in one that is not Forebay's own, as a proxy's. */
async function refusalOf(answer: Response): Promise<Refusal> {
  const body = (await answer.json().catch(() => null)) as { error?: Partial<Refusal> } | null;
  const error = body?.error;
  return {
    code: typeof error?.code === 'string' ? error.code : `http_${answer.status}`,
    message: typeof error?.message === 'string' ? error.message : `The server answered ${answer.status}.`,
    sources: Array.isArray(error?.sources) ? error.sources : [],
  };
}

/** The channel's status, or null where it cannot be had now. */
export const readStatus = (addresses: Addresses): Promise<Status | null> => read(addresses.status);

/** The channel and its neighbours, or null where that cannot be had now. */
export const readPlaced = (addresses: Addresses): Promise<Placed | null> => read(addresses.placed);

/** The programmes of a day, or null where they cannot be read now. */
export const readProgrammes = (addresses: Addresses): Promise<{ programmes: Programme[] } | null> =>
  read(addresses.guide);

/** A part of the channels that match all words of `search`; of all where that is empty. */
export function readChannels(search: string, offset: number, limit: number): Promise<Part | null> {
  return read(at(`api/channels?${new URLSearchParams({ search, offset: `${offset}`, limit: `${limit}` })}`));
}

async function read<T>(url: string): Promise<T | null> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(DOCUMENT_LIMIT_MS), cache: 'no-store' });
    return answer.ok ? ((await answer.json()) as T) : null;
  } catch {
    return null;
  }
}
