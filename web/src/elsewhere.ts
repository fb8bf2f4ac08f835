// How to open a channel in an app of this device.

/** A link that opens an address in VLC, on the devices whose VLC takes such links; else null. */
export function vlcLink(url: string): string | null {
  const agent = navigator.userAgent;
  if (/Android/.test(agent)) {
    const { host, pathname, protocol } = new URL(url);
    // Without VLC this leads to where it is to be had.
    return `intent://${host}${pathname}#Intent;scheme=${protocol.slice(0, -1)};type=video/*;package=org.videolan.vlc;end`;
  }
  // A newer iPad says that it is a Mac, but no Mac has fingers on its screen.
  const isApple = /iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && navigator.maxTouchPoints > 1);
  return isApple ? `vlc-x-callback://x-callback-url/stream?url=${encodeURIComponent(url)}` : null;
}
