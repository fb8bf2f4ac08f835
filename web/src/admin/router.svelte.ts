// Which page is shown. Addresses are `admin/`, `admin/users`, …: relative, since a proxy may serve Forebay below a
// path, and one deep, so that the files of the page are found from each.

import type { Component } from 'svelte';
import { type Page, pageOf } from './pages';

const base = new URL('.', location.href);

class Router {
  /** The page that is shown; none before the first has been loaded. */
  page = $state.raw<Page | null>(null);
  component = $state.raw<Component | null>(null);
  /** What stands behind `?`. */
  query = $state.raw(new URLSearchParams());
  /** Whether the server did not give the page. */
  isLost = $state(false);
  /** Counts what was asked for: a page that comes late is not shown. */
  private turn = 0;

  /** Shows what the address says. */
  async follow(): Promise<void> {
    const page = pageOf(location.pathname.slice(base.pathname.length));
    const query = new URLSearchParams(location.search);
    this.turn += 1;
    const { turn } = this;
    if (page === this.page && !this.isLost) {
      this.query = query;
      return;
    }
    // All at once: what stands behind `?` is for the new page, and not for the one that is still shown.
    try {
      const { default: component } = await page.load();
      if (turn !== this.turn) {
        return;
      }
      [this.page, this.component, this.query, this.isLost] = [page, component, query, false];
    } catch {
      if (turn !== this.turn) {
        return;
      }
      // A newer version has other files.
      [this.page, this.component, this.query, this.isLost] = [page, null, query, true];
    }
    document.title = `${page.title} – Forebay`;
  }

  /** Goes to a page, as by a link to it. */
  async go(path: string): Promise<void> {
    history.pushState(null, '', new URL(path, base));
    await this.follow();
    scrollTo(0, 0);
    // Whoever hears the page hears the new one from its beginning.
    document.querySelector<HTMLElement>('h1')?.focus();
  }

  /** Puts something behind `?`, without a new entry in the history. */
  setQuery(name: string, value: string): void {
    if (pageOf(location.pathname.slice(base.pathname.length)) !== this.page) {
      // The next page is on its way, and this is not for it.
      return;
    }
    const url = new URL(location.href);
    value === '' ? url.searchParams.delete(name) : url.searchParams.set(name, value);
    history.replaceState(null, '', url);
    this.query = url.searchParams;
  }
}

export const router = new Router();

/** Takes clicks on links to pages of this interface. */
export function startRouter(): void {
  addEventListener('popstate', () => void router.follow());
  document.addEventListener('click', (event) => {
    const link = (event.target as Element).closest?.('a[href]');
    const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (!(link instanceof HTMLAnchorElement) || !isPlain || link.target !== '' || link.hasAttribute('download')) {
      return;
    }
    const url = new URL(link.href);
    if (url.origin === base.origin && url.pathname.startsWith(base.pathname)) {
      event.preventDefault();
      void router.go(url.pathname.slice(base.pathname.length) + url.search);
    }
  });
  void router.follow();
}
