//! What the players found.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::checker::Counts;
use crate::load::{CheckReport, ServerReport};
use crate::proc::Process;
use crate::stats::{Histogram, Summary};

use super::course::Course;

/// What is counted while the players play.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) is_measuring: bool,
    before: Option<Process>,
    pub(super) segment_times: Histogram,
    pub(super) playlist_times: Histogram,
    pub(super) start_times: Histogram,
    /// Bytes of segments in the window.
    pub(super) bytes: u64,
    /// Answers that were other than 200, by what was asked for and the status.
    pub(super) refusals: BTreeMap<String, u64>,
    /// What else went wrong.
    pub(super) failures: BTreeMap<String, u64>,
    pub(super) reconnects: u64,
    pub(super) not_found: u64,
}

impl Tally {
    pub(super) fn begin(&mut self, server: Option<Process>) {
        self.is_measuring = true;
        self.before = server;
        self.bytes = 0;
    }

    /// Something went wrong.
    pub(super) fn fail(&mut self, what: &str) {
        *self.failures.entry(what.to_owned()).or_default() += 1;
    }

    /// Some asked for `what` and got this status instead of 200.
    pub(super) fn refuse(&mut self, what: &str, status: u16) {
        self.not_found += u64::from(status == 404);
        *self.refusals.entry(format!("{what}: {status}")).or_default() += 1;
    }

    pub(super) fn report<'a>(
        self,
        seconds: f64,
        courses: impl Iterator<Item = &'a Course>,
        checked: Counts,
        after: Option<Process>,
    ) -> Report {
        let mut report = Report {
            seconds,
            gigabytes: self.bytes as f64 / 1e9,
            gigabits_per_s: self.bytes as f64 * 8e-9 / seconds,
            segment_time: self.segment_times.summary(),
            playlist_time: self.playlist_times.summary(),
            start_time: self.start_times.summary(),
            not_found: self.not_found,
            refusals: self.refusals,
            failures: self.failures,
            reconnects: self.reconnects,
            checked: checked.into(),
            server: (self.before.zip(after))
                .map(|(before, after)| ServerReport::between(&before, &after, self.bytes, seconds)),
            ..Report::default()
        };
        for course in courses {
            report.players += 1;
            report.lost += u64::from(!course.has_begun());
            report.stalls += course.stalls;
            report.stalled += u64::from(course.stalls > 0);
            report.stood_s += course.stood;
            report.missed += course.missed;
        }
        report
    }
}

/// What the players found. Times and bytes are of the window, everything else is from the beginning.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Length of the window.
    pub(crate) seconds: f64,
    /// Bytes of segments delivered to all players.
    pub(crate) gigabytes: f64,
    /// The same in time.
    pub(crate) gigabits_per_s: f64,
    /// Players.
    pub(crate) players: u64,
    /// Of those, who never had anything to play.
    pub(crate) lost: u64,
    /// How often a player had nothing to play.
    pub(crate) stalls: u64,
    /// To how many players that happened.
    pub(crate) stalled: u64,
    /// For how long, of all together.
    pub(crate) stood_s: f64,
    /// Segments that were gone from the playlist before a player had seen them.
    pub(crate) missed: u64,
    /// Answers that there is no such thing.
    pub(crate) not_found: u64,
    /// All answers but 200, by what was asked for.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// What else went wrong.
    pub(crate) failures: BTreeMap<String, u64>,
    /// How often a connection had to be made anew.
    pub(crate) reconnects: u64,
    /// From the request to the last byte of a segment.
    pub(crate) segment_time: Summary,
    /// The same of a playlist.
    pub(crate) playlist_time: Summary,
    /// From a player's first request to the last byte of its first segment; of all players.
    pub(crate) start_time: Summary,
    /// What those found that look at every packet, across segments.
    pub(crate) checked: CheckReport,
    /// What the server used, where its process is known.
    pub(crate) server: Option<ServerReport>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { players, lost, stalls, stalled, stood_s, missed, not_found, .. } = self;
        writeln!(
            f,
            "{players} players, {lost} without anything to play; {:.3} GB in {:.1} s, {:.3} Gbit/s",
            self.gigabytes, self.seconds, self.gigabits_per_s
        )?;
        writeln!(
            f,
            "{stalls} stalls of {stalled} players, {stood_s:.1} s in all; {missed} segments missed, {not_found} not found, {} connections made anew",
            self.reconnects
        )?;
        for (what, count) in self.refusals.iter().chain(&self.failures) {
            writeln!(f, "  {count} times {what}")?;
        }
        let CheckReport { packets, sync_errors, continuity_errors, .. } = self.checked;
        writeln!(
            f,
            "{packets} packets checked, {sync_errors} sync errors, {continuity_errors} continuity errors"
        )?;
        for (what, time) in
            [("segment", self.segment_time), ("playlist", self.playlist_time), ("start", self.start_time)]
        {
            let Summary { count, p50_ms, p99_ms, p999_ms, max_ms } = time;
            writeln!(
                f,
                "{what}: p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, p99.9 {p999_ms:.1} ms, max {max_ms:.1} ms ({count})"
            )?;
        }
        self.server.map_or(Ok(()), |server| write!(f, "{server}"))
    }
}
