//! The work of a tick: the driver writes the output to the store, and announces it to the viewers
//! whose turn it is.

use std::time::Duration;

use forebay_core::failover::SourceId;
use forebay_core::time::Moment;
use jiff::Timestamp;
use tracing::info;

use super::Driver;
use super::hls::{PackagingContext, Written};
use crate::channel::report::Switch;
use crate::events;

/// Switches that the report lists.
const MAX_SWITCHES: usize = 10;

impl Driver {
    pub(super) fn tick_if_due(&mut self, now: Moment) {
        if self.output.begin_tick(now) {
            self.store_output();
            let rate = self.status.meter.bytes_per_second();
            self.output.set_load(self.feed.totals.load(), rate);
            self.output.announce_due(&self.feed, self.channel.policy.burst);
        }
    }

    /// Writes and announces the output now, without waiting for the tick.
    pub(super) fn show_at_once(&mut self, now: Moment) {
        self.output.begin_tick_early(now);
        self.store_output();
        self.output.announce_to_all(&self.feed, self.channel.policy.burst);
    }

    /// Shows a source that has become active.
    pub(super) fn start_showing(&mut self, now: Moment, source: SourceId) {
        self.output.begin_source();
        self.show_at_once(now);
        self.status.set_stale();
        info!(source = self.channel.position(source), streams = ?self.streams(), "source is active");
        self.publish(|channel| events::Event::StreamStarted { channel, source });
        if let Some((from, reason)) = self.switches.activate() {
            self.publish(|channel| events::Event::StreamSwitched { channel, from, to: source, reason });
            let mut report = self.feed.edit_report();
            report.switches_total += 1;
            report.switches.push(Switch { at: Timestamp::now(), from, to: source, reason });
            if report.switches.len() > MAX_SWITCHES {
                report.switches.remove(0);
            }
        }
    }

    /// Writes the output to the store.
    fn store_output(&mut self) {
        if self.output.pending() == 0 {
            return;
        }
        let ticked_at = self.output.ticked_at();
        let content = self.fillers.outage.record_output(ticked_at, self.output.pending());
        self.status.meter.count(content);
        let not_due = self.ingests.active().map_or(Duration::ZERO, |input| input.not_due(ticked_at));
        if let Some(base) = self.output.store(&self.feed, not_due) {
            self.package(base);
            self.output.clear();
            self.release();
            if content > 0 {
                self.feed.edit_report().last_activity = Timestamp::now();
            }
        } else {
            self.output.clear();
        }
    }

    /// Makes segments of the output that was written at `base`.
    fn package(&mut self, base: u64) {
        let splice = &self.output.splice;
        let written = Written { base, points: splice.output().1, cuts: splice.cuts() };
        let context = PackagingContext::of(&self.feed, &self.channel, self.inbox.hls_viewers());
        self.hls.package(context, written, self.timeshift.as_mut());
    }

    /// Frees what can no longer be read.
    pub(super) fn release(&mut self) {
        let (head, tail) = (self.output.index.head(), self.output.index.tail());
        let tail = self.hls.tail().map_or(tail, |packaged| packaged.min(tail));
        self.feed.keyframes().trim(tail);
        let limit = self.channel.policy.hls.max_bytes;
        let timeshift = self.timeshift.as_mut();
        let tail = timeshift.map_or(tail, |timeshift| timeshift.follow(&self.feed, head, tail, limit));
        self.output.release(&self.feed, tail);
    }
}
