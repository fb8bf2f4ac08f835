//! Makes one transport stream of segments that are none, or that come in two renditions.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::playlist::follow::{self, Fetch, Pair};
use forebay_core::remux::{Extent, Pairing, Reason, Remuxer, Rendition};
use forebay_core::time::{MediaTime, duration_to_ticks};

use super::outlet::Outlet;
use super::{Item, PIECE};
use crate::input::Error;
use crate::input::offload::offload;

/// Bytes of output that a remuxer keeps allocated.
const KEPT_OUTPUT: usize = 1 << 20;

/// A segment of which so little is held back has been passed on: the sound need not end where the
/// picture does.
const UNEVEN: Duration = Duration::from_millis(250);

/// The remuxer of one upstream, once it needs one.
#[derive(Debug, Default)]
pub(super) struct Remuxing {
    remuxer: Option<Remuxer>,
    /// Whether it has separate sound.
    has_audio: bool,
    /// How that goes together with the picture.
    pairing: Pairing,
    /// Segments of the picture that are held back for their sound: where each ends, and how long it
    /// plays.
    held: VecDeque<(MediaTime, Duration)>,
}

impl Remuxing {
    /// What has come of the picture and of the separate sound.
    pub(super) fn extents(&self) -> [Option<Extent>; 2] {
        self.remuxer.as_ref().map(Remuxer::extents).unwrap_or_default()
    }

    /// Up to where both were passed on.
    pub(super) fn passed(&self) -> Option<MediaTime> {
        self.remuxer.as_ref().and_then(Remuxer::passed)
    }

    /// From now on picture and sound go together like this.
    pub(super) async fn pair(&mut self, pair: Pair, outlet: &mut Outlet) {
        self.pairing = pair.pairing;
        if !self.has_audio {
            return;
        }
        for (rendition, is_void) in [Rendition::Main, Rendition::Audio].into_iter().zip(pair.void) {
            if is_void {
                // Before the pairing changes: what is held was placed by the old one.
                self.step(0, outlet, move |remuxer| remuxer.discard(rendition)).await;
            }
        }
        if pair.void[Rendition::Main as usize] {
            self.end_all(outlet).await;
        }
        if pair.void == [true; 2] {
            // Neither goes on: both begin on another timeline.
            self.step(0, outlet, Remuxer::reset).await;
            outlet.cut();
        }
        self.step(0, outlet, move |remuxer| remuxer.set_pairing(pair.pairing, pair.least)).await;
        self.end_passed(outlet).await;
    }

    /// Turns a whole segment into transport packets, and passes those on that are ready.
    pub(super) async fn push(
        &mut self,
        fetch: &Fetch,
        init: Option<Bytes>,
        bytes: Bytes,
        outlet: &mut Outlet,
    ) -> Result<(), Error> {
        if self.remuxer.is_none() || self.has_audio != fetch.audio.is_some() {
            // The other layout begins anew, so what is held back for its sound comes no more.
            self.end_all(outlet).await;
            outlet.cut();
            self.has_audio = fetch.audio.is_some();
            self.remuxer = Some(if self.has_audio { Remuxer::with_audio(None) } else { Remuxer::new() });
        }
        // Sound of its own begins anew behind the picture's discontinuity, which its pictures may
        // wait at.
        if fetch.rendition == follow::Rendition::Main && outlet.put_off_seam() {
            self.step(0, outlet, Remuxer::reset).await;
            self.end_all(outlet).await;
            outlet.cut();
        }
        let (length, rendition, pairing) = (bytes.len(), rendition(fetch), self.pairing);
        let breaks_audio = rendition == Rendition::Audio && fetch.is_discontinuous;
        let language = fetch.audio.clone().filter(|tag| !tag.is_empty());
        let push = move |remuxer: &mut Remuxer| {
            // Said with each segment: a remuxer that was made meanwhile knows nothing of it.
            remuxer.set_pairing(pairing, Duration::ZERO);
            remuxer.set_language(language.as_deref());
            if breaks_audio {
                remuxer.break_audio();
            }
            init.map_or(Ok(()), |init| remuxer.set_init(rendition, &init))?;
            remuxer.push(rendition, &bytes)
        };
        let outcome = self.step(length, outlet, push).await.unwrap_or(Ok(()));
        self.end_passed(outlet).await;
        outcome.map_err(|error| match &error.reason {
            Reason::Encrypted(_) => Error::Encrypted(error.to_string()),
            reason if reason.is_lasting() => Error::Format(error.to_string()),
            _ => Error::Segments(error.to_string()),
        })
    }

    /// A segment of the picture that plays so long is complete: says so as soon as it has been
    /// passed on.
    pub(super) async fn end(&mut self, duration: Duration, outlet: &mut Outlet) {
        match self.extents()[Rendition::Main as usize].filter(|_| self.has_audio) {
            Some(extent) => {
                self.held.push_back((extent.end, duration));
                self.end_passed(outlet).await;
            }
            None => outlet.send(Item::End(duration)).await,
        }
    }

    /// Says that those segments are complete which have been passed on.
    async fn end_passed(&mut self, outlet: &mut Outlet) {
        let Some(passed) = self.passed() else { return };
        // The last frames of sound of a segment often end a little before its picture.
        let passed = passed.shifted(duration_to_ticks(UNEVEN));
        while let Some((_, duration)) = self.held.pop_front_if(|(end, _)| *end <= passed) {
            outlet.send(Item::End(duration)).await;
        }
    }

    /// Nothing is held back any more.
    async fn end_all(&mut self, outlet: &mut Outlet) {
        for (_, duration) in self.held.drain(..) {
            outlet.send(Item::End(duration)).await;
        }
    }

    /// Lets the remuxer do something with so many bytes, and passes on what comes of it. `None`
    /// while there is no remuxer.
    async fn step<T: Send + 'static>(
        &mut self,
        bytes: usize,
        outlet: &mut Outlet,
        step: impl FnOnce(&mut Remuxer) -> T + Send + 'static,
    ) -> Option<T> {
        // Taken out for the time of the work, which may go to another thread.
        let mut remuxer = self.remuxer.take()?;
        let work = move || {
            let result = step(&mut remuxer);
            // Copied once, then shared by all pieces; the remuxer keeps its own space.
            let output = Bytes::copy_from_slice(remuxer.output());
            remuxer.clear(KEPT_OUTPUT);
            (remuxer, output, result)
        };
        let (remuxer, output, result) = offload(bytes, work).await;
        self.remuxer = Some(remuxer);
        for piece in output.chunks(PIECE) {
            outlet.pass(output.slice_ref(piece)).await;
        }
        Some(result)
    }
}

fn rendition(fetch: &Fetch) -> Rendition {
    match fetch.rendition {
        follow::Rendition::Main => Rendition::Main,
        follow::Rendition::Audio => Rendition::Audio,
    }
}
