//! What a driver does once a tick: the output of the splice stage goes into the store, and the viewers whose turn it is hear of it.

use std::sync::Arc;
use std::time::Duration;

use forebay_core::cadence::{Cadence, GROUPS};
use forebay_core::failover::SourceId;
use forebay_core::time::Moment;
use jiff::Timestamp;
use tracing::{debug, error, info};

use super::Driver;
use super::line::Line;
use crate::channel::feed::{Block, Stage, Switch};
use crate::events::Event as Happened;

/// Output that is kept allocated from tick to tick.
const KEPT_OUTPUT: usize = 1 << 20;

/// Switches that the report lists.
const MAX_SWITCHES: usize = 10;

impl Driver {
    /// When there is something to do at a tick, the time of the next one.
    pub(super) fn tick_at(&self) -> Option<Moment> {
        let is_output = !self.splice.output().0.is_empty();
        let has_news = || self.told.iter().any(|&told| told < self.ring.head());
        (is_output || has_news()).then(|| self.ticked_at + self.cadence.tick())
    }

    pub(super) fn tick_if_due(&mut self, now: Moment) {
        if self.tick_at().is_some_and(|at| at <= now) {
            self.ticked_at = now;
            self.turn += 1;
            self.store_output();
            self.cadence = Cadence::new(self.feed.population.load(), self.bytes_per_second);
            self.tell(self.cadence.due(self.turn));
        }
    }

    /// There is something to see, at once.
    pub(super) fn show_at_once(&mut self, now: Moment) {
        self.ticked_at = now;
        self.store_output();
        self.tell(0..GROUPS);
        self.feed.tell(|window| (window.stage, window.is_live) = (Stage::Started, true));
    }

    /// A source has gone on air.
    pub(super) fn go_on_air(&mut self, now: Moment, source: SourceId) {
        self.aired_at = self.ring.head();
        self.show_at_once(now);
        self.has_news = true;
        info!(source = self.channel.place(source), streams = ?self.streams(), "source is on air");
        self.happened(|channel| Happened::StreamStarted { channel, source });
        self.steered = None;
        if let Some((from, reason)) = self.left.take() {
            self.happened(|channel| Happened::StreamSwitched { channel, from, to: source, reason });
            let mut report = self.feed.edit_report();
            report.switches_total += 1;
            report.switches.push(Switch { at: Timestamp::now(), from, to: source, reason });
            if report.switches.len() > MAX_SWITCHES {
                report.switches.remove(0);
            }
        }
    }

    /// Moves the output into the store.
    fn store_output(&mut self) {
        let (output, marks) = self.splice.output();
        if output.is_empty() {
            return;
        }
        let content = self.gap.feed(self.ticked_at, output.len());
        self.content += content as u64;
        if let Err(error) = self.feed.store.write(self.ring.head(), output) {
            if !std::mem::replace(&mut self.is_store_failing, true) {
                error!(%error, "the store takes no more: what comes is lost until it does");
            }
            return self.splice.clear(KEPT_OUTPUT);
        }
        if std::mem::take(&mut self.is_store_failing) {
            info!("the store takes what comes again");
        }
        let base = self.ring.head();
        let on_air = self.lines.iter().find(|line| line.is_on_air()).and_then(Line::opened);
        self.ring.set_ahead(on_air.map_or(Duration::ZERO, |input| input.not_due(self.ticked_at)));
        self.ring.append(output.len(), marks, self.splice.position().unwrap_or_default());
        self.groups.note_marks(marks);
        {
            let mut trail = self.feed.trail();
            trail.advance(self.ring.head(), self.ring.position());
            for mark in marks {
                trail.push(base + mark.at as u64, mark);
            }
        }
        if self.packager.is_some() {
            let (marks, cuts) = (marks.to_vec(), self.splice.cuts().to_vec());
            self.package(base, &marks, &cuts);
        }
        self.splice.clear(KEPT_OUTPUT);
        self.release();
        if content > 0 {
            self.feed.edit_report().last_activity = Timestamp::now();
        }
    }

    /// Lets go of what nobody can ask for any more.
    pub(super) fn release(&mut self) {
        let tail = self.ring.tail();
        let tail = self.packaged_tail().map_or(tail, |packaged| packaged.min(tail));
        self.feed.trail().trim(tail);
        let tail = self.spool(tail);
        if let Err(error) = self.reclaim.release(&self.feed.store, tail) {
            debug!(%error, "cannot free memory behind the window");
        }
    }

    /// Tells these groups of viewers how far the store reaches.
    fn tell(&mut self, groups: impl Iterator<Item = usize>) {
        let edges = self.ring.edges(self.channel.policy.burst);
        self.groups.note_edges(&edges);
        let mut newest: Option<Arc<Block>> = None;
        for group in groups {
            let told = std::mem::replace(&mut self.told[group], edges.head);
            if told == edges.head {
                continue;
            }
            // Groups whose turn comes together share it.
            if newest.as_ref().is_none_or(|block| block.start != told) {
                newest = Some(Arc::new(Block::new(told, edges.head)));
            }
            let newest = newest.clone();
            self.feed.windows[group].send_modify(|window| (window.edges, window.newest) = (edges, newest));
        }
    }
}
