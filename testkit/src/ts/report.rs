//! What the checker found, and what of it is a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::access::Access;
use super::psi::PmtStream;

/// How regularly something came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repetition {
    /// How often it came.
    pub count: u64,
    /// Longest stretch without it in media time, from the start of the stream to its end.
    pub longest: Duration,
    /// Longest stretch without it in bytes.
    pub longest_bytes: u64,
}

/// How the stream began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Start {
    /// The first packet begins a PAT.
    pub pat_first: bool,
    /// The packets after the PAT are a whole PMT.
    pub pmt_next: bool,
    /// The next packet after the PMT begins a PES packet of video (of audio, where the programme has no video).
    /// Tables with PIDs below 0x20 may come in between.
    pub media_next: bool,
    /// What the first video PES packet offers; nothing until it is whole, or without video.
    pub access: Option<Access>,
    /// Bytes before the first video PES packet that can be decoded alone; nothing when there was none.
    pub bytes_before_access: Option<u64>,
}

/// What [`Checker`](super::Checker) found in a stream.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// All bytes.
    pub bytes: u64,
    /// Whole packets.
    pub packets: u64,
    /// Stuffing packets among them.
    pub null_packets: u64,
    /// Times the sync byte was missing where a packet should begin.
    pub sync_errors: u64,
    /// Bytes after the last whole packet.
    pub trailing_bytes: usize,
    /// Packets with the transport error indicator or with an impossible adaptation field.
    pub damaged: u64,
    /// Scrambled packets.
    pub scrambled: u64,
    /// Unannounced jumps of the continuity counter by PID; only PIDs that had any.
    pub continuity_errors: BTreeMap<u16, u64>,
    /// Packets that announced a jump with the discontinuity indicator.
    pub discontinuities: u64,
    /// Sections of PAT or PMT with a wrong checksum.
    pub crc_errors: u64,
    /// The PAT.
    pub pat: Repetition,
    /// The PMT.
    pub pmt: Repetition,
    /// The clock reference.
    pub pcr: Repetition,
    /// Times the clock reference went backward.
    pub pcr_backward: u64,
    /// Times a decoding time was not later than the one before it, by PID of video or audio.
    pub dts_backward: BTreeMap<u16, u64>,
    /// Largest step between decoding times, by PID of video or audio.
    pub dts_gap: BTreeMap<u16, Duration>,
    /// Largest lead of a decoding time over the clock when its PES packet began, by PID.
    pub dts_lead: BTreeMap<u16, Duration>,
    /// PES packets that began after their own decoding time, by PID of video or audio.
    pub late: BTreeMap<u16, u64>,
    /// Versions of the PMT in the order in which they came.
    pub pmt_versions: Vec<u8>,
    /// Streams of the last PMT.
    pub streams: Vec<PmtStream>,
    /// PID of the clock in the last PMT.
    pub pcr_pid: Option<u16>,
    /// PIDs that carried packets although the PMT of that moment did not name them, without tables and stuffing.
    pub unknown_pids: BTreeSet<u16>,
    /// How many PES packets began, by PID.
    pub pes_packets: BTreeMap<u16, u64>,
    /// From the first clock reference to the last.
    pub media_time: Duration,
    /// How the stream began.
    pub start: Start,
}

/// What [`Report::faults`] still accepts.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest time without PAT or PMT. 500 ms is the limit of TR 101 290.
    pub tables: Duration,
    /// Longest time without a clock reference. 100 ms is the limit of ISO 13818-1.
    pub pcr: Duration,
    /// Largest step between decoding times of video or audio.
    pub dts_gap: Duration,
    /// Whether the stream has to begin with PAT, PMT and a random access point.
    pub clean_start: bool,
    /// Whether the stream may end within a packet, as one that was cut off by the judge does.
    pub cut_end: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tables: Duration::from_millis(500),
            pcr: Duration::from_millis(100),
            dts_gap: Duration::from_millis(500),
            clean_start: true,
            cut_end: true,
        }
    }
}

impl Report {
    /// Sum of the continuity errors of all PIDs.
    pub fn continuity_errors_total(&self) -> u64 {
        self.continuity_errors.values().sum()
    }

    /// PID of the first video stream.
    pub fn video_pid(&self) -> Option<u16> {
        self.streams.iter().find(|stream| stream.is_video()).map(|stream| stream.pid)
    }

    /// PIDs of the audio streams.
    pub fn audio_pids(&self) -> Vec<u16> {
        self.streams.iter().filter(|stream| stream.is_audio()).map(|stream| stream.pid).collect()
    }

    /// Everything that is wrong, one sentence each; empty for a good stream.
    pub fn faults(&self, limits: &Limits) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |wrong: bool, text: &dyn Fn() -> String| {
            if wrong {
                faults.push(text());
            }
        };
        fault(self.packets == 0, &|| "no packet at all".into());
        for (count, what) in [
            (self.sync_errors, "losses of sync"),
            (self.damaged, "damaged packets"),
            (self.scrambled, "scrambled packets"),
            (self.continuity_errors_total(), "continuity errors"),
            (self.crc_errors, "sections with a wrong checksum"),
            (self.pcr_backward, "times the clock went backward"),
            (self.dts_backward.values().sum(), "decoding times out of order"),
            (self.late.values().sum(), "PES packets after their decoding time"),
        ] {
            fault(count > 0, &|| format!("{count} {what}"));
        }
        fault(!limits.cut_end && self.trailing_bytes > 0, &|| {
            format!("{} bytes after the last whole packet", self.trailing_bytes)
        });
        for (name, seen, limit) in [
            ("PAT", self.pat, limits.tables),
            ("PMT", self.pmt, limits.tables),
            ("PCR", self.pcr, limits.pcr),
        ] {
            fault(seen.count == 0, &|| format!("no {name}"));
            fault(seen.longest > limit, &|| format!("{:?} without {name}", seen.longest));
        }
        for (pid, gap) in &self.dts_gap {
            fault(*gap > limits.dts_gap, &|| format!("decoding times of PID {pid:#x} jump by {gap:?}"));
        }
        fault(!self.unknown_pids.is_empty(), &|| format!("PIDs that no PMT names: {:x?}", self.unknown_pids));
        if limits.clean_start {
            let start = self.start;
            fault(!start.pat_first, &|| "does not begin with a PAT".into());
            fault(!start.pmt_next, &|| "no PMT follows the first PAT".into());
            fault(!start.media_next, &|| "no start of video follows the first PMT".into());
            fault(start.access.is_some_and(|access| !access.is_random_access()), &|| {
                format!("the first picture is no random access point: {:?}", start.access)
            });
        }
        faults
    }

    /// Panics with the faults and the whole report unless the stream is good by the default limits.
    pub fn assert_clean(&self) {
        self.assert_within(&Limits::default());
    }

    /// Panics with the faults and the whole report unless the stream is good by these limits.
    pub fn assert_within(&self, limits: &Limits) {
        let faults = self.faults(limits);
        assert!(faults.is_empty(), "the stream has faults: {faults:#?}\n{self:#?}");
    }
}
