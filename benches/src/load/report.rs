//! What a load found.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Args;
use super::viewer::{Kind, Viewer};
use crate::checker::Counts;
use crate::proc::{self, Process};
use crate::stats::{Histogram, Summary, median};

/// Who got less than this share of the bitrate is behind.
const ENOUGH: f64 = 0.97;

/// Seconds by which the window is taken to be shorter when that is judged: a server that sends every 250 ms may have a whole portion
/// fall outside.
const EDGE: f64 = 0.3;

/// What is counted while the load runs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Memory of the machine's TCP sockets before the first viewer.
    tcp_memory_before: u64,
    pub(super) is_measuring: bool,
    /// Of the storm, still to come or under way.
    pub(super) storm_left: u64,
    /// Faults by kind.
    pub(super) failures: BTreeMap<String, u64>,
    /// Ages of clock references, in nanoseconds.
    pub(super) age: Histogram,
    /// What viewers got in the window who are gone.
    pub(super) bytes_of_the_gone: u64,
    before: Option<Process>,
    lost: u64,
    joins: [Joins; 4],
    checked: [Counts; 4],
}

#[derive(Debug, Default)]
struct Joins {
    first_byte: Histogram,
    first_key: Histogram,
}

impl Tally {
    /// Before the first viewer.
    pub(super) fn new() -> Self {
        Self { tcp_memory_before: proc::tcp_memory(), ..Self::default() }
    }

    pub(super) fn begin(&mut self, server: Option<Process>) {
        self.is_measuring = true;
        self.before = server;
        self.bytes_of_the_gone = 0;
    }

    /// The churn before the window warms the server up, and is not counted.
    fn counts(&self, kind: Kind) -> bool {
        self.is_measuring || kind != Kind::Churn
    }

    pub(super) fn first_byte(&mut self, viewer: &Viewer) {
        if let (Some(at), true) = (viewer.first_byte, self.counts(viewer.kind)) {
            self.joins[viewer.kind as usize].first_byte.record(at.0.saturating_sub(viewer.asked.0));
        }
    }

    pub(super) fn first_key(&mut self, viewer: &Viewer) {
        if let (Some(at), true) = (viewer.first_key, self.counts(viewer.kind)) {
            self.joins[viewer.kind as usize].first_key.record(at.0.saturating_sub(viewer.asked.0));
        }
    }

    pub(super) fn checked(&mut self, kind: Kind, counts: Counts) {
        self.checked[kind as usize].add(counts);
    }

    /// A viewer did not even connect.
    pub(super) fn fail(&mut self, kind: Kind, why: &str) {
        *self.failures.entry(format!("{kind:?}: {why}")).or_default() += 1;
        self.lost += u64::from(matches!(kind, Kind::Steady | Kind::Slow));
        self.storm_left = self.storm_left.saturating_sub(u64::from(kind == Kind::Storm));
    }

    /// A viewer is gone: for this reason, or of its own wish.
    pub(super) fn left(&mut self, viewer: &Viewer, why: Option<&str>) {
        self.bytes_of_the_gone += viewer.window_bytes();
        if let Some(checker) = &viewer.checker {
            self.checked(viewer.kind, checker.counts());
        }
        let is_served =
            if viewer.kind == Kind::Storm { viewer.first_byte.is_some() } else { viewer.first_key.is_some() };
        match why {
            Some(why) => self.fail(viewer.kind, why),
            None if !is_served => self.fail(viewer.kind, "no picture in time"),
            None => self.storm_left = self.storm_left.saturating_sub(u64::from(viewer.kind == Kind::Storm)),
        }
    }

