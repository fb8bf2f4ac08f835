//! Outages, and what fills them: packets that keep viewers' connections alive, or the slate, if the
//! channel has one.

use forebay_core::channel::Outage;
use forebay_core::channel::outage::{Filler, FillerNeeds};
use forebay_core::health::Rules;
use forebay_core::ingest::Lead;
use forebay_core::time::Moment;
use futures_util::StreamExt;
use tracing::info;

use super::Driver;
use super::open_input::OpenInput;
use crate::channel::reader_kind::ReaderKind;
use crate::events;
use crate::input::{Error, Piece, slate};

/// The outage, and what fills it.
#[derive(Default)]
pub(super) struct Fillers {
    pub(super) outage: Outage,
    /// The slate, while it is shown.
    slate: Option<OpenInput>,
}

impl Fillers {
    /// Whether the slate is shown.
    pub(super) fn has_slate(&self) -> bool {
        self.slate.is_some()
    }

    /// When the slate may be read again, if it must wait.
    pub(super) fn slate_at(&self) -> Option<Moment> {
        self.slate.as_ref()?.input.resumes_at()
    }

    /// Waits for the next piece of the slate, if it is shown and may be read.
    pub(super) async fn next_piece(&mut self, now: Moment) -> Result<Piece, Error> {
        let is_paused = self.slate_at().is_some_and(|at| at > now);
        match &mut self.slate {
            Some(slate) if !is_paused => slate.upstream.pieces.next().await.unwrap_or(Err(Error::Ended)),
            _ => std::future::pending().await,
        }
    }
}

impl Driver {
    /// When a filler is due.
    pub(super) fn filler_at(&self) -> Option<Moment> {
        self.fillers.outage.poll_timeout(self.wanted_fillers())
    }

    /// The fillers that are wanted. Viewers by HLS have no connection to keep alive.
    fn wanted_fillers(&self) -> FillerNeeds {
        let policy = &self.channel.policy;
        let readers = self.inbox.readership.readers();
        let has_connections = readers.keeping_open() > readers.of(ReaderKind::Hls);
        FillerNeeds {
            slate: policy.slate && self.inbox.readership.is_kept_open(),
            keep_alive: policy.keep_alive && has_connections,
        }
    }

    /// Sends the filler that is due.
    pub(super) fn fill_if_due(&mut self, now: Moment) {
        match self.fillers.outage.poll_filler(now, self.wanted_fillers()) {
            Some(Filler::Slate) => self.show_slate(now),
            Some(Filler::KeepAlive) => {
                let before = self.output.pending();
                self.output.splice.keep_alive();
                self.fillers.outage.keep_alive(now, self.output.pending() - before);
            }
            None => {}
        }
    }

    fn show_slate(&mut self, now: Moment) {
        info!("showing the slate");
        let mut slate = OpenInput::new(slate::open(), Rules::OFF, None, &self.channel.policy);
        // The slate is not part of a multiplex.
        self.output.splice.set_program(None);
        self.output.splice.begin();
        slate.activate(now, &mut self.output.splice, Lead::None);
        self.fillers.slate = Some(slate);
        self.fillers.outage.set_slate(true);
    }

    /// A piece of the slate has come.
    pub(super) fn handle_slate(&mut self, now: Moment, piece: Result<Piece, Error>) {
        let slate = self.fillers.slate.as_mut().expect("a piece comes of a slate that is shown");
        let splice = &mut self.output.splice;
        let was_open = splice.is_open();
        let taken = piece.and_then(|piece| slate.take(now, &piece, splice));
        if taken.is_err() {
            self.drop_slate(); // it never ends, and cannot go wrong
        } else if !was_open && self.output.splice.is_open() {
            self.show_at_once(now);
        }
        self.tick_if_due(now);
    }

    /// An outage begins: the active source was left, and no other took its place.
    pub(super) fn begin_outage(&mut self, now: Moment) {
        if self.fillers.outage.begin(now, self.inbox.readership.is_kept_open()) {
            self.publish(|channel| events::Event::OutageBegun { channel });
        }
    }

    /// Ends the outage, if there is one: a source becomes active.
    pub(super) fn end_outage(&mut self, now: Moment) {
        if let Some(lasted) = self.fillers.outage.end(now) {
            self.publish(|channel| events::Event::OutageEnded { channel, lasted });
        }
        self.drop_slate();
    }

    /// Stops showing the slate.
    pub(super) fn drop_slate(&mut self) {
        if self.fillers.slate.take().is_some() {
            self.fillers.outage.set_slate(false);
            self.output.splice.set_program(self.channel.program);
            self.output.splice.begin();
        }
    }
}
