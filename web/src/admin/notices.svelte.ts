// Short messages at the edge of the screen: what was done, and what could not be.

export interface Notice {
  id: number;
  text: string;
  isError: boolean;
}

/** Long enough to be read; what went wrong stays until it is dismissed. */
const SHOWN_MS = 6_000;

/** More would cover the page. */
const MAX_SHOWN = 4;

let made = 0;

export const notices = $state<Notice[]>([]);

export function dismiss(id: number): void {
  const at = notices.findIndex((notice) => notice.id === id);
  if (at >= 0) {
    notices.splice(at, 1);
  }
}

export function tell(text: string): void {
  const id = show(text, false);
  setTimeout(() => dismiss(id), SHOWN_MS);
}

export function complain(text: string): void {
  show(text, true);
}

function show(text: string, isError: boolean): number {
  // The same message twice is one.
  const same = notices.find((notice) => notice.text === text);
  if (same) {
    dismiss(same.id);
  }
  made += 1;
  notices.push({ id: made, text, isError });
  if (notices.length > MAX_SHOWN) {
    notices.shift();
  }
  return made;
}
