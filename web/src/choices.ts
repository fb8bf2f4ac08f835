// What a viewer chooses of a stream: language, subtitles, quality. Shown only where there is more than one.

import { element } from './element';
import type { Choice, Player } from './players';

const KINDS: Choice['kind'][] = ['audio', 'subtitles', 'quality'];

/** Shows what the player offers now. */
export function showChoices(player: Player | null): void {
  const offered = player?.choices() ?? [];
  for (const kind of KINDS) {
    const choice = offered.find((choice) => choice.kind === kind && choice.options.length > 1);
    const select = element(kind, HTMLSelectElement);
    select.parentElement!.hidden = choice === undefined;
    if (choice === undefined) {
      continue;
    }
    const names = choice.options.join('\n');
    // A list that is open is left alone.
    if (select.dataset.names !== names) {
      select.dataset.names = names;
      select.replaceChildren(...choice.options.map((name, at) => new Option(name, `${at}`)));
    }
    select.value = `${choice.chosen}`;
    select.onchange = () => choice.choose(Number(select.value));
  }
}
