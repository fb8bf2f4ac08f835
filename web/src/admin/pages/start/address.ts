// What somebody pastes, and what it most likely is.

export type Kind = 'list' | 'account' | 'tuner';

export const KINDS: { kind: Kind; title: string }[] = [
  { kind: 'list', title: 'A list of channels (M3U)' },
  { kind: 'account', title: 'An account (Xtream Codes)' },
  { kind: 'tuner', title: 'An HDHomeRun tuner' },
];

/** What an address says; null while it is none. */
export interface Pasted {
  url: URL;
  kind: Kind;
  /** Whether it has the name and the password of an account in it. */
  hasLogin: boolean;
}

/** The pages of a panel that take a name and a password. */
const PANEL = /\/(?:player_api|get|xmltv|panel_api)\.php$/;

/** Where tuners say what they are and have. */
const TUNER = /\/(?:discover\.json|lineup\.json|lineup\.m3u)$/;

/** Networks of homes, where tuners are. */
const HOME = /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.)|\.local$|^hdhomerun/;

export function read(text: string): Pasted | null {
  const trimmed = text.trim();
  if (trimmed === '' || /\s/.test(trimmed)) {
    return null;
  }
  let url: URL;
  try {
    url = new URL(/^[a-z][\w+.-]*:\/\//i.test(trimmed) ? trimmed : `http://${trimmed}`);
  } catch {
    return null;
  }
  const query = url.searchParams;
  const hasLogin = query.has('username') && query.has('password');
  const isBare = url.pathname === '/' && url.search === '';
  if (PANEL.test(url.pathname) || hasLogin) {
    return { url, kind: 'account', hasLogin };
  }
  if (TUNER.test(url.pathname) || (isBare && HOME.test(url.hostname))) {
    return { url, kind: 'tuner', hasLogin: false };
  }
  // A panel is often given by its host alone.
  return { url, kind: isBare ? 'account' : 'list', hasLogin: false };
}

/** The address from which Forebay reads the channels. A tuner behind a proxy may be below a path. */
export function sourceOf({ url }: Pasted, kind: Kind): string {
  return kind === 'tuner' ? new URL('lineup.m3u', url).href : url.href;
}
