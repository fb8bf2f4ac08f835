// What all forms have: one request at a time, and each error of the server at its field.

import { messageOf, Refused, sentence } from './api/call';

export class Form {
  isBusy = $state(false);
  /** What is wrong that no field can be blamed for. */
  error = $state('');
  /** What is wrong with a field, by its path in the request. */
  private fields = $state<Record<string, string>>({});

  /** What is wrong with a field or with something in it; nothing where nothing is. */
  wrong(path: string): string {
    const own = (key: string) => key === path || key.startsWith(`${path}.`) || key.startsWith(`${path}[`);
    const found = Object.keys(this.fields).find(own);
    return found === undefined ? '' : (this.fields[found] ?? '');
  }

  /**
   * Sends it. `known` are the fields that the form has: what is wrong with another one is told for the form as a whole.
   * The first field that is wrong gets the focus.
   */
  async send(known: string[], request: () => Promise<void>): Promise<void> {
    if (this.isBusy) {
      return;
    }
    this.isBusy = true;
    this.clear();
    try {
      await request();
    } catch (thrown) {
      this.take(thrown, known);
    } finally {
      this.isBusy = false;
    }
  }

  /** Forgets what was wrong. */
  clear(): void {
    [this.error, this.fields] = ['', {}];
  }

  private take(thrown: unknown, known: string[]): void {
    const wrong = thrown instanceof Refused ? thrown.fields : [];
    // Which field it is, the form shows.
    const plain = (message: string) => sentence(message.replace(/^[a-z_]+: /, ''));
    this.fields = Object.fromEntries(wrong.map(({ path, message }) => [path, plain(message)]));
    const isKnown = ({ path }: { path: string }) => known.includes(path.replace(/[.[].*$/, ''));
    const others = wrong.filter((field) => !isKnown(field)).map(({ path, message }) => `${path}: ${sentence(message)}`);
    this.error = wrong.length === 0 ? messageOf(thrown) : others.join(' ');
    // Once the page shows them.
    setTimeout(() => document.querySelector<HTMLElement>('dialog [aria-invalid="true"], form [aria-invalid="true"]')?.focus());
  }
}