    pub(super) fn report(
        self,
        args: &Args,
        seconds: f64,
        viewers: &[Viewer],
        after: Option<Process>,
        tcp_memory: u64,
    ) -> Report {
        let steady: Vec<&Viewer> = viewers.iter().filter(|viewer| viewer.kind == Kind::Steady).collect();
        let rates: Vec<f64> =
            steady.iter().map(|viewer| viewer.window_bytes() as f64 * 8.0 / seconds).collect();
        let bitrate = args.bitrate.map_or_else(|| median(&rates).unwrap_or(0.0), |bitrate| bitrate as f64);
        let enough = bitrate * ENOUGH * (seconds - EDGE).max(0.0) / seconds;
        let mut gaps = Histogram::default();
        for viewer in &steady {
            gaps.record(viewer.largest_gap);
        }
        let bytes = self.bytes_of_the_gone + viewers.iter().map(Viewer::window_bytes).sum::<u64>();
        let [all, slow, churn, storm] = self.checked;
        let mut joining = churn;
        joining.add(storm);
        let joins = |kind: Kind| {
            let joins = &self.joins[kind as usize];
            JoinReport { first_byte: joins.first_byte.summary(), first_key: joins.first_key.summary() }
        };
        let server = self.before.zip(after);
        let server = server.map(|(before, after)| ServerReport::between(&before, &after, bytes, seconds));
        let storm = (args.storm > 0).then(|| joins(Kind::Storm).first_byte.count as f64 / seconds);
        Report {
            seconds,
            gigabytes: bytes as f64 / 1e9,
            gigabits_per_s: bytes as f64 * 8e-9 / seconds,
            bitrate,
            viewers: steady.len() as u64,
            behind: rates.iter().filter(|&&rate| rate < enough).count() as u64,
            lost: self.lost,
            failures: self.failures,
            checked: all.into(),
            checked_joining: joining.into(),
            checked_slow: slow.into(),
            age: self.age.summary(),
            gaps: gaps.summary(),
            steady: joins(Kind::Steady),
            churn: joins(Kind::Churn),
            storm: joins(Kind::Storm),
            storm_joins_per_s: storm,
            tcp_memory_bytes: tcp_memory,
            tcp_memory_growth_bytes: tcp_memory.saturating_sub(self.tcp_memory_before),
            server,
        }
    }
}

/// What a load found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Length of the window; what follows is of it, unless said otherwise.
    pub(crate) seconds: f64,
    /// Delivered to all viewers.
    pub(crate) gigabytes: f64,
    /// The same in time.
    pub(crate) gigabits_per_s: f64,
    /// What a viewer should get.
    pub(crate) bitrate: f64,
    /// Steady viewers at the end, without slow ones.
    pub(crate) viewers: u64,
    /// Of those, who got less than 97 % of the bitrate.
    pub(crate) behind: u64,
    /// Steady and slow viewers that did not stay to the end, from the beginning.
    pub(crate) lost: u64,
    /// What went wrong with connections, from the beginning, by kind of viewer.
    pub(crate) failures: BTreeMap<String, u64>,
    /// What the viewers were shown that are looked at, from the beginning; of the others, up to the first key picture.
    pub(crate) checked: CheckReport,
    /// The same of those that came and went.
    pub(crate) checked_joining: CheckReport,
    /// The same of the slow ones: whoever falls out of a window misses a part, which is a step of each counter.
    pub(crate) checked_slow: CheckReport,
    /// Time from when a packet was due at the origin to when it was read.
    pub(crate) age: Summary,
    /// The longest time without data of each steady viewer.
    pub(crate) gaps: Summary,
    /// How the steady viewers joined, from the beginning.
    pub(crate) steady: JoinReport,
    /// How those joined who came and went.
    pub(crate) churn: JoinReport,
    /// How the storm joined.
    pub(crate) storm: JoinReport,
    /// How many of the storm were served in a second.
    pub(crate) storm_joins_per_s: Option<f64>,
    /// Memory of all TCP sockets of the machine at the end.
    pub(crate) tcp_memory_bytes: u64,
    /// By how much that grew since before the first viewer.
    pub(crate) tcp_memory_growth_bytes: u64,
    /// What the server used, where its process is known.
    pub(crate) server: Option<ServerReport>,
}

/// What the checker found.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct CheckReport {
    /// Packets looked at.
    pub(crate) packets: u64,
    /// Places where no packet began although one should.
    pub(crate) sync_errors: u64,
    /// Steps of a continuity counter.
    pub(crate) continuity_errors: u64,
    /// Clock references that are not of this machine's clock.
    pub(crate) foreign_clocks: u64,
}

impl From<Counts> for CheckReport {
    fn from(counts: Counts) -> Self {
        let Counts { packets, sync_errors, continuity_errors, foreign_clocks } = counts;
        Self { packets, sync_errors, continuity_errors, foreign_clocks }
    }
}

impl CheckReport {
    /// Faults of the stream.
    pub(crate) fn errors(&self) -> u64 {
        self.sync_errors + self.continuity_errors
    }
}

