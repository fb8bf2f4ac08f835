// Requests to the API, with the types of docs/openapi.json: `npm run types` makes `schema.d.ts` of it.

import type { components, paths } from './schema';

export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name];

/** A field of a form that the server refused, and why. */
export type WrongField = Schema<'WrongField'>;

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** The paths that have this method. */
type PathsOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, object> ? P : never;
}[keyof paths];

type Responses<P extends keyof paths, M extends Method> = paths[P] extends Record<M, { responses: infer R }> ? R : never;

type BodyOf<Response> = Response extends { content: { 'application/json': infer Body } } ? Body : undefined;

/** What an answer of success holds. */
export type Answer<P extends keyof paths, M extends Method = 'get'> = {
  [Status in keyof Responses<P, M> & (200 | 201 | 202 | 204)]: BodyOf<Responses<P, M>[Status]>;
}[keyof Responses<P, M> & (200 | 201 | 202 | 204)];

export interface Wish {
  /** What stands for `{id}` or the like in the path, which has no more than one. */
  id?: string | number;
  query?: Record<string, string | number | null | undefined>;
  body?: unknown;
  /** A body that is no JSON. */
  file?: Blob;
  signal?: AbortSignal;
}

/** A request that was refused, or not answered at all. */
export class Refused extends Error {
  readonly status: number;
  /** As in docs/http-api.md; `unreachable` without an answer. */
  readonly code: string;
  /** The fields that are wrong. */
  readonly fields: WrongField[];

  constructor(status: number, code: string, message: string, fields: WrongField[] = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

/** How long an answer may take. Importing a list takes the longest. */
const ANSWER_LIMIT_MS = 60_000;

/** Where the server is, relative to the page: a proxy may serve it below a path. */
export const root = new URL('..', location.href);

/** The whole address of a path of the server. */
export const at = (path: string): string => new URL(path.replace(/^\//, ''), root).href;

/** Called when the server says that nobody is signed in, or not whoever may do this. */
let onForbidden: () => void = () => undefined;

export function whenForbidden(told: () => void): void {
  onForbidden = told;
}

export async function call<M extends Method, P extends PathsOf<M>>(
  method: M,
  path: P,
  { id, query = {}, body, file, signal }: Wish = {},
): Promise<Answer<P, M>> {
  const url = new URL(at(path.replace(/\{\w+\}/, encodeURIComponent(id ?? ''))));
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') {
      url.searchParams.set(name, `${value}`);
    }
  }
  const limit = AbortSignal.timeout(ANSWER_LIMIT_MS);
  const wish: RequestInit = {
    method: method.toUpperCase(),
    cache: 'no-store',
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  };
  if (body !== undefined) {
    wish.headers = { 'Content-Type': 'application/json' };
    wish.body = JSON.stringify(body);
  }
  if (file !== undefined) {
    wish.body = file;
  }
  const answer = await ask(url, wish, signal);
  if (!answer.ok) {
    const refused = await refusal(answer);
    if (refused.code === 'forbidden') {
      onForbidden();
    }
    throw refused;
  }
  const isEmpty = answer.status === 204;
  return (isEmpty ? undefined : await answer.json()) as Answer<P, M>;
}

async function ask(url: URL, wish: RequestInit, signal: AbortSignal | undefined): Promise<Response> {
  try {
    return await fetch(url, wish);
  } catch (error) {
    signal?.throwIfAborted();
    throw new Refused(0, 'unreachable', 'The server does not answer.');
  }
}

/** The error in an answer, or words for one that is not Forebay's own, as a proxy's. */
async function refusal(answer: Response): Promise<Refused> {
  type Body = Partial<Schema<'ErrorDocument'> | Schema<'StreamingError'>>;
  const body = (await answer.json().catch(() => null)) as Body | null;
  const error = body?.error;
  // The routes of streams have a shape of their own.
  if (typeof error === 'string') {
    const code = body && 'code' in body ? body.code : undefined;
    return new Refused(answer.status, code ?? `http_${answer.status}`, sentence(error));
  }
  return error
    ? new Refused(answer.status, error.code, sentence(error.message), error.details ?? [])
    : new Refused(answer.status, `http_${answer.status}`, `The server answered ${answer.status}.`);
}

/** Messages of the server are parts of sentences. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  // An address stays as it is.
  const begin = /^\w+:/.test(trimmed) ? trimmed.charAt(0) : trimmed.charAt(0).toUpperCase();
  return begin + trimmed.slice(1) + (/[.!?…]$/.test(trimmed) ? '' : '.');
}

/** What to tell somebody about an error. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : `${error}`);
