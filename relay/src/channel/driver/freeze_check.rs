//! A check of a picture that seems frozen by the sizes of its frames: two pictures that viewers
//! were sent lately are decoded and compared.

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

/// The time for decoding one picture. A busy machine takes a second.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The least time between the two pictures: a moving picture has moved by then.
const APART: Duration = Duration::from_secs(1);

/// The most that the decoder gets for one picture, in bytes. The picture is at the beginning.
const MAX_PICTURE: u64 = 4_000_000;

/// A check that is under way.
pub(super) struct FreezeCheck {
    attempt: AttemptId,
    fault: Fault,
    samples: BoxFuture<'static, Result<[FrameSample; 2], sample_frame::Error>>,
}

/// The result of a check.
pub(super) struct Verdict {
    attempt: AttemptId,
    fault: Fault,
    /// Whether both pictures are the same, or both black.
    is_still: Result<bool, sample_frame::Error>,
}

impl FreezeCheck {
    /// Whether the check is about this attempt.
    pub(super) fn is_of(&self, attempt: AttemptId) -> bool {
        self.attempt == attempt
    }

    /// Waits until both pictures are decoded. The check must be dropped then.
    pub(super) async fn verdict(&mut self) -> Verdict {
        let is_still = (&mut self.samples)
            .await
            .map(|[first, last]| last.is_same_as(&first) || first.is_black() && last.is_black());
        Verdict { attempt: self.attempt, fault: self.fault, is_still }
    }
}

impl Driver {
    /// Begins a check of this fault, if it needs one. Returns whether the fault must wait for it.
    pub(super) fn needs_check(&mut self, attempt: AttemptId, fault: Fault) -> bool {
        if fault.rule != Rule::FrozenPicture || !self.channel.policy.confirm_frozen {
            return false;
        }
        if !self.ingests.of(attempt).is_active() {
            return false; // viewers do not see this source, so a suspicion is enough
        }
        let Some([first, last]) = self.two_pictures() else {
            debug!("not enough key frames to compare");
            // A source that plays is not left on a mere suspicion.
            self.ask_again(attempt);
            return true;
        };
        let program = Path::new(FFMPEG);
        let samples = async move {
            // One after the other: a picture that stands still is no reason to take two processors.
            Ok([sample_frame(program, first, TIMEOUT).await?, sample_frame(program, last, TIMEOUT).await?])
        };
        self.freeze_check = Some(FreezeCheck { attempt, fault, samples: samples.boxed() });
        true
    }

    /// The pictures at the newest access point and at an older one, between [`APART`] and the
    /// rule's time before it; none if the window has no such pair.
    fn two_pictures(&self) -> Option<[Bytes; 2]> {
        let still = self.channel.policy.health.frozen_picture.unwrap_or(APART).max(APART);
        let entries = || self.output.entries_of_active();
        let (last, newest) = entries().last()?;
        let is_apart =
            |(_, point): &(u64, AccessPoint)| (APART..=still).contains(&newest.time.since(point.time));
        let (first, _) = entries().find(is_apart)?;
        let read = |start: u64| {
            let end = self.output.index.head().min(start + MAX_PICTURE);
            self.feed.media.store.read(start, end).ok().flatten()
        };
        Some([read(first)?, read(last)?])
    }

    /// Starts the rule anew: it reports the fault again if the picture still seems frozen then.
    fn ask_again(&mut self, attempt: AttemptId) {
        self.ingests.of_mut(attempt).delivering().input.rejudge_stillness();
    }

    /// Both pictures are decoded.
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
