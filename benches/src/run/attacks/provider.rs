//! A provider whose answers harm: what it sends, and the threads that send it.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::clip::Clip;
use crate::http;

/// Bits a second of the media that is sent too fast.
const BITRATE: u64 = 2_000_000;

/// Seconds of media that are sent over and over.
const MEDIA: u64 = 60;

/// How often a thread looks whether it is to end.
const LOOKING: Duration = Duration::from_millis(20);

/// A path as long as this one was redirected to.
const REDIRECTED: usize = 1000;

/// Where the segments of live playlists are.
const SEGMENTS: &str = "/segments/";

/// How every request is answered.
pub(super) enum Answer {
    /// With a head, and then with the same bytes over and over.
    Endless(&'static str, Vec<u8>),
    /// With these bytes, head and all.
    Whole(Vec<u8>),
    /// With a redirect to a path, and with these bytes there.
    Redirect(String, Vec<u8>),
    /// With a live playlist, and these bytes for each segment, head and all.
    Live(Vec<u8>),
}

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n";

/// An answer with its length.
fn whole(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn playlist(lines: &str) -> Vec<u8> {
    let head = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n";
    whole("Content-Type: application/vnd.apple.mpegurl\r\n", format!("{head}{lines}").as_bytes())
}

/// A minute of a real stream.
fn media() -> Vec<u8> {
    let clip = Clip::get(BITRATE).expect("there is ffmpeg");
    let packets = MEDIA * clip.bitrate() / (8 * crate::ts::PACKET as u64);
    (0..packets).flat_map(|number| clip.packet(number)).collect()
}

/// A file on a web server: more media than anybody watches here.
pub(super) fn file() -> Answer {
    Answer::Whole(whole("Content-Type: video/mp2t\r\n", &media()))
}

/// A stream that comes as fast as it is read.
pub(super) fn full_speed() -> Answer {
    Answer::Endless(STREAM, media())
}

/// The same, a byte a chunk.
pub(super) fn chunks_of_one() -> Answer {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = media().into_iter().take(1 << 20).flat_map(|byte| [b'1', b'\r', b'\n', byte, b'\r', b'\n']);
    Answer::Endless(head, chunks.collect())
}

/// Packets with nothing in them.
pub(super) fn null_packets() -> Answer {
    let mut packet = [0xff; crate::ts::PACKET];
    packet[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
    Answer::Endless(STREAM, packet.repeat(1000))
}

/// Interim answers, and no real one.
pub(super) fn interim_answers() -> Answer {
    Answer::Endless("", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(1000))
}

/// A megabyte of variables that are not closed.
pub(super) fn open_variables() -> Answer {
    let line = "{$".repeat(500_000);
    Answer::Whole(playlist(&format!("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n#EXTINF:1,\n/{line}\n")))
}

/// A million variables, each of a kilobyte.
pub(super) fn expanded_variables() -> Answer {
    let (value, line) = ("b".repeat(1024), "{$a}".repeat(1_040_000));
    Answer::Whole(playlist(&format!("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{value}\"\n#EXTINF:1,\n/{line}\n")))
}

/// Segments of a gigabyte that come as one megabyte.
pub(super) fn gzip_segments() -> Answer {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&media()[..188 * 500]).expect("memory takes it");
    for _ in 0..1024 {
        encoder.write_all(&vec![0; 1 << 20]).expect("memory takes it");
    }
    let bomb = encoder.finish().expect("memory takes it");
    Answer::Live(whole("Content-Type: video/mp2t\r\nContent-Encoding: gzip\r\n", &bomb))
}

/// Ten thousand lines below an address of 8 KB, none of which can be put together with it.
pub(super) fn lost_addresses() -> Answer {
    Answer::Redirect(format!("/{}", "a".repeat(8_000)), playlist(&"#EXTINF:1,\nx:\n".repeat(9_999)))
}

/// Ten thousand segments below an address of 8 KB.
pub(super) fn long_addresses() -> Answer {
    let lines = segments(0..9_999, |number| number.to_string());
    Answer::Redirect(format!("/{}/", "a".repeat(8_000)), playlist(&lines))
}

/// Answers requests until it is dropped.
pub(super) struct Provider {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    pub(super) fn start(answer: Answer) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (is_over, answer) = (Arc::new(AtomicBool::new(false)), Arc::new(answer));
        let thread = {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let Ok((stream, _)) = listener.accept() else {
                        std::thread::sleep(LOOKING);
                        continue;
                    };
                    let answer = Arc::clone(&answer);
                    // It ends with its connection, and that with the server.
                    std::thread::spawn(move || serve(stream, &answer));
                }
            })
        };
        Ok(Self { address, is_over, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers the requests of one connection until that ends.
fn serve(mut stream: TcpStream, answer: &Answer) -> io::Result<()> {
    let begin = Instant::now();
    stream.set_nonblocking(false)?;
    loop {
        let head = request(&mut stream)?;
        let path = http::target(&head).map_or("", |(_, path)| path);
        match answer {
            Answer::Endless(head, body) => {
                stream.write_all(head.as_bytes())?;
                loop {
                    stream.write_all(body)?;
                }
            }
            Answer::Whole(bytes) => stream.write_all(bytes)?,
            Answer::Redirect(to, _) if path.len() < REDIRECTED => {
                write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")?;
            }
            Answer::Redirect(_, bytes) => stream.write_all(bytes)?,
            Answer::Live(segment) if path.starts_with(SEGMENTS) => stream.write_all(segment)?,
            Answer::Live(_) => stream.write_all(&live(begin.elapsed()))?,
        }
    }
}

/// The head of the next request.
fn request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while http::body_at(&bytes).is_none() {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
    Ok(bytes)
}

/// A playlist of six segments of a second, the first of which moves on with time.
fn live(elapsed: Duration) -> Vec<u8> {
    let first = elapsed.as_secs();
    let lines = segments(first..first + 6, |number| format!("{SEGMENTS}{number}"));
    let list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n{lines}");
    whole("Content-Type: application/vnd.apple.mpegurl\r\n", list.as_bytes())
}

/// The lines of segments of a second.
fn segments(numbers: Range<u64>, address: impl Fn(u64) -> String) -> String {
    numbers.fold(String::new(), |mut lines, number| {
        let _ = write!(lines, "#EXTINF:1,\n{}\n", address(number));
        lines
    })
}
