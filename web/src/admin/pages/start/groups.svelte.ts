// The groups of a playlist, and which of them are left out.

import { call, type Schema } from '../../api/call';
import type { Playlist } from '../playlists/playlist';
import { fold } from './fold';

type Rule = Schema<'RuleDocument'>;

export type Group = Schema<'GroupDocument'>;

/** Groups that are asked for at once, and those of a playlist of which the page knows. */
const PART = 500;
const MAX_GROUPS = 10_000;

/** Rules that a playlist may have. */
const MAX_RULES = 500;

/** The server joins groups and compares them with rules by this. */
const keyOf = ({ name }: Group): string => fold(name);

const keyOfRule = ({ is }: Rule): string => fold(is ?? '');

/** Whether a rule takes or leaves out one group, as the rules of this page do. */
const isOurs = ({ field, is, action }: Rule): boolean =>
  field === 'group' && typeof is === 'string' && (action === 'include' || action === 'exclude');

export class Groups {
  readonly all: Group[];
  /** Why this page cannot say which groups are kept; empty where it can. */
  readonly locked: string;
  /** By their keys. */
  chosen = $state.raw(new Set<string>());
  private readonly playlist: number;
  private readonly before: Rule[];
  private readonly known: Set<string>;

  private constructor({ id, owner }: Playlist, all: Group[], isCut: boolean, rules: Rule[]) {
    [this.playlist, this.all, this.before] = [id, all, rules];
    this.known = new Set(all.map(keyOf));
    this.locked = lockOf(owner, isCut, rules);
    const named = (action: string) =>
      new Set(rules.filter((one) => isOurs(one) && one.action === action).map(keyOfRule));
    const [included, excluded] = [named('include'), named('exclude')];
    const isIn = (key: string) => (included.size === 0 || included.has(key)) && !excluded.has(key);
    this.chosen = new Set([...this.known].filter(isIn));
  }

  static async load(playlist: Playlist): Promise<Groups> {
    const [{ rules }, { groups, isCut }] = await Promise.all([
      call('get', '/api/playlists/{id}/rules', { id: playlist.id }),
      groupsOf(playlist.id),
    ]);
    return new Groups(playlist, groups, isCut, rules);
  }

  has(group: Group): boolean {
    return this.chosen.has(keyOf(group));
  }

  /** Takes groups, or leaves them out. */
  set(groups: Group[], isChosen: boolean): void {
    const chosen = new Set(this.chosen);
    for (const key of groups.map(keyOf)) {
      isChosen ? chosen.add(key) : chosen.delete(key);
    }
    this.chosen = chosen;
  }

  /** Whether a rule is of a group that is shown, so that this page may take it away. */
  private isShown(rule: Rule): boolean {
    return isOurs(rule) && this.known.has(keyOfRule(rule));
  }

  /**
   * Whether a group that the provider adds later is taken: where most of them are, and no other rule takes groups by
   * their names.
   */
  get takesNew(): boolean {
    const takesOthers = this.before.some((rule) => rule.action === 'include' && !this.isShown(rule));
    return !takesOthers && this.all.filter((group) => this.has(group)).length * 2 >= this.all.length;
  }

  /**
   * The rules that say so: those with the fewest groups to name. A rule that is still needed keeps its place, as do all
   * rules of other kinds and of groups that are not shown. New ones come last.
   */
  get rules(): Rule[] {
    const action = this.takesNew ? 'exclude' : 'include';
    const isNamed = (group: Group) => this.has(group) !== this.takesNew;
    const missing = new Map(this.all.filter(isNamed).map((group) => [keyOf(group), group.name]));
    const kept = this.before.filter(
      (rule) => !this.isShown(rule) || (rule.action === action && missing.delete(keyOfRule(rule))),
    );
    return [...kept, ...[...missing.values()].map((name) => ({ field: 'group', is: name, action }))];
  }

  /** Whether there are more rules than a playlist may have. */
  get isTooMuch(): boolean {
    return this.rules.length > MAX_RULES;
  }

  async save(): Promise<Schema<'RulesEffect'>> {
    return call('put', '/api/playlists/{id}/rules', { id: this.playlist, body: { rules: this.rules } });
  }
}

function lockOf(owner: string, isCut: boolean, rules: Rule[]): string {
  if (owner !== 'api') {
    return 'This playlist belongs to the configuration file, and its rules are changed there.';
  }
  if (isCut) {
    return `This playlist has more than ${MAX_GROUPS} groups, which are too many for this page.`;
  }
  const isOther = rules.some((rule) => rule.action === 'include' && !isOurs(rule));
  return isOther ? 'This playlist takes channels by other rules, which this page cannot show.' : '';
}

/** All groups of a playlist, a part at a time. */
async function groupsOf(playlist: number): Promise<{ groups: Group[]; isCut: boolean }> {
  let groups: Group[] = [];
  let after: number | null = null;
  for (let asked = 0; asked < MAX_GROUPS; asked += PART) {
    const part: Schema<'GroupList'> = await call('get', '/api/lineup/groups', { query: { playlist, after, limit: PART } });
    groups = [...groups, ...part.groups];
    after = part.next;
    if (after === null) {
      return { groups, isCut: false };
    }
  }
  return { groups, isCut: true };
}
