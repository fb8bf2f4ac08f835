// A relay as the API tells it: a channel in the words of the configuration.

/** An address, or an object as in the configuration. */
export type Source = string | ({ url: string } & Record<string, unknown>);

export interface Relay {
  id: number;
  name: string;
  output_path: string;
  source_urls: Source[];
  number?: number;
  group?: string;
  logo?: string;
  /** Why it cannot be watched with the configuration in force. */
  unplayable: { code: string; message: string } | null;
}

export const addressOf = (source: Source): string => (typeof source === 'string' ? source : source.url);

/** The same source with another address: what else is set of it stays. */
export const withAddress = (source: Source, url: string): Source =>
  typeof source === 'string' ? url : { ...source, url };

/** A name for addresses, made of a name for people: `Sport TV 1` → `sport-tv-1` */
export function pathFrom(name: string): string {
  const plain = name.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  return plain.replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
}
