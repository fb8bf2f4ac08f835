// The list of channels: a part of it at a time, as there may be a hundred thousand.

import { Addresses, type Channel, readChannels } from './api';
import { element, make } from './element';

/** Channels that are fetched at once. */
const PART = 50;

/** A search begins when nothing was typed for so long, in ms. */
const TYPED_MS = 200;

/** What a viewer chooses a channel with. */
export interface List {
  /** Marks this channel, whose place in the list is this; shows it if nothing is shown yet. */
  mark(id: string, position: number): void;
  /** Goes to the field to search in. */
  search(): void;
}

/** Fills `#channels`. Without `chosen`, its links lead to the channels' pages. */
export function startList(chosen?: (id: string) => void): List {
  const field = make('input', '');
  field.type = 'search';
  field.placeholder = 'Search by name, group or number';
  field.setAttribute('aria-label', 'Search the channels');
  const count = make('p', 'count');
  count.setAttribute('role', 'status');
  const rows = make('ul', '');
  const [earlier, later] = [make('button', '', 'Earlier channels'), make('button', '', 'More channels')];
  const heading = chosen ? [make('h2', '', 'Channels')] : [];
  element('channels', HTMLElement).append(...heading, field, count, make('div', 'scroll', earlier, rows, later));

  let marked = '';
  /** What is shown: from this place to that. */
  let [from, to] = [0, 0];
  /** Counts what is asked for, to know late answers. */
  let wish = 0;

  /** Shows a part of the list beside what is shown, or in its place. */
  const show = async (offset: number, limit: number, how: 'anew' | 'before' | 'after') => {
    wish += 1;
    const mine = wish;
    const search = field.value.trim();
    const part = await readChannels(search, offset, limit);
    if (mine !== wish) {
      return;
    }
    if (part === null) {
      count.textContent = 'The list cannot be had now.';
      return;
    }
    const made = part.channels.map((channel) => row(channel, marked));
    const end = offset + made.length;
    if (how === 'before') {
      rows.prepend(...made);
      from = offset;
    } else {
      how === 'anew' ? rows.replaceChildren(...made) : rows.append(...made);
      [from, to] = [how === 'anew' ? offset : from, end];
    }
    earlier.hidden = from === 0;
    later.hidden = to >= part.total || made.length === 0;
    count.textContent = tell(part.total, search !== '');
  };

  let typed: number | undefined;
  field.oninput = () => {
    clearTimeout(typed);
    typed = setTimeout(() => void show(0, PART, 'anew'), TYPED_MS);
  };
  field.onkeydown = (event) => {
    if (event.key === 'Enter') {
      rows.querySelector('a')?.click();
    }
  };
  earlier.onclick = () => void show(Math.max(from - PART, 0), Math.min(from, PART), 'before');
  later.onclick = () => void show(to, PART, 'after');
  // Who has come to the end of what is shown gets more unasked.
  new IntersectionObserver((seen) => {
    if (to > 0 && seen.some((entry) => entry.isIntersecting)) {
      later.click();
    }
  }).observe(later);

  element('channels', HTMLElement).addEventListener('keydown', walk);
  rows.addEventListener('click', (event) => {
    const link = (event.target as Element).closest('a');
    // Another tab or window is the browser's to open.
    if (chosen && link?.dataset.id && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
      event.preventDefault();
      chosen(link.dataset.id);
    }
  });
  if (!chosen) {
    void show(0, PART, 'anew');
  }

  return {
    mark(id, position) {
      marked = id;
      rows.querySelector('[aria-current]')?.removeAttribute('aria-current');
      rows.querySelector(`[data-id="${CSS.escape(id)}"]`)?.setAttribute('aria-current', 'page');
      if (to === 0 && wish === 0) {
        // A few before it, for the eye to see that there are some.
        void show(Math.max(position - 3, 0), PART, 'anew');
      }
    },
    search() {
      field.focus();
      field.select();
    },
  };
}

function tell(total: number, isSearch: boolean): string {
  const channels = `${total.toLocaleString()} ${total === 1 ? 'channel' : 'channels'}`;
  return isSearch && total === 0 ? 'No channel matches.' : isSearch ? `${channels} found` : channels;
}

function row(channel: Channel, marked: string): HTMLLIElement {
  const what = make('span', 'what', channel.name);
  if (channel.group !== null) {
    what.append(make('small', '', channel.group));
  }
  const link = make('a', '', make('span', 'place', channel.number === null ? '' : `${channel.number}`));
  const addresses = new Addresses(channel.id);
  if (channel.has_logo) {
    const logo = make('img', 'logo');
    logo.alt = '';
    logo.loading = 'lazy';
    logo.onerror = () => logo.remove();
    logo.src = addresses.logo;
    link.append(logo);
  }
  link.append(what);
  link.href = addresses.page;
  link.dataset.id = channel.id;
  if (channel.id === marked) {
    link.setAttribute('aria-current', 'page');
  }
  return make('li', '', link);
}

/** Up and down lead from the field to the rows and from row to row. */
function walk(event: KeyboardEvent): void {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') {
    return;
  }
  const places = [...(event.currentTarget as Element).querySelectorAll<HTMLElement>('input, li a')];
  const next = places[places.indexOf(event.target as HTMLElement) + (event.key === 'ArrowDown' ? 1 : -1)];
  if (next !== undefined) {
    event.preventDefault();
    next.focus();
  }
}
