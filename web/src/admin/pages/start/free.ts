// Names that nothing has yet.

/** `name`, and a number where it is taken. */
export function freeName(name: string, taken: string[]): string {
  const names = new Set(taken);
  let free = name;
  for (let number = 2; names.has(free); number += 1) {
    free = `${name} ${number}`;
  }
  return free;
}
