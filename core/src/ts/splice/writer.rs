//! Writes the output: whole packets with their output PIDs, counters and clock, and the tables
//! between them.

use super::{AccessPoint, Boundary, TABLES_AT_LEAST_EVERY, TABLES_EVERY};
use crate::time::{MediaTime, Pts, duration_to_ticks};
use crate::ts::packet::{self, Bytes, Packet, Pid};
use crate::ts::psi;
use crate::ts::random_access::RandomAccess;

use super::map::{Program, Track};
use super::timeline::Timeline;

/// The longest step of the clock that is none to speak of, in ticks of 27 MHz: references may be
/// 100 ms apart (2.7.2).
const MAX_CLOCK_STEP: i64 = 2_700_000;

/// The output and what is needed to continue it.
#[derive(Debug, Default)]
pub(super) struct Writer {
    out: Vec<u8>,
    points: Vec<AccessPoint>,
    /// Where a segment may begin inside a group of pictures.
    cuts: Vec<AccessPoint>,
    /// PAT and PMT, in packets.
    tables: Vec<Bytes>,
    sent: Sent,
    /// The first stamp behind them, for sources whose clock is sent too seldom.
    stamped_at: Option<Pts>,
    pat_counter: u8,
    pmt_counter: u8,
    clock_pid: Option<Pid>,
    /// The next clock reference belongs to another source, and says so if it is a step away.
    announces_break: bool,
    /// The source marks packets as damaged that are, so players are told.
    keeps_damage_marks: bool,
}

/// When the tables were sent last.
#[derive(Debug, Default, PartialEq, Eq)]
enum Sent {
    /// Not since they say what they say.
    #[default]
    Never,
    /// Since the last clock reference.
    Untimed,
    /// When the output clock said this.
    At(Pts),
}

impl Writer {
    pub(super) fn output(&self) -> (&[u8], &[AccessPoint]) {
        (&self.out, &self.points)
    }

    pub(super) fn cuts(&self) -> &[AccessPoint] {
        &self.cuts
    }

    pub(super) fn clear(&mut self, kept: usize) {
        self.out.clear();
        // A burst must not hold its memory for the life of the channel.
        self.out.shrink_to(kept);
        self.points.clear();
        self.cuts.clear();
    }

    pub(super) fn memory(&self) -> usize {
        self.out.capacity()
    }

    /// The tables say what `program` says from now on, and are sent before anything else is.
    pub(super) fn set_tables(&mut self, program: &Program) {
        self.tables = psi::packetize(&program.pat().render(), Pid::PAT);
        self.tables.extend(psi::packetize(&program.pmt().render(), program.pmt_pid()));
        // 0x1FFF says that no PID carries the clock (2.4.4.9).
        self.clock_pid = (program.pmt().pcr_pid != Pid::NULL).then_some(program.pmt().pcr_pid);
        self.sent = Sent::Never;
    }

    /// Whether the packets that follow keep their `transport_error_indicator`.
    pub(super) fn keep_damage_marks(&mut self, keeps: bool) {
        self.keeps_damage_marks = keeps;
    }

    /// The next clock reference is another source's: it gets a `discontinuity_indicator` unless it
    /// follows closely.
    pub(super) fn announce_break(&mut self) {
        self.announces_break = true;
    }

    /// A random access point begins here.
    pub(super) fn note_access_point(
        &mut self,
        kind: RandomAccess,
        time: MediaTime,
        shown: MediaTime,
        boundary: Boundary,
    ) {
        self.points.push(AccessPoint { at: self.out.len(), kind, time, shown, boundary });
        self.write_tables();
    }

    /// A segment may begin here, with a picture that is no random access point.
    pub(super) fn cut(&mut self, time: MediaTime, shown: MediaTime) {
        let at = self.out.len();
        self.cuts.push(AccessPoint {
            at,
            kind: RandomAccess::Blind,
            time,
            shown,
            boundary: Boundary::Continued,
        });
        self.write_tables();
    }

