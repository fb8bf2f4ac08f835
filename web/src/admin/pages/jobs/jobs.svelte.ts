// The jobs of one choice, the newest first, and the queues.

import { call, messageOf, type Schema } from '../../api/call';
import type { Job } from './job';

/** Jobs that are asked for at once. */
const PART = 100;

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

  choose(choice: Choice): void {
    this.choice = choice;
    [this.all, this.next] = [null, null];
  }

  /** Asks for the newest jobs. Older ones that have come stay as they are. */
  async load(): Promise<void> {
    const part = await this.ask(null);
    if (part === null) {
      return;
    }
    const last = part.jobs[part.jobs.length - 1];
    const older = last === undefined || part.next === null ? [] : (this.all ?? []).filter(({ id }) => id < last.id);
    if (older.length === 0) {
      this.next = part.next;
    }
    this.all = [...part.jobs, ...older];
    this.queues = part.queues;
    this.running = part.queues.reduce((sum, { running }) => sum + running, 0);
    this.refused = part.refused_total;
  }

  async loadOlder(): Promise<void> {
    const part = await this.ask(this.next);
    if (part !== null) {
      this.all = [...(this.all ?? []), ...part.jobs];
      this.next = part.next;
    }
  }

  /** Shows a job as it is now. */
  take(job: Job): void {
    this.all = (this.all ?? []).map((before) => (before.id === job.id ? job : before));
  }

  /** A part of the list; null where it did not come, or somebody has chosen other jobs since. */
  private async ask(before: number | null): Promise<Schema<'JobList'> | null> {
    const { choice } = this;
    try {
      const part = await call('get', '/api/v1/jobs', { query: { ...choice, before, limit: PART } });
      this.error = '';
      return choice === this.choice ? part : null;
    } catch (thrown) {
      this.error = messageOf(thrown);
      return null;
    }
  }
}
