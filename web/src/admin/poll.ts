// Asking again from time to time, for as long as somebody looks.

import { untrack } from 'svelte';

/** Calls `load` now and `everyMs` after each answer, but not while the tab is hidden; what is returned ends it. */
export function poll(everyMs: number, load: () => Promise<void>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isRunning = false;
  let isOver = false;
  const turn = async () => {
    clearTimeout(timer);
    if (isRunning || isOver || document.hidden) {
      return;
    }
    isRunning = true;
    await load();
    isRunning = false;
    timer = setTimeout(() => void turn(), everyMs);
  };
  // Whoever comes back sees at once how it is now.
  const look = () => void turn();
  document.addEventListener('visibilitychange', look);
  // What `load` reads is no reason for the effect around this to begin anew.
  untrack(look);
  return () => {
    isOver = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', look);
  };
}