    /// The output clock, or where there is none the stamps, says `now`: sends the tables if they
    /// are due.
    pub(super) fn handle_clock(&mut self, now: Pts) {
        let due = duration_to_ticks(TABLES_EVERY);
        match self.sent {
            Sent::Untimed => {}
            // Outside the range also means that the clock went back: then they are due at once.
            Sent::At(at) if (0..due).contains(&now.since(at)) => return,
            Sent::Never | Sent::At(_) => self.write_tables(),
        }
        self.sent = Sent::At(now);
    }

    /// A PES packet of the reference is sent for `time`: sends the tables if no clock reference has
    /// had them sent for too long.
    pub(super) fn handle_stamp(&mut self, time: Pts) {
        let since = time.since(*self.stamped_at.get_or_insert(time));
        if since > duration_to_ticks(TABLES_AT_LEAST_EVERY) {
            self.write_tables();
            self.stamped_at = Some(time);
        }
    }

    /// Sends the tables once more than the clock asks for; returns how many packets that took. None
    /// are sent that a picture is yet to begin: the viewers have another map until then.
    pub(super) fn repeat_tables(&mut self) -> usize {
        if self.sent == Sent::Never {
            return 0;
        }
        // `sent` stays: the clock stands in a gap, so nothing is known of when the tables are due.
        self.write_table_packets();
        self.tables.len()
    }

    /// Sends null packets.
    pub(super) fn write_nulls(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(packet::NULL, count).flatten());
    }

    /// Whether the viewers have the tables as they are now.
    pub(super) fn has_sent_tables(&self) -> bool {
        self.sent != Sent::Never
    }

    /// Sends a packet of service information as it is.
    pub(super) fn write_information(&mut self, packet: &Bytes) {
        self.out.extend_from_slice(packet);
    }

    fn write_tables(&mut self) {
        // The time is filled in by the next reference: none may have come at this point.
        self.sent = Sent::Untimed;
        self.stamped_at = None;
        self.write_table_packets();
    }

    fn write_table_packets(&mut self) {
        for table in &mut self.tables {
            let is_pat = Packet::new(table).pid() == Pid::PAT;
            // The two PIDs count apart (2.4.3.3). They share their packets over the channel's whole
            // life.
            let counter = if is_pat { &mut self.pat_counter } else { &mut self.pmt_counter };
            packet::set_continuity(table, *counter);
            *counter = counter.wrapping_add(1);
            self.out.extend_from_slice(table);
        }
    }

    /// Sends a packet on `track`, its clock on `timeline`.
    pub(super) fn write(&mut self, packet: &mut Bytes, track: &mut Track, timeline: &mut Timeline) {
        if self.sent == Sent::Never {
            self.write_tables(); // a stream that a new map names must not come before it
        }
        packet::set_pid(packet, track.stream.pid);
        if !self.keeps_damage_marks {
            packet::clear_damage(packet);
        }
        // The counter stands still on packets without a payload (2.4.3.3).
        if Packet::new(packet).has_payload() {
            packet::set_continuity(packet, track.counter);
            track.counter = track.counter.wrapping_add(1);
        } else {
            packet::set_continuity(packet, track.counter.wrapping_sub(1));
        }
        if let Some(pcr) = packet::shift_clock(packet, timeline.clock_offset())
            // A source may have references on other PIDs too; players read only the one that the
            // map names.
            && self.clock_pid == Some(track.stream.pid)
        {
            let step = timeline.advance_clock(pcr);
            self.handle_clock(pcr.base());
            // A step back that is not announced breaks the standard (2.4.3.5), whoever made it.
            if std::mem::take(&mut self.announces_break) && step > MAX_CLOCK_STEP || step < 0 {
                packet::set_mark(packet, packet::Mark::Discontinuity);
            }
        }
        self.out.extend_from_slice(packet);
    }
}
