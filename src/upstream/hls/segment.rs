//! Fetches one segment and passes it on: transport streams as they come, anything else when it is complete.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher as _};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use forebay_core::playlist::follow::{self, Aes128, Fetch, FetchInit, Outcome, Transfer};
use forebay_core::playlist::model::Range;
use forebay_core::remux::{self, Content, Cover, Reason, Remuxer, cover};
use forebay_core::ts::packet::PACKET_SIZE;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};
use tracing::{debug, info};
use url::Url;

use super::data;
use super::decrypt::Decrypt;
use super::front::Front;
use super::outlet::Outlet;
use super::session::{Media, Session};
use super::{Item, Monitor, PIECE};
use crate::upstream::offload::offload;
use crate::upstream::{Error, Piece, sniff as words};

/// The largest segment that is collected whole, which is what anything but a transport stream needs.
const MAX_WHOLE: usize = 64 << 20;

/// The largest initialisation section.
const MAX_INIT: usize = 1 << 20;

/// A body in place of a key: 16 bytes, or as many in hexadecimal, and perhaps a page that says why not.
const MAX_KEY: usize = 64 << 10;

/// Keys, and initialisation sections, that are kept: lists have one or two at a time.
const MAX_CACHED: usize = 16;

/// Bytes of a body that are taken, decrypted and hashed before other channels have their turn: some
/// milliseconds.
const MAX_IN_A_ROW: usize = 256 << 10;

/// Bytes of output that a remuxer keeps allocated.
const KEPT_OUTPUT: usize = 1 << 20;

/// Bodies in a row that stand still while nothing is in store: then the source does. One may be the fault of its file, and what follows may come.
const MAX_STALLS: u32 = 2;

/// Fetches the segments of one upstream, one after the other.
pub(super) struct Worker {
    session: Session,
    outlet: Outlet,
    monitor: Arc<Monitor>,
    keys: Cache<Url, [u8; 16]>,
    inits: Cache<(Url, Option<Range>), Bytes>,
    /// For what is no transport stream, or comes in two renditions; with the language of the second.
    remuxer: Option<(Remuxer, Option<String>)>,
    /// A hash of the last segment: some servers give the same one by ever new names when they have nothing else.
    last: Option<u64>,
    /// That segments are disguised has been logged.
    has_told: bool,
    /// Bodies in a row that stood still.
    stalls: u32,
    /// How the last segment has come.
    pub(super) transfer: Transfer,
    /// What went wrong since a segment came whole.
    pub(super) trouble: Option<Error>,
}

impl Worker {
    pub(super) fn new(session: Session, queue: mpsc::Sender<Item>, monitor: Arc<Monitor>) -> Self {
        Self {
            session,
            outlet: Outlet::new(queue),
            monitor,
            keys: Cache::default(),
            inits: Cache::default(),
            remuxer: None,
            last: None,
            has_told: false,
            stalls: 0,
            transfer: Transfer::default(),
            trouble: None,
        }
    }

    /// Fetches a segment and puts it into the queue.
    pub(super) async fn fetch(&mut self, fetch: Fetch) -> Outcome {
        // Sound of its own begins anew with the picture.
        self.outlet.begin(fetch.has_seam && fetch.rendition == follow::Rendition::Main);
        let outcome = match self.carry(&fetch).await {
            Ok(hash) => {
                (self.trouble, self.stalls) = (None, 0);
                let is_main = fetch.rendition == follow::Rendition::Main;
                let repeats = is_main && self.last.replace(hash) == Some(hash);
                if repeats { Outcome::Repeated } else { Outcome::Done }
            }
            Err(error) => {
                debug!(%error, "segment failed");
                if let Some(Aes128 { url, .. }) = &fetch.key {
                    // Another key may have taken its place at the same address.
                    self.keys.remove(url);
                }
                self.stalls = if error == Error::Stalled { self.stalls + 1 } else { 0 };
                let outcome = match &error {
                    _ if self.stalls >= MAX_STALLS && self.monitor.waiting().is_zero() => Outcome::Stalled,
                    Error::Format(_) => Outcome::Unusable,
                    // What was decrypted is encrypted in itself, or its key is none.
                    Error::Encrypted(_) if !self.outlet.is_begun() => Outcome::Failed,
                    _ if self.outlet.is_begun() => Outcome::Truncated,
                    Error::Status { status } => Outcome::Refused(*status),
                    _ => Outcome::Failed,
                };
                self.trouble = Some(error);
                outcome
            }
        };
        let has_come = matches!(outcome, Outcome::Done | Outcome::Repeated | Outcome::Truncated);
        if has_come && fetch.rendition == follow::Rendition::Main {
            if outcome != Outcome::Truncated {
                self.outlet.send(Item::Piece(Piece::Cut)).await;
            }
            self.monitor.fetched(fetch.duration);
            self.outlet.send(Item::End(fetch.duration)).await;
        }
        outcome
    }

