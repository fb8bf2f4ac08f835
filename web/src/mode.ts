// How the stream is delivered: as HLS, or as one endless transport stream, which is sooner. The address says it, else the last choice.

/** The two ways. */
export type Mode = 'hls' | 'live';

const KEY = 'forebay.mode';

/** What the address or the last choice says. */
export function readMode(): Mode {
  const said = new URLSearchParams(location.search).get('mode') ?? recall(KEY);
  return said === 'live' ? 'live' : 'hls';
}

/** Keeps a choice, in the address too, so that it can be passed on. */
export function keepMode(mode: Mode): void {
  keep(KEY, mode);
  const url = new URL(location.href);
  url.searchParams.set('mode', mode);
  history.replaceState(null, '', url);
}

/** What was kept; storage may be forbidden. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keeps something for the next visit, where that is allowed. */
export function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // The page works without.
  }
}
