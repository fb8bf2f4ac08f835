//! A second opinion on a picture that seems to stand still by the sizes of its frames: two frames
//! that viewers had lately are decoded and compared.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::frame_sample::FrameSample;
use forebay_core::health::{Fault, Rule};
use forebay_core::lifecycle::AttemptId;
use forebay_core::time::Moment;
use forebay_core::ts::splice::AccessPoint;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::{debug, info, warn};

use super::Driver;
use crate::input::sample_frame::{self, sample_frame};

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
    attempt: AttemptId,
    fault: Fault,
    samples: BoxFuture<'static, Result<[FrameSample; 2], sample_frame::Error>>,
}

/// What came of it.
pub(super) struct Verdict {
    attempt: AttemptId,
    fault: Fault,
    /// Whether there is nothing to be seen, or nothing new.
    is_still: Result<bool, sample_frame::Error>,
}

impl FreezeCheck {
    /// Whether it is about this attempt.
    pub(super) fn is_of(&self, attempt: AttemptId) -> bool {
        self.attempt == attempt
    }

    /// Waits until both have been seen. To be dropped after that.
    pub(super) async fn verdict(&mut self) -> Verdict {
        let is_still = (&mut self.samples)
            .await
            .map(|[first, last]| last.is_same_as(&first) || first.is_black() && last.is_black());
        Verdict { attempt: self.attempt, fault: self.fault, is_still }
    }
}

impl Driver {
    /// Whether this fault is to be looked at before anything is done about it; it is then.
    pub(super) fn needs_check(&mut self, attempt: AttemptId, fault: Fault) -> bool {
        if fault.rule != Rule::FrozenPicture || !self.channel.policy.confirm_frozen {
            return false;
        }
        if !self.ingests.of(attempt).is_active() {
            return false; // of a source that is only tried, it is suspicion enough
        }
        let Some([first, last]) = self.two_pictures() else {
            debug!("not enough key frames to compare");
            self.ask_again(attempt);
            return true;
        };
        let program = Path::new(FFMPEG);
        let samples = async move {
            Ok([sample_frame(program, first, TIMEOUT).await?, sample_frame(program, last, TIMEOUT).await?])
        };
        self.freeze_check = Some(FreezeCheck { attempt, fault, samples: samples.boxed() });
        true
    }

    /// The newest picture that viewers could begin with and an older one, as far apart as the fault
    /// is old; none where there is only one.
    fn two_pictures(&self) -> Option<[Bytes; 2]> {
        let still = self.channel.policy.health.frozen_picture.unwrap_or(APART).max(APART);
        let entries = || self.output.entries_of_active();
        let (last, newest) = entries().last()?;
        let is_apart =
            |(_, point): &(u64, AccessPoint)| (APART..=still).contains(&newest.time.since(point.time));
        let (first, _) = entries().find(is_apart)?;
        let read = |start: u64| {
            let end = self.output.index.head().min(start + MAX_PICTURE);
            self.feed.store.read(start, end).ok().flatten()
        };
        Some([read(first)?, read(last)?])
    }

    /// The rule tells of it once more when it has held for its time again.
    fn ask_again(&mut self, attempt: AttemptId) {
        self.ingests.of_mut(attempt).delivering().input.doubt_stillness();
    }

    /// Both have been seen.
    pub(super) fn handle_verdict(&mut self, now: Moment, Verdict { attempt, fault, is_still }: Verdict) {
        self.freeze_check = None;
        match is_still {
            Ok(true) => self.mark_unhealthy(now, attempt, fault),
            Ok(false) => {
                info!(%fault, "frozen picture not confirmed by decoding");
                self.ask_again(attempt);
            }
            Err(error) => {
                self.ask_again(attempt);
                warn!(%error, %fault, "cannot see whether the picture stands still: the source stays");
            }
        }
    }
}
