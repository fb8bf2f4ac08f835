//! Reads a transport stream as a viewer gets it, in pieces of any size, and notes what is wrong with it.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use super::access::{Codec, classify};
use super::packet::{NULL_PID, PACKET_SIZE, Packet, PesHeader, SYNC_BYTE, read_timestamp};
use super::psi::{Pat, Pmt, Sections, crc32};
use super::report::{Repetition, Report};

/// Length of the cycle of the clock reference in 27 MHz ticks.
const PCR_CYCLE: u64 = (1 << 33) * 300;

/// A strict checker of one programme in a transport stream.
#[derive(Debug, Default)]
pub struct Checker {
    report: Report,
    partial: Vec<u8>,
    /// Counter and payload packets of the same number seen, by PID.
    continuity: BTreeMap<u16, Continuity>,
    pat_sections: Sections,
    pmt_sections: Sections,
    pmt_pid: Option<u16>,
    pat: Clocked,
    pmt: Clocked,
    pcr: Clocked,
    /// Last clock reference as written.
    pcr_raw: Option<u64>,
    /// Media time since the first clock reference, in 27 MHz ticks.
    now: u64,
    dts: BTreeMap<u16, u64>,
    start: Opening,
    /// Bytes of the video PES packet that is being received, and where it began.
    picture: Option<(u64, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy)]
struct Continuity {
    last: u8,
    repeated: bool,
}

/// When something was last seen.
#[derive(Debug, Default)]
struct Clocked {
    at_bytes: u64,
    at_ticks: u64,
}

/// How far the opening of the stream has been judged.
#[derive(Debug, Default, PartialEq, Eq)]
enum Opening {
    #[default]
    Pat,
    Pmt,
    Media,
    Judged,
}

impl Clocked {
    fn seen(&mut self, repetition: &mut Repetition, bytes: u64, ticks: u64) {
        repetition.count += 1;
        self.measure(repetition, bytes, ticks);
        *self = Self { at_bytes: bytes, at_ticks: ticks };
    }

    fn measure(&self, repetition: &mut Repetition, bytes: u64, ticks: u64) {
        repetition.longest_bytes = repetition.longest_bytes.max(bytes - self.at_bytes);
        repetition.longest = repetition.longest.max(duration(ticks - self.at_ticks));
    }
}

impl Checker {
    /// A checker that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks a whole stream at once.
    pub fn check(stream: &[u8]) -> Report {
        let mut checker = Self::new();
        checker.push(stream);
        checker.report()
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut buffer = mem::take(&mut self.partial);
        buffer.extend_from_slice(bytes);
        let mut at = 0;
        while buffer.len() - at >= PACKET_SIZE {
            if let Some(packet) = Packet::new(&buffer[at..at + PACKET_SIZE]) {
                self.packet(&packet);
                self.report.bytes += PACKET_SIZE as u64;
                at += PACKET_SIZE;
            } else {
                self.report.sync_errors += 1;
                let skipped = buffer[at + 1..].iter().position(|byte| *byte == SYNC_BYTE);
                let skipped = skipped.map_or(buffer.len() - at, |offset| offset + 1);
                self.report.bytes += skipped as u64;
                at += skipped;
            }
        }
        buffer.drain(..at);
        self.partial = buffer;
    }

    /// What was found so far; intervals that are still open count up to now.
    pub fn report(&self) -> Report {
        let mut report = self.report.clone();
        report.trailing_bytes = self.partial.len();
        report.bytes += self.partial.len() as u64;
        for (clocked, repetition) in
            [(&self.pat, &mut report.pat), (&self.pmt, &mut report.pmt), (&self.pcr, &mut report.pcr)]
        {
            clocked.measure(repetition, report.bytes, self.now);
        }
        report.media_time = duration(self.now);
        report
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        self.report.packets += 1;
        let pid = packet.pid();
        if packet.is_damaged() || packet.has_payload() && packet.payload_offset().is_none() {
            self.report.damaged += 1;
            return;
        }
        self.opening(packet);
        if pid == NULL_PID {
            self.report.null_packets += 1;
            return;
        }
        self.report.scrambled += u64::from(packet.is_scrambled());
        self.report.discontinuities += u64::from(packet.is_discontinuity());
        let fresh = self.continuity(packet);
        if let Some(pcr) = packet.pcr().filter(|_| self.report.pcr_pid.is_none_or(|known| known == pid)) {
            self.clock(pcr, packet.is_discontinuity());
        }
        if !fresh {
            return;
        }
        if pid == 0 {
            for section in self.pat_sections.push(packet.starts_unit(), packet.payload()) {
                self.pat_section(&section);
            }
        } else if Some(pid) == self.pmt_pid {
            for section in self.pmt_sections.push(packet.starts_unit(), packet.payload()) {
                self.pmt_section(&section);
            }
        } else if pid >= 0x20 {
            self.media(packet);
        }
    }

    /// Checks the counter; false for a packet whose payload is not to be taken (none, or sent twice).
    fn continuity(&mut self, packet: &Packet<'_>) -> bool {
        let (pid, counter) = (packet.pid(), packet.continuity());
        let Some(known) = self.continuity.get_mut(&pid) else {
            self.continuity.insert(pid, Continuity { last: counter, repeated: false });
            return packet.has_payload();
        };
        let duplicate = packet.has_payload() && counter == known.last && !known.repeated;
        let expected = if packet.has_payload() { (known.last + 1) & 0x0f } else { known.last };
        if counter != expected && !duplicate && !packet.is_discontinuity() {
            *self.report.continuity_errors.entry(pid).or_default() += 1;
        }
        *known = Continuity { last: counter, repeated: duplicate };
        packet.has_payload() && !duplicate
    }

