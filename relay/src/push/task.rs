//! The task of a push: one connection after the other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::push::{Ending, Retry};
use forebay_core::time::Moment;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::connection::{Connection, End};
use super::dial::Dialer;
use super::report::{LastError, Shared, State};
use super::settings::Push;
use crate::channel::{AdmissionLimits, Channels, ReaderKind, Refusal, Start, Subscription, Unreadable};
use crate::clock::Clock;
use crate::events::Event;
use crate::file_changes::aside;

/// A channel is not held open for a server that is tried again after longer than this.
const HOLD: Duration = Duration::from_secs(10);

/// How long a server that has never answered may take to do so.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same of one that is known to answer quickly, at least, and as a multiple of what it took:
/// what was sent to a server while the way to it was cut never comes, so a new attempt is better
/// than a long wait.
const QUICK: Duration = Duration::from_millis(1500);
const SLOWER: u32 = 4;

/// What a reader without a user adds to the priority of its channel.
const NO_USER: i32 = 0;

/// Attempts without an answer, after which a server may have become slow.
const MANY: u32 = 300;

/// A push that runs.
pub(super) struct Task {
    pub(super) settings: Arc<Push>,
    pub(super) channels: Arc<Channels>,
    pub(super) dialer: Dialer,
    pub(super) max_bandwidth: Option<u64>,
    pub(super) shared: Arc<Shared>,
    pub(super) stop: CancellationToken,
}

/// What is remembered from one attempt to the next.
#[derive(Debug, Default)]
struct Memory {
    retry: Retry,
    /// Held from one connection to the next.
    subscription: Option<Subscription>,
    /// From the first byte to the server until it took the stream, when it last did.
    took: Option<Duration>,
    /// Attempts without an answer since.
    unanswered: u32,
}

impl Memory {
    fn patience(&self) -> Duration {
        match self.took {
            // Several times what it took, and never so short that one lost packet ends it.
            Some(took) if self.unanswered < MANY => (took * SLOWER).clamp(QUICK, PATIENCE),
            _ => PATIENCE,
        }
    }
}

impl Task {
    pub(super) async fn run(self) {
        let (clock, mut memory) = (Clock::start(), Memory::default());
        let stop = self.stop.clone();
        loop {
            let begun = clock.now();
            let end = match stop.run_until_cancelled(self.begin(&mut memory, clock)).await {
                None => break,
                Some(Err(end)) => end,
                // It ends in order by itself.
                Some(Ok(mut connection)) => {
                    let subscription = memory.subscription.as_mut().expect("it has joined");
                    connection.send_all(subscription).await
                }
            };
            if stop.is_cancelled() {
                break;
            }
            let pause = self.pause(&mut memory, &end, begun, clock.now());
            // The channel's source may be a connection that others
            // need; for a short pause, closing it costs a new start.
            if pause > HOLD {
                memory.subscription = None;
            }
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                break;
            }
        }
        // Whoever has stopped it has said so.
        debug!(push = %self.settings.id, "push ended");
    }

    /// Tells of the end of an attempt, and how long the pause is.
    fn pause(&self, memory: &mut Memory, end: &End, begun: Moment, now: Moment) -> Duration {
        let ending = end.ending;
        if ending == Ending::Unreachable {
            memory.unanswered += 1;
        } else {
            memory.unanswered = 0;
        }
        self.tell(end);
        let pause = memory.retry.pause(now, ending, jitter());
        if ending == Ending::Unreachable {
            // It has been waited for already.
            return pause.saturating_sub(now.since(begun));
        }
        pause
    }

    fn tell(&self, end: &End) {
        let push = &self.settings.id;
        let state = if end.ending == Ending::Refused { State::Refused } else { State::Retrying };
        if end.ending == Ending::Renewed {
            self.shared.edit().republishes += 1;
            info!(%push, reason = end.code, "push goes on in a new connection");
        } else {
            // A server that stays away would fill the log with the same line every few seconds.
            let is_news = self.shared.edit().last_error.as_ref().is_none_or(|last| last.code != end.code);
            if is_news || matches!(end.ending, Ending::Lost { .. }) {
                warn!(%push, code = end.code, "push failed: {}", end.text);
            } else {
                debug!(%push, code = end.code, "push failed again: {}", end.text);
            }
            let error = LastError { code: end.code, text: end.text.clone(), at: Timestamp::now() };
            self.shared.edit().last_error = Some(error);
        }
        if let Ending::Lost { .. } | Ending::Renewed = end.ending {
            let channel = self.settings.channel.clone();
            let event = Event::PushEnded { push: push.shared(), channel, reason: end.code };
            self.channels.events().publish(event);
        }
        self.shared.set_state(state);
    }

    /// Makes a connection on which the server takes the stream.
    async fn begin(&self, memory: &mut Memory, clock: Clock) -> Result<Connection<'_>, End> {
        // The picture first: a server that gets no media closes the connection, or keeps the key in
        // use.
        self.join(memory).await?;
        self.shared.set_state(State::Connecting);
        let (patience, asked) = (memory.patience(), Instant::now());
        let socket = self.dialer.dial(&self.settings, patience).await;
        let socket = socket.map_err(|error| End::of_network(&error))?;
        let mut connection = Connection::new(&self.settings, &self.shared, &self.stop, clock, socket);
        connection.publish(patience).await?;
        memory.took = Some(asked.elapsed());
        let (push, channel) = (self.settings.id.shared(), self.settings.channel.clone());
        self.channels.events().publish(Event::PushPublished { push, channel });
        info!(push = %self.settings.id, channel = %self.settings.channel, "push published");
        Ok(connection)
    }

    /// Joins the channel, and waits until it has a picture.
    async fn join(&self, memory: &mut Memory) -> Result<(), End> {
        let is_open = memory.subscription.as_ref().is_some_and(|subscription| !subscription.is_over());
        if !is_open {
            self.shared.set_state(State::Waiting);
            // One that is over still holds its place in the channel.
            memory.subscription = None;
            let mut subscription = self.subscribe().await?;
            match subscription.started().await {
                Start::Started => memory.subscription = Some(subscription),
                Start::Failed(_) => {
                    return Err(End::without_picture("no source of the channel has a picture"));
                }
                Start::Ended => return Err(End::without_picture("the channel is ending")),
            }
        }
        Ok(())
    }

    async fn subscribe(&self) -> Result<Subscription, End> {
        let (channels, id) = (Arc::clone(&self.channels), self.settings.channel.clone());
        let found = aside(&self.stop, move || channels.find(id.as_str())).await;
        let found = found.ok_or_else(|| End::without_picture("it was stopped"))?;
        let found = found.map_err(|Unreadable| End::without_picture("the channels cannot be read"))?;
        let found = found.ok_or_else(|| End::without_picture("there is no such channel"))?;
        let admission = AdmissionLimits { max_bandwidth: self.max_bandwidth, served: &HashMap::new() };
        let reader = self.channels.join(&found, (ReaderKind::Push, NO_USER), &admission);
        reader.map(Subscription::new).map_err(|refusal| {
            End::without_picture(match refusal {
                Refusal::NoBandwidth { .. } => "server.max_bandwidth leaves no room for it",
                Refusal::NoStore => "the system gives no memory for the channel",
                _ => "the channel is not to be had now",
            })
        })
    }
}

/// From 0 to 1, another one each time: by the nanoseconds of the clock.
fn jitter() -> f64 {
    f64::from(Timestamp::now().subsec_nanosecond().unsigned_abs() % 1000) / 1000.0
}