    /// Passes a segment on; a hash of it, when all of it has come.
    async fn carry(&mut self, fetch: &Fetch) -> Result<u64, Error> {
        let mut limits = Limits::new(fetch);
        if self.stalls > 0 {
            limits.pause /= 2;
        }
        let began = Instant::now();
        self.transfer = Transfer::default();
        let opened = self.open_both(fetch, limits).await;
        self.transfer.took += began.elapsed();
        let (init, mut body) = opened?;
        self.outlet.live().await;
        let mut held = BytesMut::new();
        let (mut front, mut content) = (Front::new(), None);
        let mut may_resume = self.stalls == 0;
        let outcome = loop {
            let began = Instant::now();
            let next = body.next().await;
            self.transfer.took += began.elapsed();
            match next {
                Ok(Some(bytes)) => {
                    self.transfer.bytes += bytes.len() as u64;
                    held.extend_from_slice(&bytes);
                    self.outlet.live().await;
                }
                Ok(None) => break Ok(body.hash.finish()),
                // A connection that is dead and does not say so: over another one the rest may come in time.
                Err(Error::Stalled) if mem::take(&mut may_resume) && !self.monitor.waiting().is_zero() => {
                    debug!(bytes = body.read, "a segment stands still: asking for the rest");
                    let (limits, read) = (Limits { pause: body.limits.pause / 2, ..body.limits }, body.read);
                    drop(body);
                    match self.open(&fetch.url, fetch.range, fetch.key.as_ref(), limits).await {
                        Ok(again) => body = Body { skip: read, ..again },
                        Err(error) => break Err(error),
                    }
                }
                Err(error) => break Err(error),
            }
            if content.is_none() {
                content = front.look(&mut held, false);
                self.tell_disguise(content, &front);
                put_in_front(&mut held, content, init.as_ref());
            }
            let streams = content.is_some_and(|content| !content.needs_remux(fetch.audio.is_some()));
            while streams && held.len() >= PIECE {
                let piece = held.split_to(PIECE).freeze();
                self.outlet.pass(piece).await;
            }
            if held.len() > MAX_WHOLE {
                return Err(Error::Segments(format!("one has more than {MAX_WHOLE} bytes")));
            }
        };
        if let (Err(error), false) = (&outcome, self.outlet.is_begun()) {
            return Err(error.clone());
        }
        if content.is_none() {
            content = front.look(&mut held, true);
            self.tell_disguise(content, &front);
            put_in_front(&mut held, content, init.as_ref());
        }
        match content {
            Some(Content::TransportStream { .. }) if fetch.audio.is_none() => {
                // What broke off in a packet ends in front of it.
                held.truncate(held.len() / PACKET_SIZE * PACKET_SIZE);
                if !held.is_empty() {
                    self.outlet.pass(held.freeze()).await;
                }
            }
            Some(Content::TransportStream { .. } | Content::Fmp4 | Content::PackedAudio(_)) => {
                self.decode(fetch, init, held.freeze(), limits).await?;
            }
            _ => {
                return Err(Error::Segments(match front.picture() {
                    Some(format) => format!("they are {} pictures", format.name()),
                    None => format!("one is {}", words::describe(&held)),
                }));
            }
        }
        outcome
    }

    /// Logs once that something hides the segments.
    fn tell_disguise(&mut self, content: Option<Content>, front: &Front) {
        if content.is_some() && front.hidden() > 0 && !mem::replace(&mut self.has_told, true) {
            info!(
                bytes = front.hidden(),
                "segments are disguised: what is in front of the media is taken off"
            );
        }
    }

    /// Remuxes a whole segment; once more, if it does not fit its initialisation section and there
    /// is another at the same address by now.
    async fn decode(
        &mut self,
        fetch: &Fetch,
        init: Option<Bytes>,
        bytes: Bytes,
        limits: Limits,
    ) -> Result<(), Error> {
        let outcome = self.remux(fetch, init.clone(), bytes.clone()).await;
        let (Err(Error::Segments(_)), Some(at), Some(old), false) =
            (&outcome, &fetch.init, init, fetch.has_seam)
        else {
            return outcome;
        };
        match self.init(at, limits, true).await {
            Ok(new) if new != old => self.remux(fetch, Some(new), bytes).await,
            _ => outcome,
        }
    }

