//! One connection of a push, from the handshake to its end.

use std::io;
use std::time::Duration;

use forebay_core::flv::{Change, Content, Item, Muxer, Unsupported};
use forebay_core::push::{Acknowledgements, Ending, Queue};
use forebay_core::rtmp::{Event, Fault, Publisher, Refusal};
use forebay_core::time::Moment;
use forebay_core::ts::stream::Codec;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::dial::Socket;
use super::report::{Shared, State};
use super::settings::Push;
use crate::channel::{Subscription, TryRead};
use crate::clock::Clock;
use crate::net;

/// How often media is taken from the channel and sent. Servers and players keep seconds.
const TICK: Duration = Duration::from_millis(100);

/// How long each step of a server may take once it has answered.
const STEP: Duration = Duration::from_secs(10);

/// How long all steps may take together, whatever the server says meanwhile: several slow ones.
const STEPS: Duration = Duration::from_secs(30);

/// A socket that takes nothing for so long belongs to a server that stands still.
const STILL: Duration = Duration::from_secs(5);

/// How long the end of a stream may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Bytes that are made ready for the socket at once. The rest waits where it can be left out.
const READY: usize = 64 << 10;

/// After how many bytes the server is to tell that they have come: a second, within these.
const WINDOW: std::ops::RangeInclusive<u64> = 16 << 10..=2 << 20;

/// How often the window and the bit rate are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What is read of the server at once: it says little.
const READ: usize = 4096;

/// Why a connection ended.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) ending: Ending,
    pub(super) code: &'static str,
    pub(super) text: String,
}

impl End {
    fn new(ending: Ending, code: &'static str, text: impl Into<String>) -> Self {
        Self { ending, code, text: text.into() }
    }

    pub(super) fn without_picture(text: &str) -> Self {
        Self::new(Ending::NoPicture, "no_picture", text)
    }

    pub(super) fn of_network(error: &net::Error) -> Self {
        let code = match error {
            net::Error::Refused => "connection_refused",
            net::Error::Untrusted(_) => "untrusted",
            net::Error::Tls(_) => "tls",
            _ => "unreachable",
        };
        // A certificate does not get better within seconds; a machine that is down may come back.
        let ending = if matches!(code, "untrusted" | "tls") { Ending::Failed } else { Ending::Unreachable };
        Self::new(ending, code, error.to_string())
    }

    fn stopped() -> Self {
        Self::new(Ending::Renewed, "stopped", "it was stopped")
    }

    fn of_change(change: Change) -> Self {
        let code = match change {
            Change::Picture => "picture_changed",
            Change::Sound => "sound_changed",
            Change::Time => "time",
        };
        Self::new(Ending::Renewed, code, "the stream goes on in a new connection")
    }

    fn unsupported(text: String) -> Self {
        Self::new(Ending::Refused, "unsupported_codec", text)
    }
}

/// Codes with which servers say that somebody publishes with this key. nginx-rtmp and others mean
/// nothing else by `BadName`.
const IN_USE: &[&str] = &["NetStream.Publish.BadName"];

/// Codes that mean that trying again soon is of no use.
const REFUSED: &[&str] = &[
    "NetStream.Publish.Denied",
    "NetStream.Publish.Unauthorized",
    "NetStream.Publish.Rejected",
    "NetConnection.Connect.Rejected",
    "NetConnection.Connect.InvalidApp",
    "NetConnection.Connect.AppShutdown",
];

fn of_refusal(refusal: &Refusal) -> (Ending, &'static str, String) {
    let Refusal { code, description } = refusal;
    let text = format!("the server says {code}: {description}");
    if IN_USE.contains(&&**code) {
        return (Ending::KeyInUse, "key_in_use", text);
    }
    let is_refused = REFUSED.contains(&&**code);
    (if is_refused { Ending::Refused } else { Ending::Failed }, "refused", text)
}

/// A connection to a server.
pub(super) struct Connection<'a> {
    shared: &'a Shared,
    stop: &'a CancellationToken,
    clock: Clock,
    reading: ReadHalf<Socket>,
    writing: WriteHalf<Socket>,
    publisher: Publisher,
    /// When the server took the stream.
    published: Option<Moment>,
    acknowledgements: Acknowledgements,
    window: u64,
    /// When the socket last took something, or there was nothing for it.
    moved: Moment,
    needs_flush: bool,
}

