//! Writes the report of a feed, which the status document shows.

use std::time::Duration;

use forebay_core::channel::Meter;
use forebay_core::health::{Fault, Rule};
use forebay_core::ts::stream::{self, Codec};

use super::Driver;
use crate::channel::report::SourceReport;
use crate::model::Source;

/// The figures of the report that only this module keeps.
pub(super) struct Status {
    /// Whether the report's sources and streams are out of date.
    is_stale: bool,
    /// How often each rule of health found a fault.
    faults: [u64; Rule::COUNT],
    pub(super) meter: Meter,
}

impl Status {
    pub(super) fn new() -> Self {
        Self { is_stale: true, faults: [0; Rule::COUNT], meter: Meter::default() }
    }

    /// Marks the sources and streams of the report as out of date.
    pub(super) fn set_stale(&mut self) {
        self.is_stale = true;
    }

    /// Counts a fault that a rule of health has found.
    pub(super) fn count(&mut self, fault: &Fault) {
        self.faults[fault.rule.index()] += 1;
    }
}

impl Driver {
    pub(super) fn source_reports(&self) -> Vec<SourceReport> {
        let now = self.clock.now();
        let error = |source: &Source| self.ingests.memory.error(source.id);
        let report = |source: &Source| SourceReport {
            id: source.id,
            url: source.url.to_string(),
            last_error: error(source).map(|error| (error.code(), error.to_string())),
            health: self.life.failover().health(now, source.id),
        };
        self.channel.sources.iter().map(report).collect()
    }

    /// The elementary streams that viewers have.
    pub(super) fn streams(&self) -> Vec<String> {
        let map = self.output.splice.map();
        let streams = map.map(|map| map.streams.as_slice()).unwrap_or_default();
        streams
            .iter()
            .map(|stream| match stream::language(&stream.descriptors) {
                Some(language) => {
                    format!("{} ({})", Codec::of(stream), String::from_utf8_lossy(&language))
                }
                None => Codec::of(stream).to_string(),
            })
            .collect()
    }

    /// Writes the report. The sources and streams are costly, and written only when out of date.
    pub(super) fn report_state(&mut self) {
        let now = self.clock.now();
        self.status.is_stale |= self.status.meter.measure(now);
        let is_stale = std::mem::take(&mut self.status.is_stale);
        let changed = is_stale.then(|| (self.source_reports(), self.streams()));
        let first = self.ingests.first().and_then(|ingest| ingest.opened());
        let (splice, index) = (&self.output.splice, &self.output.index);
        let cadence = self.output.cadence();
        let memory = index.memory() + splice.memory() + self.ingests.memory_used();
        let mut report = self.feed.edit_report();
        report.phase = self.life.phase();
        report.is_live = self.life.is_live();
        report.source = self.life.source();
        report.standby = self.life.standby();
        report.faults = self.status.faults;
        report.output = splice.counts();
        report.ahead = first.map_or(Duration::ZERO, |open| open.input.ahead(now));
        report.input = first.map(|open| open.input.counts(splice)).unwrap_or_default();
        report.tick = cadence.tick();
        report.send_interval = cadence.interval();
        report.window = index.span();
        report.engine_bytes = memory as u64;
        report.window_bytes = index.head() - index.tail();
        report.bitrate = self.status.meter.bytes_per_second() * 8;
        // In one step with the current source, so that the list contains that source.
        if let Some((sources, streams)) = changed {
            report.sources = sources;
            report.streams = streams;
            report.hls = first.and_then(|open| open.upstream.parts.as_ref()?.snapshot());
        }
    }
}
