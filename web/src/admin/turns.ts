// Answers that come too late.

/** Numbers what is asked for. */
export class Turns {
  private last = 0;

  /** Begins something after which older answers count for nothing. Says later whether nothing else has begun since. */
  begin(): () => boolean {
    this.last += 1;
    const own = this.last;
    return () => own === this.last;
  }
}
