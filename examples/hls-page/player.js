import Hls from 'hls.js';

const [form, video, status] = ['form', 'video', '[role=status]'].map((part) => document.querySelector(part));

// The address of the playlist: that of the page's own address (?src=…), else the test card of a Forebay on this machine.
const src =
  new URLSearchParams(location.search).get('src') ?? 'http://127.0.0.1:8080/stream/testcard/index.m3u8';
form.elements.src.value = src;

if (Hls.isSupported()) {
  // The page comes from another origin than the stream: Forebay allows that for streams (CORS).
  const hls = new Hls({ backBufferLength: 60 });
  hls.on(Hls.Events.ERROR, (_event, error) => {
    if (!error.fatal) {
      return;
    }
    status.textContent = `${error.details}: ${error.response?.code ?? error.error?.message ?? ''}`;
    if (error.type === Hls.ErrorTypes.MEDIA_ERROR) {
      hls.recoverMediaError();
    } else {
      // No source answered, or the connection is lost: Forebay asks to be asked again after five seconds.
      setTimeout(() => hls.loadSource(src), 5_000);
    }
  });
  hls.loadSource(src);
  hls.attachMedia(video);
} else {
  // iPhones before iOS 17.1 play HLS themselves.
  video.src = src;
}

video.addEventListener('playing', () => (status.textContent = 'Playing. It began without sound, as browsers ask.'));
video.play().catch(() => (status.textContent = 'Press play.'));
