//! What a driver writes into its feed's report.

use std::time::Duration;

use forebay_core::time::Moment;
use forebay_core::ts::stream::{self, Codec};

use super::Driver;
use super::input::Input;
use super::line::Line;
use crate::channel::feed::SourceReport;
use crate::model::Source;

/// How often the bit rate is taken.
const BITRATE_EVERY: Duration = Duration::from_secs(2);

impl Driver {
    pub(super) fn source_reports(&self) -> Vec<SourceReport> {
        let now = self.clock.now();
        let report = |source: &Source| SourceReport {
            id: source.id,
            url: source.url.to_string(),
            last_error: self.sources.error(source.id).map(|error| (error.code(), error.to_string())),
            standing: self.life.failover().standing(now, source.id),
        };
        self.channel.sources.iter().map(report).collect()
    }

    pub(super) fn streams(&self) -> Vec<String> {
        let streams = self.splice.map().map(|map| map.streams.as_slice()).unwrap_or_default();
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

    /// Writes what the status document shows; what costs something only when it has changed.
    pub(super) fn report_state(&mut self) {
        let now = self.clock.now();
        self.measure_rate(now);
        let changed = std::mem::take(&mut self.has_news).then(|| (self.source_reports(), self.streams()));
        let beside: usize = self.lines.iter().filter_map(Line::opened).map(Input::memory).sum();
        let first = self.lines.first().and_then(Line::opened);
        let mut report = self.feed.edit_report();
        (report.phase, report.is_live, report.source) =
            (self.life.phase(), self.life.is_live(), self.life.source());
        report.beside = self.life.beside();
        report.faults = self.faults;
        report.output = self.splice.counts();
        report.ahead = first.map_or(Duration::ZERO, |input| input.ahead(now));
        report.input = first.map(|input| input.counts(&self.splice)).unwrap_or_default();
        report.cadence = (self.cadence.tick(), self.cadence.interval());
        report.window = self.ring.span();
        report.engine_bytes = (self.ring.memory() + self.splice.memory() + beside) as u64;
        report.window_bytes = self.ring.head() - self.ring.tail();
        report.bitrate = self.bytes_per_second * 8;
        // In one step with the source on hand: who reads it finds that in the list.
        if let Some((sources, streams)) = changed {
            (report.sources, report.streams) = (sources, streams);
            let monitor = first.and_then(|input| input.upstream.monitor.as_ref());
            report.hls = monitor.map(|monitor| monitor.snapshot());
        }
    }

    /// Takes the bit rate, if it is time to.
    fn measure_rate(&mut self, now: Moment) {
        let (measured_at, content) = self.rate;
        let since = now.since(measured_at);
        if since < BITRATE_EVERY {
            return;
        }
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1);
        self.bytes_per_second = (self.content - content) * 1000 / millis;
        self.rate = (now, self.content);
        self.has_news = true;
    }
}
