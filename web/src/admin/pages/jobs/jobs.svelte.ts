// The jobs of one choice, the newest first, and the queues.

import { call, messageOf, type Schema } from '../../api/call';
import { Turns } from '../../turns';
import { isOpen, type Job } from './job';

/** Jobs that are asked for at once. */
const PART = 100;

/** Jobs that are shown: each is a row of the page. */
const MAX_JOBS = 1_000;

interface Choice {
  state: string;
  kind: string;
}

export class Jobs {
  /** Null until they are known. */
  all = $state.raw<Job[] | null>(null);
  queues = $state.raw<Schema<'QueueDocument'>[]>([]);
  /** Jobs that run, of all kinds; null until that is known. */
  running = $state<number | null>(null);
  /** Jobs that found the queues full since the start. */
  refused = $state(0);
  /** Where the older jobs begin; null where there are none. */
  next = $state<number | null>(null);
  error = $state('');
  private choice: Choice = { state: '', kind: '' };
  /** Below this number, older jobs are asked for next. */
  private refreshed = Infinity;
  private readonly turns = new Turns();

  choose(choice: Choice): void {
    this.choice = choice;
    [this.all, this.next, this.refreshed] = [null, null, Infinity];
    this.turns.begin();
  }

  /** Asks for the newest jobs, and for a part of the older ones that may have changed. */
  async load(): Promise<void> {
    const isCurrent = this.turns.begin();
    const before = this.unsettled();
    const asked = [null, ...(before === null ? [] : [before])];
    const parts = await Promise.all(asked.map((from) => this.ask(from)));
    if (!isCurrent()) {
      return;
    }
    parts.forEach((part, place) => part && this.merge(part, asked[place] ?? null));
    const newest = parts[0];
    if (newest) {
      this.queues = newest.queues;
      this.running = newest.queues.reduce((sum, { running }) => sum + running, 0);
      this.refused = newest.refused_total;
    }
  }

  async loadOlder(): Promise<void> {
    const { next } = this;
    const part = await this.ask(next);
    if (part !== null) {
      this.merge(part, next);
    }
  }

  /** Whether no older jobs are shown, although there are some. */
  get isFull(): boolean {
    return this.next !== null && (this.all?.length ?? 0) >= MAX_JOBS;
  }

  /**
   * Where the next part begins with a job that is not over, behind the newest part; null where all are over. The parts
   * take turns.
   */
  private unsettled(): number | null {
    const open = (this.all ?? []).slice(PART).filter(isOpen);
    const job = open.find(({ id }) => id < this.refreshed) ?? open[0];
    this.refreshed = job === undefined ? Infinity : job.id - PART;
    return job === undefined ? null : job.id + 1;
  }

  /** Puts a part in the place of what was known of those jobs. */
  private merge({ jobs, next }: Schema<'JobList'>, before: number | null): void {
    const all = this.all ?? [];
    const newer = before === null ? [] : all.filter(({ id }) => id >= before);
    const last = jobs[jobs.length - 1];
    const older = last === undefined || next === null ? [] : all.filter(({ id }) => id < last.id);
    const merged = [...newer, ...jobs, ...older];
    this.next = merged.length > MAX_JOBS ? (merged[MAX_JOBS - 1]?.id ?? null) : older.length === 0 ? next : this.next;
    this.all = merged.slice(0, MAX_JOBS);
  }

  /** Shows a job as it is now. */
  take(job: Job): void {
    this.turns.begin();
    this.all = (this.all ?? []).map((before) => (before.id === job.id ? job : before));
  }

  /** A part of the list; null where it did not come, or somebody has chosen other jobs since. */
  private async ask(before: number | null): Promise<Schema<'JobList'> | null> {
    const { choice } = this;
    try {
      const part = await call('get', '/api/v1/jobs', { query: { ...choice, before, limit: PART } });
      if (choice !== this.choice) {
        return null;
      }
      this.error = '';
      return part;
    } catch (thrown) {
      this.error = choice === this.choice ? messageOf(thrown) : this.error;
      return null;
    }
  }
}
