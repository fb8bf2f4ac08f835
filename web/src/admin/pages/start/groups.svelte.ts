// The groups of a playlist, and which of them are left out.

import { call, type Schema } from '../../api/call';

type Rule = Schema<'RuleDocument'>;

export type Group = Schema<'GroupDocument'>;

/** Groups that are asked for at once, and those of which the page knows. */
const PART = 500;
const MAX_GROUPS = 10_000;

/** Rules that a playlist may have. */
const MAX_RULES = 500;

/** The server compares groups so, too. */
const keyOf = (name: string): string => name.toLowerCase();

/** Whether a rule takes or leaves out one group, as the rules of this page do. */
const isOurs = ({ field, is, action }: Rule): boolean =>
  field === 'group' && typeof is === 'string' && (action === 'include' || action === 'exclude');

const rule = (action: string, name: string): Rule => ({ field: 'group', is: name, action });

export class Groups {
  readonly all: Group[];
  /** Whether there are more than the page knows. */
  readonly isCut: boolean;
  /** By their keys. */
  chosen = $state.raw(new Set<string>());
  private readonly playlist: number;
  private readonly others: Rule[];

  private constructor(playlist: number, all: Group[], isCut: boolean, rules: Rule[]) {
    [this.playlist, this.all, this.isCut] = [playlist, all, isCut];
    this.others = rules.filter((one) => !isOurs(one));
    const named = (action: string) =>
      new Set(rules.filter((one) => isOurs(one) && one.action === action).map(({ is }) => keyOf(is ?? '')));
    const [included, excluded] = [named('include'), named('exclude')];
    const isIn = (key: string) => (included.size === 0 || included.has(key)) && !excluded.has(key);
    this.chosen = new Set(all.map(({ name }) => keyOf(name)).filter(isIn));
  }

  static async load(playlist: number): Promise<Groups> {
    const [{ rules }, { groups, isCut }] = await Promise.all([
      call('get', '/api/playlists/{id}/rules', { id: playlist }),
      groupsOf(playlist),
    ]);
    return new Groups(playlist, groups, isCut, rules);
  }

  has({ name }: Group): boolean {
    return this.chosen.has(keyOf(name));
  }

  /** Takes groups, or leaves them out. */
  set(groups: Group[], isChosen: boolean): void {
    const chosen = new Set(this.chosen);
    for (const { name } of groups) {
      isChosen ? chosen.add(keyOf(name)) : chosen.delete(keyOf(name));
    }
    this.chosen = chosen;
  }

  /** Whether a group that the provider adds later is taken: where most of them are. */
  get takesNew(): boolean {
    return this.all.filter((group) => this.has(group)).length * 2 >= this.all.length;
  }

  /** The rules that say so: those with the fewest groups to name. */
  get rules(): Rule[] {
    const taken = this.all.filter((group) => this.has(group));
    const left = this.all.filter((group) => !this.has(group));
    const ours = this.takesNew ? left.map(({ name }) => rule('exclude', name)) : taken.map(({ name }) => rule('include', name));
    return [...this.others, ...ours];
  }

  /** Whether there are more rules than a playlist may have. */
  get isTooMuch(): boolean {
    return this.rules.length > MAX_RULES;
  }

  async save(): Promise<Schema<'RulesEffect'>> {
    return call('put', '/api/playlists/{id}/rules', { id: this.playlist, body: { rules: this.rules } });
  }
}

/** All groups of a playlist, a part at a time. */
async function groupsOf(playlist: number): Promise<{ groups: Group[]; isCut: boolean }> {
  let groups: Group[] = [];
  let after: number | null = null;
  for (let asked = 0; asked < MAX_GROUPS; asked += PART) {
    const part: Schema<'GroupList'> = await call('get', '/api/lineup/groups', { query: { after, limit: PART } });
    groups = [...groups, ...part.groups.filter((group) => group.playlist === playlist)];
    after = part.next;
    if (after === null) {
      return { groups, isCut: false };
    }
  }
  return { groups, isCut: true };
}
