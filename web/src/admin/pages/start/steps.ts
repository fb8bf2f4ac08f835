// The first steps, in their order.

export interface Step {
  /** As in the address of the page. */
  name: string;
  /** In the row of steps. */
  short: string;
  title: string;
}

export const STEPS: Step[] = [
  { name: 'provider', short: 'Provider', title: 'Add your provider' },
  { name: 'groups', short: 'Groups', title: 'Choose groups' },
  { name: 'guide', short: 'Guide', title: 'Check the guide' },
  { name: 'player', short: 'Player', title: 'Connect a player' },
];

/** The address of a step; that of the first page behind the last step. */
export function addressOf(step: Step | undefined): string {
  if (step === undefined) {
    return './';
  }
  return step === STEPS[0] ? 'start' : `start?step=${step.name}`;
}

/** The place of a step; the first one where there is no such step. */
export const indexOf = (name: string | null): number => Math.max(STEPS.findIndex((step) => step.name === name), 0);
