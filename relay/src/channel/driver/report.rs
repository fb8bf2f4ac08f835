//! What a driver writes into its feed's report.

use std::time::Duration;

use forebay_core::ts::stream::{self, Codec};

use super::Driver;
use super::input::Input;
use super::line::Line;
use crate::channel::feed::SourceReport;
use crate::input::Error;
use crate::model::Source;

/// How often the bit rate is taken.
const BITRATE_EVERY: Duration = Duration::from_secs(2);

impl Driver {
    pub(super) fn source_reports(&self) -> Vec<SourceReport> {
        let now = self.clock.now();
        let report = |(index, (source, error)): (usize, (&Source, &Option<Error>))| SourceReport {
            url: source.url.to_string(),
            last_error: error.as_ref().map(|error| (error.code(), error.to_string())),
            standing: self.life.failover().standing(now, index),
        };
        self.channel.sources.iter().zip(&self.errors).enumerate().map(report).collect()
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
        let beside: usize = self.lines.iter().filter_map(Line::opened).map(Input::memory).sum();
        let mut report = self.feed.edit_report();
        (report.phase, report.is_live, report.source) =
            (self.life.phase(), self.life.is_live(), self.life.source());
        report.beside = self.life.beside();
        report.faults = self.faults;
        report.output = self.splice.counts();
        let first = self.lines.first().and_then(Line::opened);
        report.ahead = first.map_or(Duration::ZERO, |input| input.ahead(now));
        report.input = first.map(|input| input.counts(&self.splice)).unwrap_or_default();
        report.cadence = (self.cadence.tick(), self.cadence.interval());
        report.window = self.ring.span();
        report.engine_bytes = (self.ring.memory() + self.splice.memory() + beside) as u64;
        report.window_bytes = self.ring.head() - self.ring.tail();
        let since = now.since(self.rate.0);
        if since >= BITRATE_EVERY {
            let bytes = (self.content - self.rate.1) * 1000;
            self.bytes_per_second = bytes / u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1);
            report.bitrate = self.bytes_per_second * 8;
            self.rate = (now, self.content);
            self.has_news = true;
        }
        drop(report);
        if std::mem::take(&mut self.has_news) {
            let (sources, streams) = (self.source_reports(), self.streams());
            let monitor =
                self.lines.first().and_then(Line::opened).and_then(|input| input.upstream.monitor.as_ref());
            let hls = monitor.map(|monitor| monitor.snapshot());
            let mut report = self.feed.edit_report();
            (report.sources, report.streams, report.hls) = (sources, streams, hls);
        }
    }
}