    /// Turns a whole segment into transport packets, and passes those on that are ready.
    async fn remux(&mut self, fetch: &Fetch, init: Option<Bytes>, bytes: Bytes) -> Result<(), Error> {
        let length = bytes.len();
        let rendition = match fetch.rendition {
            follow::Rendition::Main => remux::Rendition::Main,
            follow::Rendition::Audio => remux::Rendition::Audio,
        };
        if self.remuxer.as_ref().is_none_or(|(_, audio)| *audio != fetch.audio) {
            self.outlet.cut();
            let remuxer = match &fetch.audio {
                Some(language) => {
                    Remuxer::with_audio(Some(language).filter(|tag| !tag.is_empty()).map(String::as_str))
                }
                None => Remuxer::new(),
            };
            self.remuxer = Some((remuxer, fetch.audio.clone()));
        }
        if self.outlet.put_off_seam() {
            self.remuxed(0, Remuxer::reset).await;
            self.outlet.cut();
        }
        let step = move |remuxer: &mut Remuxer| {
            init.map_or(Ok(()), |init| remuxer.set_init(rendition, &init))?;
            remuxer.push(rendition, &bytes)
        };
        let outcome = self.remuxed(length, step).await.unwrap_or(Ok(()));
        outcome.map_err(|error| match &error.reason {
            Reason::Encrypted(_) => Error::Encrypted(error.to_string()),
            reason if reason.is_lasting() => Error::Format(error.to_string()),
            _ => Error::Segments(error.to_string()),
        })
    }

