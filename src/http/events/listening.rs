//! One who listens.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::Seat;
use crate::http::State;

/// How often a listener is sent a message.
const PERIOD: Duration = Duration::from_secs(1);

/// How long an answer lasts. The browser asks again by itself, and by then whoever was signed out,
/// or has another role, is refused.
const LIFE: Duration = Duration::from_mins(1);

/// How soon the browser is to ask again, in ms, before the first message.
const RETRY: &[u8] = b"retry: 500\n";

/// What is left of an answer.
pub(super) struct Listening {
    state: State,
    _seat: Seat,
    ticks: Interval,
    ends_at: Instant,
    /// Nothing has been sent yet.
    is_new: bool,
}

impl Listening {
    pub(super) fn new(state: State, seat: Seat) -> Self {
        let mut ticks = interval(PERIOD);
        // Whoever takes nothing for a while wants no message of that time.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { state, _seat: seat, ticks, ends_at: Instant::now() + LIFE, is_new: true }
    }

    /// Waits for the next message, the first of which is there at once; none when the answer ends.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        if self.is_new {
            self.is_new = false;
            return Some(Bytes::from_static(RETRY));
        }
        tokio::select! {
            biased;
            () = self.state.channels.stopping() => None,
            () = sleep_until(self.ends_at) => None,
            _ = self.ticks.tick() => Some(self.state.documents.messages.current(&self.state)),
        }
    }
}