/// An event of a connection.
enum Turn {
    Read(usize),
    Wrote(usize),
    Flushed,
    Tick,
    Stop,
}

impl<'a> Connection<'a> {
    pub(super) fn new(
        push: &'a Push,
        shared: &'a Shared,
        stop: &'a CancellationToken,
        clock: Clock,
        socket: Socket,
    ) -> Self {
        let (reading, writing) = split(socket);
        // It fills the handshake, where any bytes will do: RTMP proves nothing by them.
        let seed = Timestamp::now().as_nanosecond().unsigned_abs();
        let seed = u64::try_from(seed % u128::from(u64::MAX)).expect("it is below");
        Self {
            shared,
            stop,
            clock,
            reading,
            writing,
            publisher: Publisher::new(push.url.destination(), seed),
            published: None,
            acknowledgements: Acknowledgements::default(),
            window: 0,
            moved: clock.now(),
            needs_flush: false,
        }
    }

    /// Has the server take the stream. It is given `patience` to say anything at all.
    pub(super) async fn publish(&mut self, patience: Duration) -> Result<(), End> {
        let mut buffer = [0; READ];
        let begun = self.clock.now();
        let mut deadline = begun + patience;
        while !self.publisher.is_publishing() {
            let turn = timeout(deadline.since(self.clock.now()), self.turn(&mut buffer, None)).await;
            match turn {
                Ok(Ok(Turn::Read(count))) => {
                    self.take(&buffer[..count])?;
                    // A server that has said something is there; each next step may take its time,
                    // but bytes that trickle in must not hold the push for ever.
                    deadline = (self.clock.now() + STEP).min(begun + STEPS);
                }
                Ok(Ok(turn)) => self.handle(&turn),
                Ok(Err(error)) => return Err(self.broken(&error)),
                Err(_) => return Err(self.broken(&io::ErrorKind::TimedOut.into())),
            }
        }
        self.published = Some(self.clock.now());
        self.shared.edit().connects += 1;
        self.shared.set_state(State::Publishing);
        Ok(())
    }

    /// Takes what the server says.
    fn take(&mut self, bytes: &[u8]) -> Result<(), End> {
        if bytes.is_empty() {
            return Err(self.broken(&io::ErrorKind::UnexpectedEof.into()));
        }
        self.publisher.handle_bytes(bytes).map_err(|fault| self.of_fault(&fault))?;
        while let Some(event) = self.publisher.poll_event() {
            if let Event::Acknowledged(_) = event {
                let now = self.clock.now();
                self.acknowledgements.handle(now, self.publisher.sent());
            }
        }
        Ok(())
    }

    fn handle(&mut self, turn: &Turn) {
        match *turn {
            Turn::Wrote(count) => {
                self.publisher.advance(count);
                self.moved = self.clock.now();
                self.needs_flush = true;
                self.shared.edit().bytes_sent += count as u64;
            }
            Turn::Flushed => self.needs_flush = false,
            Turn::Read(_) | Turn::Tick | Turn::Stop => {}
        }
    }

