/** Where what is buffered ends, in seconds of the media's time. */
export function bufferedEnd(video: HTMLVideoElement): number | null {
  const ranges = video.buffered;
  return ranges.length === 0 ? null : ranges.end(ranges.length - 1);
}
