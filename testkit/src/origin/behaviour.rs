//! What an origin does with a request for one path.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::faults::Defect;
use super::timing::{Flood, WarmUp};
use super::{Account, Request};
use crate::clip::Clip;

/// What an origin answers on one path, built up fluently. All `…_after` times count from the answer's head.
///
/// ```no_run
/// # use std::{sync::Arc, time::Duration};
/// # use forebay_testkit::{clip::{Clip, Kind}, origin::Behaviour};
/// let fails = Behaviour::ts(Clip::get(Kind::H264Aac)).start_at(Duration::from_secs(3)).stall_after(Duration::from_secs(5));
/// ```
#[derive(Debug, Clone)]
pub struct Behaviour {
    pub(super) answer: Answer,
    pub(super) answer_after: Duration,
    pub(super) chunked: bool,
    /// The most bytes of a chunk.
    pub(super) chunk_size: usize,
    /// What its status line begins with.
    pub(super) protocol: &'static str,
    pub(super) claimed_length: Option<u64>,
    pub(super) extra_headers: Vec<(String, String)>,
    pub(super) required: Vec<(String, String)>,
    pub(super) garbage: Vec<u8>,
    pub(super) ending: Option<(Duration, Ending)>,
    pub(super) bytes_per_second: Option<u32>,
    pub(super) account: Option<Account>,
}

/// The body, and the status that goes with it.
#[derive(Clone)]
pub(super) enum Answer {
    Refuse,
    Ts(Playout),
    Junk { content_type: String },
    Flood(Flood),
    Fixed(Reply),
    Handler(Arc<dyn Fn(&Request) -> Reply + Send + Sync>),
    Chooser(Arc<dyn Fn(&Request) -> Behaviour + Send + Sync>),
}

/// A finite answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Value of Content-Type; none is sent when empty.
    pub content_type: String,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// How a clip is played out.
#[derive(Debug, Clone)]
pub(super) struct Playout {
    pub(super) clip: Arc<Clip>,
    pub(super) content_type: String,
    pub(super) start_at: Duration,
    pub(super) burst: Duration,
    pub(super) live_since: Option<Instant>,
    pub(super) shift_90k: u64,
    pub(super) packet_size: usize,
    pub(super) defects: Vec<(Duration, Defect)>,
    pub(super) hiccups: Option<(Duration, Duration)>,
    pub(super) lumps: Option<Duration>,
    pub(super) warm_up: Option<(Duration, WarmUp)>,
    pub(super) clock: Option<Clock>,
}

/// How an answer ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Clean,
    Cut,
    Stall,
}

impl Behaviour {
    pub(super) fn new(answer: Answer) -> Self {
        Self {
            answer,
            answer_after: Duration::ZERO,
            chunked: false,
            chunk_size: usize::MAX,
            protocol: "HTTP/1.1",
            claimed_length: None,
            extra_headers: Vec::new(),
            required: Vec::new(),
            garbage: Vec::new(),
            ending: None,
            bytes_per_second: None,
            account: None,
        }
    }

    /// An endless loop of the clip at the pace of its own clock, with PCR, PTS, DTS and continuity counters
    /// rewritten so that the seam does not show, and no round the same as another to who compares payloads (the first
    /// is the clip as it is). Delimited by the end of the connection, `video/mp2t`.
    pub fn ts(clip: Arc<Clip>) -> Self {
        Self::new(Answer::Ts(Playout::new(clip)))
    }

