//! The media of segments, one after the other.

use std::collections::BTreeSet;
use std::time::Duration;

use super::playlist::Segment;
use super::rules::Rules;
use crate::ts::{Access, Checker, Limits, PACKET_SIZE, Packet, Pes, demux};

/// Time stamps have 33 bits.
const TIMESTAMP_MASK: u64 = (1 << 33) - 1;

/// Stream type of AAC with ADTS headers.
const ADTS: u8 = 0x0f;

/// What segments hold, from one discontinuity to the next.
#[derive(Debug, Default)]
pub(super) struct Media {
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    checker: Checker,
    /// The last segment: its number, its EXTINF, and its first time stamp in 90 kHz ticks.
    last: (u64, Duration, u64),
    /// How many discontinuities there were before it.
    discontinuities: u64,
    /// The packets of AAC streams, and their PIDs.
    aac: (Vec<u8>, BTreeSet<u16>),
}

impl Media {
    /// Takes the next segment in.
    pub(super) fn push(&mut self, segment: &Segment, bytes: &[u8], rules: &Rules, faults: &mut Vec<String>) {
        let number = segment.number;
        let follows = |run: &Run| run.last.0 + 1 == number && run.discontinuities == segment.discontinuities;
        if !self.run.as_ref().is_some_and(follows) {
            self.end(rules, faults);
        }
        let report = Checker::check(bytes);
        let mut fault = |wrong: bool, text: &str| {
            if wrong {
                faults.push(format!("segment {number} {text}"));
            }
        };
        fault(
            report.packets == 0 || report.sync_errors > 0 || report.trailing_bytes > 0,
            "is not whole packets",
        );
        if rules.clean_starts {
            fault(!report.start.pat_first || !report.start.pmt_next, "does not begin with PAT and PMT");
            let access = report.start.access.is_none_or(Access::is_random_access);
            fault(!report.start.media_next || !access, "does not begin with a random access point");
        }
        let pid = report.video_pid().or_else(|| report.audio_pids().first().copied());
        let streams = demux(bytes);
        let pts = |list: &Vec<Pes>| {
            let times = list.iter().filter_map(|pes| pes.pts);
            // The first picture shown need not be the first sent. Times are compared as those after them would be.
            let first = list.iter().find_map(|pes| pes.pts)?;
            let late = |time: &u64| time.wrapping_sub(first).wrapping_add(1 << 32) & TIMESTAMP_MASK;
            times.min_by_key(late)
        };
        let Some(first) = pid.and_then(|pid| pts(streams.get(&pid)?)) else {
            fault(true, "has no time stamps");
            return;
        };
        let run = self.run.get_or_insert_with(|| Run {
            checker: Checker::new(),
            last: (number, Duration::ZERO, first),
            discontinuities: segment.discontinuities,
            aac: Default::default(),
        });
        if run.last.0 != number {
            let (before, stated, begun) = run.last;
            let held = Duration::from_nanos((first.wrapping_sub(begun) & TIMESTAMP_MASK) * 100_000 / 9);
            if held.abs_diff(stated) > rules.extinf_tolerance {
                faults.push(format!("EXTINF of segment {before} is {stated:?}, but it lasts {held:?}"));
            }
        }
        run.last = (number, segment.duration, first);
        run.checker.push(bytes);
        run.aac.1.extend(
            report.streams.iter().filter(|stream| stream.stream_type == ADTS).map(|stream| stream.pid),
        );
        for packet in bytes.chunks_exact(PACKET_SIZE) {
            if Packet::new(packet).is_some_and(|packet| run.aac.1.contains(&packet.pid())) {
                run.aac.0.extend_from_slice(packet);
            }
        }
    }

    /// Ends a run; nothing of what follows has to fit to it.
    pub(super) fn end(&mut self, rules: &Rules, faults: &mut Vec<String>) {
        let Some(run) = self.run.take() else { return };
        let limits =
            Limits { dts_gap: rules.dts_gap, clean_start: false, cut_end: false, ..Limits::default() };
        let report = run.checker.report();
        faults.extend(report.faults(&limits).into_iter().map(|fault| {
            let last = run.last.0;
            format!("the stream of the segments up to {last} has {fault}")
        }));
        for (pid, list) in demux(&run.aac.0) {
            faults.extend(sound_faults(&list, rules.sound_gap).map(|fault| format!("PID {pid:#x} {fault}")));
        }
    }
}

/// Where the sound of one PES packet does not end as that of the next begins.
fn sound_faults(list: &[Pes], limit: Duration) -> impl Iterator<Item = String> {
    let gap = move |pair: &[Pes]| {
        let [one, next] = pair else { return None };
        let (begin, after) = (one.pts?, next.pts?);
        let end = begin + adts_90k(&one.payload)?;
        // From half the cycle on it is an overlap.
        let ahead = after.wrapping_sub(end) & TIMESTAMP_MASK;
        let (ticks, what) = match ahead.checked_sub(1 << 32) {
            None => (ahead, "misses"),
            Some(_) => (end.wrapping_sub(after) & TIMESTAMP_MASK, "repeats"),
        };
        let gap = Duration::from_nanos(ticks * 100_000 / 9);
        (gap > limit).then(|| format!("{what} {gap:?} of sound before {after}"))
    };
    list.windows(2).filter_map(gap).collect::<Vec<_>>().into_iter()
}

/// How long whole ADTS frames last, in 90 kHz ticks; nothing when they are not whole.
fn adts_90k(mut bytes: &[u8]) -> Option<u64> {
    const RATES: [u64; 13] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
    let (mut samples, mut rate) = (0, 0);
    while !bytes.is_empty() {
        let header = bytes.get(..7).filter(|header| header[0] == 0xff && header[1] & 0xf6 == 0xf0)?;
        rate = *RATES.get(usize::from(header[2] >> 2 & 0x0f))?;
        let length =
            usize::from(header[3] & 3) << 11 | usize::from(header[4]) << 3 | usize::from(header[5] >> 5);
        samples += 1024 * (1 + u64::from(header[6] & 3));
        bytes = bytes.get(length.max(7)..)?;
    }
    (rate > 0).then(|| samples * 90_000 / rate)
}