    fn clock(&mut self, pcr: u64, announced: bool) {
        if let Some(last) = self.pcr_raw {
            let step = (pcr + PCR_CYCLE - last) % PCR_CYCLE;
            // More than half a cycle forward is a step backward.
            if step > PCR_CYCLE / 2 {
                self.report.pcr_backward += u64::from(!announced);
            } else if !announced {
                self.now += step;
            }
        }
        self.pcr_raw = Some(pcr);
        self.pcr.seen(&mut self.report.pcr, self.report.bytes, self.now);
    }

    fn pat_section(&mut self, section: &[u8]) {
        if crc32(section) != 0 {
            self.report.crc_errors += 1;
            return;
        }
        let Some(pat) = Pat::read(section) else { return };
        self.pat.seen(&mut self.report.pat, self.report.bytes, self.now);
        let pmt_pid = pat.programs.first().map(|(_, pid)| *pid);
        if pmt_pid != self.pmt_pid {
            self.pmt_pid = pmt_pid;
            self.pmt_sections = Sections::default();
        }
    }

    fn pmt_section(&mut self, section: &[u8]) {
        if crc32(section) != 0 {
            self.report.crc_errors += 1;
            return;
        }
        let Some(pmt) = Pmt::read(section) else { return };
        self.pmt.seen(&mut self.report.pmt, self.report.bytes, self.now);
        if self.report.pmt_versions.last() != Some(&pmt.version) {
            self.report.pmt_versions.push(pmt.version);
        }
        self.report.pcr_pid = Some(pmt.pcr_pid);
        self.report.streams = pmt.streams;
    }

    fn media(&mut self, packet: &Packet<'_>) {
        let pid = packet.pid();
        let Some(stream) = self.report.streams.iter().find(|stream| stream.pid == pid) else {
            if self.report.pcr_pid.is_some_and(|clock| clock != pid) {
                self.report.unknown_pids.insert(pid);
            }
            return;
        };
        let (is_video, is_media) = (stream.is_video(), stream.is_video() || stream.is_audio());
        let codec = Codec::from_stream_type(stream.stream_type);
        if packet.starts_unit() {
            *self.report.pes_packets.entry(pid).or_default() += 1;
            let header = PesHeader::read(packet.payload());
            let stamp = header.and_then(|header| header.dts_at.or(header.pts_at));
            if let Some(at) = stamp.filter(|_| is_media) {
                self.decoding_time(pid, read_timestamp(&packet.payload()[at..at + 5]));
            }
            if is_video && self.report.start.bytes_before_access.is_none() {
                self.judge_picture(codec);
            }
            if is_video && self.report.start.bytes_before_access.is_none() {
                let body = header.map_or(&[][..], |header| &packet.payload()[header.payload_at..]);
                self.picture = Some((self.report.bytes, body.to_vec()));
            }
        } else if let Some((_, picture)) = self.picture.as_mut().filter(|_| is_video) {
            picture.extend_from_slice(packet.payload());
        }
    }

    /// Judges the picture that is whole now that the next begins.
    fn judge_picture(&mut self, codec: Option<Codec>) {
        let (Some((began, picture)), Some(codec)) = (self.picture.take(), codec) else { return };
        let access = classify(codec, &picture);
        self.report.start.access.get_or_insert(access);
        if access.is_random_access() {
            self.report.start.bytes_before_access = Some(began);
        }
    }

    fn decoding_time(&mut self, pid: u16, dts: u64) {
        const CYCLE: u64 = 1 << 33;
        if let Some(last) = self.dts.insert(pid, dts) {
            let step = (dts + CYCLE - last) % CYCLE;
            if step == 0 || step > CYCLE / 2 {
                *self.report.dts_backward.entry(pid).or_default() += 1;
            } else {
                let gap = self.report.dts_gap.entry(pid).or_default();
                *gap = (*gap).max(duration(step * 300));
            }
        }
        if let Some(pcr) = self.pcr_raw {
            let lead = (dts + CYCLE - pcr / 300) % CYCLE;
            if lead > CYCLE / 2 {
                *self.report.late.entry(pid).or_default() += 1;
            } else {
                let most = self.report.dts_lead.entry(pid).or_default();
                *most = (*most).max(duration(lead * 300));
            }
        }
    }

    /// Judges the first packets, before they are taken in.
    fn opening(&mut self, packet: &Packet<'_>) {
        let (pid, start) = (packet.pid(), &mut self.report.start);
        let next = match self.start {
            Opening::Pat if pid == 0 && packet.starts_unit() => {
                start.pat_first = true;
                Opening::Pmt
            }
            Opening::Pat => Opening::Judged,
            Opening::Pmt if Some(pid) == self.pmt_pid => Opening::Pmt,
            Opening::Pmt | Opening::Media if self.report.pcr_pid.is_some() => {
                start.pmt_next = true;
                let known = self.report.streams.iter().find(|stream| stream.pid == pid);
                let has_video = self.report.streams.iter().any(super::psi::PmtStream::is_video);
                start.media_next = packet.starts_unit()
                    && known
                        .is_some_and(|stream| if has_video { stream.is_video() } else { stream.is_audio() });
                if pid < 0x20 { Opening::Media } else { Opening::Judged }
            }
            Opening::Pmt | Opening::Media | Opening::Judged => Opening::Judged,
        };
        self.start = next;
    }
}

fn duration(ticks_27m: u64) -> Duration {
    Duration::from_nanos((u128::from(ticks_27m) * 1000 / 27).try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
