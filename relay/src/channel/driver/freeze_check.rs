//! A second opinion on a picture that seems to stand still by the sizes of its frames: two frames
//! that viewers had lately are decoded and compared.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::health::{Fault, Rule};
use forebay_core::lifecycle::Attempt;
use forebay_core::look::Look;
use forebay_core::time::Moment;
use forebay_core::ts::splice::Mark;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::{debug, info, warn};

use super::Driver;
use crate::input::look::{self, look};

/// The program, which is looked for in the `PATH`.
const FFMPEG: &str = "ffmpeg";

/// For one picture. A busy machine takes a second.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The least time between the two pictures: what moves has moved by then.
const APART: Duration = Duration::from_secs(1);

/// The most that is handed over for one picture, in bytes; it is at the beginning.
const MAX_PICTURE: u64 = 4_000_000;

/// What is being looked at, and why.
pub(super) struct FreezeCheck {
    attempt: Attempt,
    fault: Fault,
    looks: BoxFuture<'static, Result<[Look; 2], look::Error>>,
}

/// What came of it.
pub(super) struct Opinion {
    attempt: Attempt,
    fault: Fault,
    /// Whether there is nothing to be seen, or nothing new.
    is_still: Result<bool, look::Error>,
}

impl FreezeCheck {
    /// Whether it is about this attempt.
    pub(super) fn is_of(&self, attempt: Attempt) -> bool {
        self.attempt == attempt
    }

    /// Waits until both have been seen. To be dropped after that.
    pub(super) async fn opinion(&mut self) -> Opinion {
        let is_still = (&mut self.looks)
            .await
            .map(|[first, last]| last.is_same_as(&first) || first.is_black() && last.is_black());
        Opinion { attempt: self.attempt, fault: self.fault, is_still }
    }
}

impl Driver {
    /// Whether this fault is to be looked at before anything is done about it; it is then.
    pub(super) fn needs_check(&mut self, attempt: Attempt, fault: Fault) -> bool {
        if fault.rule != Rule::FrozenPicture || !self.channel.policy.confirm_frozen {
            return false;
        }
        if !self.ingests.of(attempt).is_active() {
            return false; // of a source that is only tried, it is suspicion enough
        }
        let Some([first, last]) = self.two_pictures() else {
            debug!("not enough key frames to compare");
            self.look_again(attempt);
            return true;
        };
        let program = Path::new(FFMPEG);
        let looks =
            async move { Ok([look(program, first, TIMEOUT).await?, look(program, last, TIMEOUT).await?]) };
        self.freeze_check = Some(FreezeCheck { attempt, fault, looks: looks.boxed() });
        true
    }

    /// The newest picture that viewers could begin with and an older one, as far apart as the fault
    /// is old; none where there is only one.
    fn two_pictures(&self) -> Option<[Bytes; 2]> {
        let still = self.channel.policy.health.frozen_picture.unwrap_or(APART).max(APART);
        let entries = || self.output.entries_of_active();
        let (last, newest) = entries().last()?;
        let is_apart = |(_, mark): &(u64, Mark)| (APART..=still).contains(&newest.time.since(mark.time));
        let (first, _) = entries().find(is_apart)?;
        let read = |start: u64| {
            let end = self.output.index.head().min(start + MAX_PICTURE);
            self.feed.store.read(start, end).ok().flatten()
        };
        Some([read(first)?, read(last)?])
    }

    /// The rule tells of it once more when it has held for its time again.
    fn look_again(&mut self, attempt: Attempt) {
        self.ingests.of_mut(attempt).delivering().input.doubt_stillness();
    }

    /// Both have been seen.
    pub(super) fn handle_opinion(&mut self, now: Moment, Opinion { attempt, fault, is_still }: Opinion) {
        self.freeze_check = None;
        match is_still {
            Ok(true) => self.mark_unhealthy(now, attempt, fault),
            Ok(false) => {
                info!(%fault, "frozen picture not confirmed by decoding");
                self.look_again(attempt);
            }
            Err(error) => {
                self.look_again(attempt);
                warn!(%error, %fault, "cannot see whether the picture stands still: the source stays");
            }
        }
    }
}
