/** The element of the page that has this id. */
export function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) {
    throw new Error(`the page has no #${id}`);
  }
  return found;
}

/** A new element of this class, with these in it. */
export function make<K extends keyof HTMLElementTagNameMap>(
  kind: K,
  className: string,
  ...content: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(kind);
  made.className = className;
  made.append(...content);
  return made;
}