    /// Any finite answer with its length given.
    pub fn status(code: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Answer::Fixed(Reply::new(code, content_type, body)))
    }

    /// A 200 with a finite body.
    pub fn body(content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::status(200, content_type, bytes)
    }

    /// A 200 `video/mp2t` with an endless body in which no byte is a sync byte, at about 1 Mbit/s.
    pub fn endless_junk() -> Self {
        Self::new(Answer::Junk { content_type: "video/mp2t".into() })
    }

    /// A 302 to an absolute or relative URL, which may set a cookie (`name=value`).
    pub fn redirect(url: &str, set_cookie: Option<&str>) -> Self {
        let mut reply = Reply::new(302, "", "");
        reply.headers.push(("Location".into(), url.into()));
        reply.headers.extend(set_cookie.map(|cookie| ("Set-Cookie".into(), cookie.into())));
        Self::new(Answer::Fixed(reply))
    }

    /// Accepts, reads the request and closes without an answer.
    pub fn refuse() -> Self {
        Self::new(Answer::Refuse)
    }

    /// An answer worked out for each request: live playlists, for example.
    pub fn handler(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::new(Answer::Handler(Arc::new(answer)))
    }

    /// A behaviour worked out for each request, where the way of answering changes too.
    pub fn chooser(choose: impl Fn(&Request) -> Self + Send + Sync + 'static) -> Self {
        Self::new(Answer::Chooser(Arc::new(choose)))
    }

    /// Sends a finite body no faster than this.
    #[must_use]
    pub fn slowly(mut self, bytes_per_second: u32) -> Self {
        self.bytes_per_second = Some(bytes_per_second);
        self
    }

    /// Begins at this position of the clip.
    #[must_use]
    pub fn start_at(self, position: Duration) -> Self {
        self.playout(|playout| playout.start_at = position)
    }

    /// Sends this much media at once before it goes on in real time.
    #[must_use]
    pub fn burst(self, media: Duration) -> Self {
        self.playout(|playout| playout.burst = media)
    }

    /// All connections share one timeline that begins now: who connects later joins later, as with a real
    /// provider. Otherwise every connection begins at the same position.
    #[must_use]
    pub fn live(self) -> Self {
        self.playout(|playout| playout.live_since = Some(Instant::now()))
    }

    /// Adds to all time stamps, in 90 kHz ticks, with wrap: how a test brings about the wrap of the 33 bits.
    #[must_use]
    pub fn shift_90k(self, ticks: u64) -> Self {
        self.playout(|playout| playout.shift_90k = ticks)
    }

    /// Shifts the time stamps so that the first clock reference is this long before the wrap of its 33 bits.
    #[must_use]
    pub fn wrap_after(self, span: Duration) -> Self {
        self.playout(|playout| {
            let first = playout.clip.first_pcr_27m() / 300 + ticks_90k(playout.start_at);
            playout.shift_90k = (1 << 34) - first - ticks_90k(span);
        })
    }

    /// Packets of 188 bytes, of 192 (four bytes before each) or of 204 (16 bytes after each).
    #[must_use]
    pub fn packet_size(self, bytes: usize) -> Self {
        assert!(matches!(bytes, 188 | 192 | 204), "packets have 188, 192 or 204 bytes, not {bytes}");
        self.playout(|playout| playout.packet_size = bytes)
    }

    /// Another content type for a stream or for junk.
    #[must_use]
    pub fn content_type(mut self, value: &str) -> Self {
        match &mut self.answer {
            Answer::Ts(Playout { content_type, .. }) | Answer::Junk { content_type } => {
                *content_type = value.into();
            }
            Answer::Fixed(reply) => reply.content_type = value.into(),
            Answer::Refuse | Answer::Flood(_) | Answer::Handler(_) | Answer::Chooser(_) => {
                panic!("this behaviour has no content type to set")
            }
        }
        self
    }

    /// Chunked transfer coding.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Answers as HTTP/1.0.
    #[must_use]
    pub fn http10(mut self) -> Self {
        self.protocol = "HTTP/1.0";
        self
    }

    /// Answers as old Shoutcast servers do: `ICY 200 OK`, and no length.
    #[must_use]
    pub fn icy(mut self) -> Self {
        self.protocol = "ICY";
        self
    }

    /// States this Content-Length, true or not.
    #[must_use]
    pub fn claim_length(mut self, bytes: u64) -> Self {
        self.claimed_length = Some(bytes);
        self
    }

    /// A further header field of the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.extra_headers.push((name.into(), value.into()));
        self
    }

    /// Answers 403 unless the request has this header field with this value; may be used more than once.
    ///
    /// `Cookie` is met by one of several cookies.
    #[must_use]
    pub fn require_header(mut self, name: &str, value: &str) -> Self {
        self.required.push((name.into(), value.into()));
        self
    }

    /// Uses a connection of this account while it answers. In a handler's or a chooser's place it counts each request.
    #[must_use]
    pub fn account(mut self, account: &Account) -> Self {
        self.account = Some(account.clone());
        self
    }

    /// Bytes sent before the body.
    #[must_use]
    pub fn garbage_before(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.garbage = bytes.into();
        self
    }

    /// Waits before it answers.
    #[must_use]
    pub fn answer_after(mut self, delay: Duration) -> Self {
        self.answer_after = delay;
        self
    }

    /// Ends as a finished body does, at a packet boundary.
    #[must_use]
    pub fn end_after(self, span: Duration) -> Self {
        self.ending(span, Ending::Clean)
    }

    /// Resets the connection in the middle of a packet.
    #[must_use]
    pub fn cut_after(self, span: Duration) -> Self {
        self.ending(span, Ending::Cut)
    }

    /// Stays connected and sends nothing more.
    #[must_use]
    pub fn stall_after(self, span: Duration) -> Self {
        self.ending(span, Ending::Stall)
    }

    fn ending(mut self, span: Duration, ending: Ending) -> Self {
        assert!(!matches!(self.answer, Answer::Refuse), "a refused connection has nothing to end");
        self.ending = Some((span, ending));
        self
    }

    /// What is to be done with this request: what a chooser chose, with what was demanded of all.
    pub(super) fn chosen(self, request: &Request) -> Self {
        let Answer::Chooser(choose) = &self.answer else { return self };
        let mut chosen = choose(request).chosen(request);
        chosen.required.extend(self.required);
        chosen.answer_after += self.answer_after;
        chosen.account = chosen.account.or(self.account);
        chosen
    }

    pub(super) fn playout(mut self, change: impl FnOnce(&mut Playout)) -> Self {
        let Answer::Ts(playout) = &mut self.answer else { panic!("only a transport stream can do this") };
        change(playout);
        self
    }
}

impl Playout {
    pub(super) fn new(clip: Arc<Clip>) -> Self {
        Self {
            clip,
            content_type: "video/mp2t".into(),
            start_at: Duration::ZERO,
            burst: Duration::ZERO,
            live_since: None,
            shift_90k: 0,
            packet_size: 188,
            defects: Vec::new(),
            hiccups: None,
            lumps: None,
            warm_up: None,
            clock: None,
        }
    }
}

impl Reply {
    /// A finite answer without further header fields.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: content_type.into(), headers: Vec::new(), body: body.into() }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => f.write_str("Refuse"),
            Self::Ts(playout) => f.debug_tuple("Ts").field(playout).finish(),
            Self::Junk { content_type } => f.debug_tuple("Junk").field(content_type).finish(),
            Self::Flood(flood) => f.debug_tuple("Flood").field(flood).finish(),
            Self::Fixed(reply) => f.debug_tuple("Fixed").field(reply).finish(),
            Self::Handler(_) => f.write_str("Handler"),
            Self::Chooser(_) => f.write_str("Chooser"),
        }
    }
}

/// A span in 90 kHz ticks.
pub(super) fn ticks_90k(span: Duration) -> u64 {
    u64::try_from(span.as_nanos() * 9 / 100_000).expect("spans in tests are short")
}
