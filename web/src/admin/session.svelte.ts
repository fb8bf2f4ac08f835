// Who is signed in.

import { at, whenForbidden } from './api/call';

export type Role = 'viewer' | 'operator' | 'admin';

export interface User {
  id: number;
  name: string;
  role: Role;
}

interface Session {
  needs_setup: boolean;
  identity_provider: string | null;
  user: User | null;
}

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

class Who {
  user = $state<User | null>(null);
  needsSetup = $state(false);
  /** What people call the provider of identities, if they may sign in by one. */
  identityProvider = $state<string | null>(null);
  /** Whether the server has answered. */
  isKnown = $state(false);
  /** Whether it did not when it was asked last. */
  isLost = $state(false);

  /** Whether whoever is signed in may do what this role may. */
  may(role: Role): boolean {
    return this.user !== null && RANK[this.user.role] >= RANK[role];
  }

  take(session: Session): void {
    this.user = session.user;
    this.needsSetup = session.needs_setup;
    this.identityProvider = session.identity_provider;
    this.isKnown = true;
  }

  async ask(): Promise<void> {
    const answer = await fetch(at('api/session'), { cache: 'no-store' }).catch(() => null);
    this.isLost = !answer?.ok;
    if (answer?.ok) {
      this.take((await answer.json()) as Session);
    }
  }
}

export const who = new Who();

// The session may have ended, or the user's role may have changed.
whenForbidden(() => void who.ask());
