// What somebody types on the first step, and the playlist that comes of it. Both stay while another step is looked at.

import { call, messageOf, Refused } from '../../api/call';
import { Form } from '../../form.svelte';
import { who } from '../../session.svelte';
import { Turns } from '../../turns';
import { isFirstRead, type Playlist } from '../playlists/playlist';
import { type Kind, read, sourceOf } from './address';
import { freeName } from './free';

const playlists = async () => (await call('get', '/api/playlists')).playlists as unknown as Playlist[];

class Provider {
  text = $state('');
  /** What somebody says that it is; null for what it looks like. */
  chosen = $state<Kind | null>(null);
  username = $state('');
  password = $state('');
  playlist = $state.raw<Playlist | null>(null);
  /** Why the server does not say how far the reading is. */
  lost = $state('');
  /** Whether the playlist is being changed. */
  isBusy = $state(false);
  readonly form = new Form();

  readonly pasted = $derived(read(this.text));
  readonly kind = $derived(this.chosen ?? this.pasted?.kind ?? 'list');
  readonly needsLogin = $derived(this.kind === 'account' && this.pasted !== null && !this.pasted.hasLogin);
  readonly phase = $derived.by(() => {
    if (this.playlist === null) {
      return 'new';
    }
    if (isFirstRead(this.playlist)) {
      return 'reading';
    }
    return this.playlist.state.summary === null ? 'failed' : 'taken';
  });

  private readonly turns = new Turns();
  private user: number | undefined;

  /** What one admin has typed is not for the next one who signs in here. */
  open(): void {
    if (this.user !== who.user?.id) {
      this.user = who.user?.id;
      this.reset();
    }
    void this.load();
  }

  reset(): void {
    this.turns.begin();
    [this.text, this.chosen, this.username, this.password] = ['', null, '', ''];
    [this.playlist, this.lost] = [null, ''];
    this.form.clear();
  }

  async add(): Promise<void> {
    await this.form.send(['url', 'username', 'password'], async () => {
      const { pasted, kind, needsLogin } = this;
      if (pasted === null) {
        throw new Error('This is not an address. It begins like http://provider.example/.');
      }
      await this.forget();
      const url = sourceOf(pasted, kind);
      const login = needsLogin ? { username: this.username.trim(), password: this.password } : {};
      const others = await playlists();
      const same = others.find((other) => other.url === url && (other.username ?? '') === (login.username ?? ''));
      if (same) {
        throw new Error(`The playlist ${same.name} has this address already.`);
      }
      const account = kind === 'account' ? { kind: 'xtream' } : {};
      const name = freeName(pasted.url.hostname, others.map((other) => other.name));
      const body = { name, url, ...account, ...login };
      const made = (await call('post', '/api/playlists', { body })) as unknown as Playlist;
      this.turns.begin();
      this.playlist = made;
    });
  }

  /** A try that brought nothing leaves nothing. */
  async forget(): Promise<void> {
    if (this.playlist !== null && this.phase !== 'taken') {
      // What is asked by now tells of what was.
      this.turns.begin();
      await call('delete', '/api/playlists/{id}', { id: this.playlist.id }).catch(unlessGone);
      [this.playlist, this.lost] = [null, ''];
    }
  }

  /** Ends the reading, and what has come of it. What was typed stays. */
  cancel = () => this.act(() => this.forget());

  /** Takes a list that the server holds back. */
  accept = () =>
    this.act(async () => {
      await call('post', '/api/playlists/{id}/held', { id: this.playlist?.id ?? 0 });
      await this.load();
    });

  /** Asks how far it is. */
  load = async (): Promise<void> => {
    const { playlist } = this;
    if (playlist === null) {
      return;
    }
    const isCurrent = this.turns.begin();
    try {
      const now = (await call('get', '/api/playlists/{id}', { id: playlist.id })) as unknown as Playlist;
      if (isCurrent()) {
        [this.playlist, this.lost] = [now, ''];
      }
    } catch (thrown) {
      if (isCurrent()) {
        isGone(thrown) ? this.lose() : (this.lost = messageOf(thrown));
      }
    }
  };

  private lose(): void {
    [this.playlist, this.lost] = [null, ''];
    this.form.error = 'Somebody has removed this playlist.';
  }

  private async act(action: () => Promise<void>): Promise<void> {
    [this.isBusy, this.form.error] = [true, ''];
    try {
      await action();
    } catch (thrown) {
      this.form.error = messageOf(thrown);
    } finally {
      this.isBusy = false;
    }
  }
}

const isGone = (thrown: unknown): boolean => thrown instanceof Refused && thrown.status === 404;

function unlessGone(thrown: unknown): void {
  if (!isGone(thrown)) {
    throw thrown;
  }
}

export const provider = new Provider();
