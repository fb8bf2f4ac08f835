// The small pictures of a film along its time: a WebVTT file whose cues name parts of images.

/** A small picture: in seconds, when it is that of the film; and where it lies on its sheet, in pixels. */
export interface Thumbnail {
  begin: number;
  end: number;
  sheet: string;
  left: number;
  top: number;
  width: number;
  height: number;
}

/** How often the server is asked while the pictures are made, and for how long, in ms. */
const AGAIN_MS = 3_000;
const PATIENCE_MS = 300_000;

const CUE = /(\d+):(\d+):([\d.]+) --> (\d+):(\d+):([\d.]+)\s+(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/g;

/** All pictures of a film; none where it has none. The server makes them when they are asked for first. */
export async function readThumbnails(url: string): Promise<Thumbnail[]> {
  const until = performance.now() + PATIENCE_MS;
  while (performance.now() < until) {
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) {
      return parse(await answer.text(), url);
    }
    if (answer !== null && answer.status !== 503) {
      return [];
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
  return [];
}

function parse(text: string, base: string): Thumbnail[] {
  return [...text.matchAll(CUE)].map(([, ...cue]) => {
    const number = (at: number) => Number(cue[at]);
    const seconds = (at: number) => number(at) * 3600 + number(at + 1) * 60 + number(at + 2);
    return {
      begin: seconds(0),
      end: seconds(3),
      sheet: new URL(cue[6] ?? '', base).href,
      left: number(7),
      top: number(8),
      width: number(9),
      height: number(10),
    };
  });
}

/** The picture of this moment. */
export const thumbnailAt = (all: Thumbnail[], seconds: number): Thumbnail | undefined =>
  all.find(({ begin, end }) => seconds >= begin && seconds < end);