    /// Lets the remuxer do something with so many bytes, and passes on what comes of it. `None`
    /// while there is no remuxer.
    async fn remuxed<T: Send + 'static>(
        &mut self,
        bytes: usize,
        step: impl FnOnce(&mut Remuxer) -> T + Send + 'static,
    ) -> Option<T> {
        let (mut remuxer, audio) = self.remuxer.take()?;
        let work = move || {
            let result = step(&mut remuxer);
            let output = Bytes::copy_from_slice(remuxer.output());
            remuxer.clear(KEPT_OUTPUT);
            (remuxer, output, result)
        };
        let (remuxer, output, result) = offload(bytes, work).await;
        self.remuxer = Some((remuxer, audio));
        for piece in output.chunks(PIECE) {
            self.outlet.pass(output.slice_ref(piece)).await;
        }
        Some(result)
    }

    /// Asks for the initialisation section, if there is one, and for the segment.
    async fn open_both(&mut self, fetch: &Fetch, limits: Limits) -> Result<(Option<Bytes>, Body), Error> {
        let init = match &fetch.init {
            // The encoder may have been started anew, and its section have been overwritten.
            Some(init) => Some(self.init(init, limits, fetch.has_seam).await?),
            None => None,
        };
        Ok((init, self.open(&fetch.url, fetch.range, fetch.key.as_ref(), limits).await?))
    }

    async fn open(
        &mut self,
        url: &Url,
        range: Option<Range>,
        key: Option<&Aes128>,
        limits: Limits,
    ) -> Result<Body, Error> {
        let decrypt = match key {
            Some(Aes128 { url, iv }) => Some(Decrypt::new(&self.key(url, limits).await?, iv)),
            None => None,
        };
        let media = limits.within(self.session.media(url, range)).await?;
        Ok(Body { media, decrypt, limits, hash: DefaultHasher::new(), read: 0, skip: 0, in_a_row: 0 })
    }

    async fn key(&mut self, url: &Url, limits: Limits) -> Result<[u8; 16], Error> {
        if let Some(key) = self.keys.get(url) {
            return Ok(*key);
        }
        let body = match data::decode(url) {
            Some(body) => body,
            None => {
                limits.within(async { self.session.media(url, None).await?.whole(MAX_KEY).await }).await?
            }
        };
        let key = read_key(&body).ok_or_else(|| {
            Error::Encrypted(format!("the key is {} bytes long: {}", body.len(), words::describe(&body)))
        })?;
        self.keys.insert(url.clone(), key);
        Ok(key)
    }

    /// An initialisation section. With one on hand that `may_be_old` it is asked for again, and
    /// kept if there is none now.
    async fn init(&mut self, init: &FetchInit, limits: Limits, may_be_old: bool) -> Result<Bytes, Error> {
        let id = (init.url.clone(), init.range);
        let known = self.inits.get(&id).cloned();
        if let Some(known) = known.as_ref().filter(|_| !may_be_old) {
            return Ok(known.clone());
        }
        match (self.fetch_init(init, limits).await, known) {
            (Ok(new), _) => {
                self.inits.remove(&id);
                self.inits.insert(id, new.clone());
                Ok(new)
            }
            (Err(error), Some(known)) => {
                debug!(%error, "no newer initialisation section");
                Ok(known)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn fetch_init(&mut self, init: &FetchInit, limits: Limits) -> Result<Bytes, Error> {
        if let Some(bytes) = data::decode(&init.url) {
            return Ok(bytes);
        }
        let mut body = self.open(&init.url, init.range, init.key.as_ref(), limits).await?;
        let mut whole = BytesMut::new();
        while let Some(bytes) = body.next().await? {
            if whole.len() + bytes.len() > MAX_INIT {
                return Err(Error::Segments(format!(
                    "an initialisation section has more than {MAX_INIT} bytes"
                )));
            }
            whole.extend_from_slice(&bytes);
        }
        if let Cover::Picture(_, length) = cover(&whole) {
            whole.advance(length);
        }
        Ok(whole.freeze())
    }
}

/// Puts the initialisation section of a transport stream, its tables, in front of its packets.
fn put_in_front(held: &mut BytesMut, content: Option<Content>, init: Option<&Bytes>) {
    if let (Some(Content::TransportStream { .. }), Some(init)) = (content, init) {
        let behind = mem::take(held);
        held.extend_from_slice(init);
        held.unsplit(behind);
    }
}

/// A key as it is served: 16 bytes, a line break behind them, or in hexadecimal.
fn read_key(body: &[u8]) -> Option<[u8; 16]> {
    if let Ok(key) = body.try_into() {
        return Some(key);
    }
    let text = body.trim_ascii_end();
    if let Some(digits) = std::str::from_utf8(text).ok().filter(|text| text.len() == 32) {
        return u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes);
    }
    let line = body.strip_suffix(b"\r\n").or_else(|| body.strip_suffix(b"\n"))?;
    line.try_into().ok()
}

/// How long reading may take in all, and stand still: half as long where a body just did. What waits for room in the queue does not count.
#[derive(Debug, Clone, Copy)]
struct Limits {
    left: Duration,
    idle: Duration,
    /// The same of a body.
    pause: Duration,
}

impl Limits {
    fn new(fetch: &Fetch) -> Self {
        Self { left: fetch.timeout, idle: fetch.idle_timeout, pause: fetch.pause }
    }

    async fn within<T>(&self, step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        timeout(self.left.min(self.idle), step).await.unwrap_or_else(|_| Err(late()))
    }

    /// Waits for more of a body.
    async fn on<T>(&mut self, step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let began = Instant::now();
        let error = if self.pause < self.left { Error::Stalled } else { late() };
        let came = timeout(self.left.min(self.pause), step).await;
        self.left = self.left.saturating_sub(began.elapsed());
        came.unwrap_or(Err(error))
    }
}

fn late() -> Error {
    Error::Broken("it did not come in time".to_owned())
}

/// The body of a segment, decrypted.
struct Body {
    media: Media,
    decrypt: Option<Decrypt>,
    limits: Limits,
    /// Of what has come, decrypted.
    hash: DefaultHasher,
    /// Bytes that have come, decrypted.
    read: usize,
    /// Bytes that are left out at its beginning.
    skip: usize,
    /// Bytes that came without letting others have the thread.
    in_a_row: usize,
}

impl Body {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(mut bytes) = self.more().await? {
            self.in_a_row += bytes.len();
            if self.in_a_row >= MAX_IN_A_ROW {
                self.in_a_row = 0;
                yield_now().await;
            }
            self.hash.write(&bytes);
            self.read += bytes.len();
            let known = self.skip.min(bytes.len());
            bytes.advance(known);
            self.skip -= known;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    async fn more(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let read = self.limits.on(self.media.next()).await?;
            let Some(decrypt) = &mut self.decrypt else { return Ok(read) };
            let mut clear = BytesMut::new();
            if let Some(bytes) = read {
                decrypt.push(&bytes, &mut clear);
            } else {
                let is_good = self.decrypt.take().is_none_or(|decrypt| decrypt.finish(&mut clear));
                if !is_good {
                    return Err(Error::Encrypted("a segment does not fit its key".to_owned()));
                }
                if clear.is_empty() {
                    return Ok(None);
                }
            }
            if !clear.is_empty() {
                return Ok(Some(clear.freeze()));
            }
        }
    }
}

/// What was fetched lately; the oldest makes room.
#[derive(Debug)]
struct Cache<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: PartialEq, V> Cache<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn insert(&mut self, key: K, value: V) {
        if self.0.len() == MAX_CACHED {
            self.0.pop_front();
        }
        self.0.push_back((key, value));
    }

    fn remove(&mut self, key: &K) {
        self.0.retain(|(known, _)| known != key);
    }
}