    /// Waits until something can be done.
    async fn turn(
        &mut self,
        buffer: &mut [u8],
        tick: Option<&mut tokio::time::Interval>,
    ) -> io::Result<Turn> {
        let Self { publisher, reading, writing, needs_flush, stop, .. } = self;
        // Decided in front of the futures: an empty write would complete at once and spin.
        let has_output = !publisher.output().is_empty();
        let (is_due, ticks) = (has_output || *needs_flush, tick.is_some());
        let sending = async {
            if has_output {
                return writing.write(publisher.output()).await.map(Turn::Wrote);
            }
            writing.flush().await.map(|()| Turn::Flushed)
        };
        let next = async {
            match tick {
                Some(tick) => drop(tick.tick().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What ends it comes first, and what the server says before what it is sent.
            biased;
            // Without ticks it is still being published,
            // and the caller drops it when it is stopped.
            () = stop.cancelled(), if ticks => Ok(Turn::Stop),
            read = reading.read(buffer) => read.map(Turn::Read),
            sent = sending, if is_due => sent,
            () = next => Ok(Turn::Tick),
        }
    }

    /// Sends the channel until that, the server or somebody ends it.
    pub(super) async fn send_all(&mut self, subscription: &mut Subscription) -> End {
        // A new connection begins at a key frame: what
        // was read for the last one means nothing here.
        subscription.restart();
        self.set_window(subscription.bitrate() / 8);
        let end = Sending::new(self, subscription).run().await;
        // A connection that is lost has nobody who would hear a goodbye.
        if !matches!(end.ending, Ending::Lost { .. }) {
            self.say_goodbye().await;
        }
        end
    }

    fn set_window(&mut self, bytes: u64) {
        self.window = bytes.clamp(*WINDOW.start(), *WINDOW.end());
        self.publisher.set_window(u32::try_from(self.window).expect("it is clamped"));
    }

    /// Ends the stream in order, so that its key is free at once.
    async fn say_goodbye(&mut self) {
        self.publisher.close();
        let writing = async {
            self.writing.write_all(self.publisher.output()).await?;
            self.writing.shutdown().await
        };
        // Whether the server hears it or not, it is over.
        let _ = timeout(GOODBYE, writing).await;
    }

    fn of_fault(&self, fault: &Fault) -> End {
        match fault {
            Fault::Refused(refusal) => {
                let (ending, code, text) = of_refusal(refusal);
                End::new(self.lost().unwrap_or(ending), code, text)
            }
            other => End::new(self.lost().unwrap_or(Ending::Failed), "protocol", other.to_string()),
        }
    }

    /// How it ended, if the stream was published.
    fn lost(&self) -> Option<Ending> {
        let published = self.clock.now().since(self.published?);
        Some(Ending::Lost { published })
    }

    fn broken(&self, error: &io::Error) -> End {
        let ending = match self.lost() {
            Some(lost) => lost,
            None if self.publisher.has_heard() => Ending::Failed,
            None => Ending::Unreachable,
        };
        match error.kind() {
            io::ErrorKind::UnexpectedEof if self.published.is_none() && self.publisher.has_asked() => {
                End::new(
                    ending,
                    "closed_at_publish",
                    "the server closed the connection instead of taking the stream: is the key right?",
                )
            }
            io::ErrorKind::UnexpectedEof => End::new(ending, "closed", "the server closed the connection"),
            io::ErrorKind::TimedOut => End::new(ending, "no_answer", "the server does not answer"),
            _ => End::new(ending, "broken", format!("the connection broke: {}", error.kind())),
        }
    }

    fn stalled(&self, text: &str) -> End {
        End::new(self.lost().unwrap_or(Ending::Failed), "stalled", text)
    }
}

/// The channel on its way to the server.
struct Sending<'c, 'a> {
    connection: &'c mut Connection<'a>,
    subscription: &'c mut Subscription,
    muxer: Muxer,
    queue: Queue,
    /// When the rate was last looked at, and how much had been sent then.
    looked: (Moment, u64),
    /// Counts that the report has already.
    dropped: u64,
}

impl<'c, 'a> Sending<'c, 'a> {
    fn new(connection: &'c mut Connection<'a>, subscription: &'c mut Subscription) -> Self {
        let looked = (connection.clock.now(), connection.publisher.sent());
        let (muxer, queue) = (Muxer::new(), Queue::default());
        Self { connection, subscription, muxer, queue, looked, dropped: 0 }
    }

    async fn run(mut self) -> End {
        let mut ticks = interval(TICK);
        // After a pause one tick takes all there is; a burst of them would find nothing.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut buffer = [0; READ];
        loop {
            let turn = match self.connection.turn(&mut buffer, Some(&mut ticks)).await {
                Ok(turn) => turn,
                Err(error) => return self.connection.broken(&error),
            };
            let handled = match turn {
                Turn::Stop => return End::stopped(),
                Turn::Read(count) => self.connection.take(&buffer[..count]),
                Turn::Tick => self.handle_tick(),
                Turn::Wrote(_) | Turn::Flushed => Ok(()),
            };
            // Before an error ends it: what was written counts.
            self.connection.handle(&turn);
            if let Err(end) = handled {
                return end;
            }
            self.fill();
        }
    }

    fn handle_tick(&mut self) -> Result<(), End> {
        let now = self.connection.clock.now();
        let read = self.read(now);
        // A server that stands still is told of even where the channel has ended as well.
        self.look(now)?;
        read
    }

    /// Takes what the channel has.
    fn read(&mut self, now: Moment) -> Result<(), End> {
        loop {
            match self.subscription.try_read() {
                Ok(TryRead::Bytes(bytes)) => self.muxer.push(&bytes),
                Ok(TryRead::UpToDate) => return Ok(()),
                Ok(TryRead::Ended) => return Err(End::without_picture("the channel has ended")),
                Err(error) => return Err(End::without_picture(&format!("the store: {}", error.kind()))),
            }
            while let Some(item) = self.muxer.poll() {
                self.handle_item(now, item)?;
            }
        }
    }

    fn handle_item(&mut self, now: Moment, item: Item) -> Result<(), End> {
        match item {
            Item::Begin(format) => {
                if format.codec == Some(Codec::Hevc) && !self.connection.publisher.takes_hevc() {
                    let text = "the server does not say that it takes HEVC".to_owned();
                    return Err(End::unsupported(text));
                }
                self.connection.publisher.describe(&format);
                self.connection.shared.edit().replaced_sound = self.muxer.replaced_sound();
            }
            Item::Tag(tag) => self.queue.push(now, tag),
            Item::Change(change) => {
                // What was before the change belongs to this connection.
                self.fill();
                return Err(End::of_change(change));
            }
            Item::Unsupported(why @ (Unsupported::Picture(_) | Unsupported::Nothing)) => {
                return Err(End::unsupported(why.to_string()));
            }
        }
        Ok(())
    }

    /// Makes ready what the socket can take next.
    fn fill(&mut self) {
        let publisher = &mut self.connection.publisher;
        let (mut frames, mut time) = (0, None);
        // Little at a time: what is made ready can no longer be left out when the server is slow.
        while publisher.output().len() < READY {
            let Some(tag) = self.queue.pop() else { break };
            publisher.send(&tag);
            frames += u64::from(!matches!(tag.content, Content::PictureHeader | Content::SoundHeader));
            time = Some(tag.time);
        }
        let dropped = self.queue.dropped();
        if frames == 0 && dropped == self.dropped {
            return;
        }
        let mut report = self.connection.shared.edit();
        report.frames_sent += frames;
        report.frames_dropped += dropped - std::mem::replace(&mut self.dropped, dropped);
        report.media_time = time.map_or(report.media_time, |time| Duration::from_millis(time.into()));
    }

    /// Whether the server stands still, and how fast it takes the stream.
    fn look(&mut self, now: Moment) -> Result<(), End> {
        let connection = &mut *self.connection;
        // With nothing to send, a socket that takes nothing does not stand still.
        if connection.publisher.output().is_empty() {
            connection.moved = now;
        }
        if now.since(connection.moved) > STILL {
            return Err(connection.stalled("the server takes nothing"));
        }
        let sent = connection.publisher.sent();
        // One window may be on its way, and one not be full.
        if connection.acknowledgements.is_silent(now, sent, 2 * connection.window) {
            return Err(connection.stalled("the server acknowledges nothing any more"));
        }
        let (since, before) = self.looked;
        let elapsed = now.since(since);
        if elapsed < LOOK {
            return Ok(());
        }
        self.looked = (now, sent);
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = (sent - before).saturating_mul(1000) / millis;
        // Only where it is out by a factor of two: each new window is a message to the server.
        if rate > 0 && !(connection.window / 2..=connection.window * 2).contains(&rate.max(*WINDOW.start())) {
            connection.set_window(rate);
        }
        let mut report = connection.shared.edit();
        report.bitrate = rate * 8;
        report.queue = self.queue.age(now);
        report.acknowledged = connection.acknowledgements.age(now);
        Ok(())
    }
}
