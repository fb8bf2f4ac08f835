// The three ways to get a stream into a video element, behind one face.

/** What went wrong. A player that has said so is to be destroyed. */
export type Trouble =
  /** The stream does not come, or does not go on. */
  | 'network'
  /** It cannot be decoded, perhaps only this time. */
  | 'media'
  /** The browser says that it has no decoder for it. */
  | 'codec';

/** Something that a viewer may choose. */
export interface Choice {
  kind: 'audio' | 'subtitles' | 'quality';
  /** The names of what there is. */
  options: string[];
  /** The place of the current one among them. */
  chosen: number;
  choose(place: number): void;
}

/** A player that was started. */
export interface Player {
  /** Seconds between what is shown and the newest that the player knows of; null while it does not know. */
  latency(): number | null;
  /** Seconds behind the place where it would play by itself; null while it does not know. */
  lag(): number | null;
  /** What the stream offers to choose from. */
  choices(): Choice[];
  /** Goes to the newest. */
  toLive(): void;
  /** Lets go of the connection and of the video element. */
  destroy(): void;
}

/** Starts to play an address. `failed` is called at most once. */
export type Start = (video: HTMLVideoElement, url: string, failed: (trouble: Trouble) => void) => Player;