/// From the first packet of the handshake.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct JoinReport {
    /// To the first byte of the stream.
    pub(crate) first_byte: Summary,
    /// To the packet with which the first key picture begins.
    pub(crate) first_key: Summary,
}

/// What a server used.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct ServerReport {
    /// CPU-seconds.
    pub(crate) cpu_s: f64,
    /// Of those, in the program.
    pub(crate) user_s: f64,
    /// Of those, in the kernel.
    pub(crate) system_s: f64,
    /// CPU-seconds for each gigabyte delivered.
    pub(crate) cpu_s_per_gb: f64,
    /// Share of one processor.
    pub(crate) core_share: f64,
    /// Resident memory at the end.
    pub(crate) rss_bytes: u64,
    /// Of that, what is no file's.
    pub(crate) anonymous_bytes: u64,
    /// Memory in files without a name, which is resident nowhere.
    pub(crate) memory_file_bytes: u64,
    /// Open file descriptors at the end.
    pub(crate) fds: u64,
    /// Times a second that one of its threads waited.
    pub(crate) switches_per_s: f64,
}

impl ServerReport {
    /// From what the process was at both ends of a window in which it delivered `bytes`.
    pub(crate) fn between(before: &Process, after: &Process, bytes: u64, seconds: f64) -> Self {
        let cpu_s = after.cpu_since(before);
        let switches = after.voluntary_switches.saturating_sub(before.voluntary_switches);
        Self {
            cpu_s,
            user_s: after.user_s - before.user_s,
            system_s: after.system_s - before.system_s,
            cpu_s_per_gb: cpu_s * 1e9 / (bytes as f64).max(1.0),
            core_share: cpu_s / seconds,
            rss_bytes: after.rss_bytes,
            anonymous_bytes: after.anonymous_bytes,
            memory_file_bytes: after.memory_file_bytes,
            fds: after.fds,
            switches_per_s: switches as f64 / seconds,
        }
    }
}

impl fmt::Display for ServerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu_s_per_gb, core_share, user_s, system_s, fds, switches_per_s, .. } = self;
        writeln!(
            f,
            "server: {cpu_s_per_gb:.4} CPU-s/GB, {:.1} % of a core ({user_s:.2} s user, {system_s:.2} s system), {:.1} MB resident, {fds} fds, {switches_per_s:.0} switches/s",
            core_share * 100.0,
            self.rss_bytes as f64 / 1e6
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { viewers, behind, lost, gigabytes, gigabits_per_s, seconds, .. } = self;
        writeln!(
            f,
            "{viewers} viewers, {behind} behind, {lost} lost; {gigabytes:.3} GB in {seconds:.1} s, {gigabits_per_s:.3} Gbit/s"
        )?;
        for (what, count) in &self.failures {
            writeln!(f, "  {count} times {what}")?;
        }
        for (who, check) in
            [("steady", self.checked), ("joining", self.checked_joining), ("slow", self.checked_slow)]
        {
            let CheckReport { packets, sync_errors, continuity_errors, foreign_clocks } = check;
            if packets > 0 {
                writeln!(
                    f,
                    "{who}: {packets} packets checked, {sync_errors} sync errors, {continuity_errors} continuity errors, {foreign_clocks} clocks of others"
                )?;
            }
        }
        let times = [
            ("age", self.age),
            ("largest gap", self.gaps),
            ("steady, first byte", self.steady.first_byte),
            ("steady, first key picture", self.steady.first_key),
            ("churn, first byte", self.churn.first_byte),
            ("churn, first key picture", self.churn.first_key),
            ("storm, first byte", self.storm.first_byte),
        ];
        for (what, Summary { count, p50_ms, p99_ms, p999_ms, max_ms }) in times {
            if count > 0 {
                writeln!(
                    f,
                    "{what}: p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, p99.9 {p999_ms:.1} ms, max {max_ms:.1} ms ({count})"
                )?;
            }
        }
        if let Some(rate) = self.storm_joins_per_s {
            writeln!(f, "{rate:.0} joins/s")?;
        }
        if let Some(server) = self.server {
            write!(f, "{server}")?;
        }
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let (memory, grown) = (megabytes(self.tcp_memory_bytes), megabytes(self.tcp_memory_growth_bytes));
        writeln!(f, "TCP memory of the machine: {memory:.1} MB, {grown:.1} MB more than before")
    }
}
