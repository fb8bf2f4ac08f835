//! The text of the media playlist.

use std::ops::Range;
use std::time::Duration;

use super::answer::Place;
use super::fault::Fault;
use super::session::Session;
use super::settings::{Encryption, Iv, SegmentTokens, Text, Uris};
use super::state::{Segment, State, iv_of};

/// Parts of a segment.
pub(super) const PARTS: usize = 4;

/// The last segments, which are listed with their parts.
const WITH_PARTS: usize = 3;

/// What a request says about the text it wants.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// The token it came with.
    pub(super) token: Option<String>,
    /// A delta update.
    pub(super) skip: bool,
    /// The session that it belongs to.
    pub(super) session: Option<Session>,
}

/// The playlist as it is now. Counts as a poll.
pub(super) fn text(state: &mut State, place: &Place, wish: &Wish) -> String {
    state.polls += 1;
    let range = listed(state);
    let share = state.share_of_next();
    let lines = Writer { state, place, wish, range, share }.lines();
    finish(lines, state.hls.text)
}

/// The segments that are listed: a window before the edge.
pub(super) fn listed(state: &mut State) -> Range<usize> {
    let first = state.hls.begins_with.min(state.hls.window);
    let grown = state.edge().saturating_sub(first);
    let mut edge = state.edge() - grown % state.hls.renewed_every;
    if let Some((one_in, segments)) = state.hls.older
        && state.polls.is_multiple_of(one_in)
    {
        edge = edge.saturating_sub(segments);
    }
    let restart = state.runs.iter().filter(|run| run.is_restart && run.from < edge).map(|run| run.from).max();
    edge.saturating_sub(state.hls.window).max(restart.unwrap_or(0))..edge
}

fn finish(lines: Vec<String>, style: Text) -> String {
    let end = match (style.crlf, style.blank_lines) {
        (false, false) => "\n",
        (true, false) => "\r\n",
        (false, true) => "\n\n",
        (true, true) => "\r\n\r\n",
    };
    let bom = if style.bom { "\u{feff}" } else { "" };
    lines.into_iter().fold(bom.to_owned(), |text, line| text + &line + end)
}

struct Writer<'a> {
    state: &'a State,
    place: &'a Place,
    wish: &'a Wish,
    range: Range<usize>,
    /// How much of the segment after the edge is due.
    share: f64,
}

impl Writer<'_> {
    fn lines(&self) -> Vec<String> {
        let hls = &self.state.hls;
        let skipped = self.skipped();
        let mut lines =
            vec!["#EXTM3U".to_owned(), format!("#EXT-X-VERSION:{}", if skipped > 0 { 9 } else { 7 })];
        if !hls.text.no_target {
            lines.push(format!("#EXT-X-TARGETDURATION:{}", self.target()));
        }
        if hls.low_latency {
            let part = self.part_seconds();
            lines.push(format!(
                "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL={},PART-HOLD-BACK={:.3}",
                6 * self.target(),
                3.0 * part
            ));
            lines.push(format!("#EXT-X-PART-INF:PART-TARGET={part:.3}"));
        }
        let first = match self.wish.session {
            Some(session) => session.sequence(self.range.start).cast_unsigned(),
            None if hls.constant_sequence => hls.first_sequence,
            None => self.state.segments[self.range.start].sequence,
        };
        lines.push(format!("#EXT-X-MEDIA-SEQUENCE:{first}"));
        if !hls.silent_splices {
            let removed = self.state.runs.iter().filter(|run| is_tagged(run) && run.from < self.range.start);
            lines.push(format!("#EXT-X-DISCONTINUITY-SEQUENCE:{}", removed.count()));
        }
        if skipped > 0 {
            lines.push(format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}"));
        }
        for number in self.range.start + skipped..self.range.end {
            self.segment(number, &mut lines);
        }
        if hls.low_latency {
            self.next_parts(&mut lines);
        }
        if hls.ended {
            lines.push("#EXT-X-ENDLIST".to_owned());
        }
        lines
    }

    /// In seconds: what was asked for, or the longest that a segment of this clip comes to.
    fn target(&self) -> u64 {
        let longest = self.state.longest_90k;
        self.state.hls.target_duration.unwrap_or_else(|| ((longest + 45_000) / 90_000).max(1))
    }

    fn part_seconds(&self) -> f64 {
        seconds(self.state.longest_90k) / f64::from(u32::try_from(PARTS).expect("few"))
    }

    /// How many segments a delta update leaves out: those further from the end than it may skip.
    fn skipped(&self) -> usize {
        if !(self.wish.skip && self.state.hls.low_latency) {
            return 0;
        }
        let listed = &self.state.segments[self.range.clone()];
        let end = listed.last().map_or(0, Segment::end_90k);
        listed.iter().take_while(|segment| segment.end_90k() + 6 * self.target() * 90_000 < end).count()
    }

    fn segment(&self, number: usize, lines: &mut Vec<String>) {
        let (hls, segment) = (&self.state.hls, &self.state.segments[number]);
        let run = &self.state.runs[segment.run];
        let (is_first, begins_run) = (number == self.range.start, number == run.from);
        if begins_run && is_tagged(run) && !hls.silent_splices {
            lines.push("#EXT-X-DISCONTINUITY".to_owned());
        }
        // The section comes before the key, and so is not encrypted.
        if run.init.is_some() && (is_first || begins_run) {
            let name = format!("init{}.mp4", segment.run);
            lines.push(format!("#EXT-X-MAP:URI=\"{}\"", self.uri(&name, number)));
        }
        let before = (!is_first).then(|| self.state.segments[number - 1].key);
        let each_time = matches!(hls.encryption, Encryption::Aes128 { iv: Iv::Explicit, .. });
        if is_first || each_time || before != Some(segment.key) {
            lines.extend(self.key(number, segment));
        }
        if hls.dated {
            let time = Duration::from_nanos(segment.begin_90k * 100_000 / 9);
            let time = (self.state.epoch + time).strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
            lines.push(format!("#EXT-X-PROGRAM-DATE-TIME:{time}"));
        }
        if hls.low_latency && number + WITH_PARTS >= self.range.end {
            for part in 0..PARTS {
                lines.push(self.part(number, part));
            }
        }
        let is_gap = hls.fault_of(number as u64) == Some(Fault::Gap);
        if is_gap {
            lines.push("#EXT-X-GAP".to_owned());
        }
        let comma = if hls.text.no_comma { "" } else { "," };
        lines.push(format!("#EXTINF:{:.5}{comma}", seconds(segment.length_90k)));
        if hls.byte_ranges {
            // Every second one goes on where the one before ended.
            let offset = if is_first || number.is_multiple_of(2) {
                format!("@{}", segment.offset)
            } else {
                String::new()
            };
            lines.push(format!("#EXT-X-BYTERANGE:{}{offset}", segment.bytes.len()));
            lines.push(self.uri(&format!("all.{}", self.state.extension()), number));
        } else {
            let name = match self.wish.session {
                Some(session) => format!("seg{}.{}", session.sequence(number), self.state.extension()),
                None => self.state.segment_name(number),
            };
            lines.push(self.uri(&name, number));
        }
    }

    fn key(&self, number: usize, segment: &Segment) -> Vec<String> {
        match self.state.hls.encryption {
            Encryption::Clear => Vec::new(),
            Encryption::Aes128 { iv, .. } => {
                let name = format!("key{}.bin", segment.key.unwrap_or(0));
                let bytes = iv_of(self.state.hls.encryption, number as u64, segment.sequence);
                let iv = match iv {
                    Iv::Explicit => format!(",IV=0x{:032x}", u128::from_be_bytes(bytes)),
                    Iv::Implied => String::new(),
                };
                vec![format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{}\"{iv}", self.uri(&name, number))]
            }
            Encryption::SampleAes => {
                vec!["#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://key\",KEYFORMAT=\"com.apple.streamingkeydelivery\",KEYFORMATVERSIONS=\"1\"".to_owned()]
            }
            Encryption::Widevine => {
                vec!["#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI=\"data:text/plain;base64,AAAA\",KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",KEYFORMATVERSIONS=\"1\"".to_owned()]
            }
        }
    }

    fn part(&self, number: usize, part: usize) -> String {
        let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
        let length =
            seconds(self.state.segments[number].length_90k) / f64::from(u32::try_from(PARTS).expect("few"));
        let uri = self.uri(&self.part_name(number, part), number);
        format!("#EXT-X-PART:DURATION={length:.5},URI=\"{uri}\"{independent}")
    }

    fn part_name(&self, number: usize, part: usize) -> String {
        format!("part{number}.{part}.{}", self.state.extension())
    }

    /// The parts of the next segment that are due, and a hint at the one after them.
    fn next_parts(&self, lines: &mut Vec<String>) {
        let next = self.range.end;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to PARTS")]
        let due = ((self.share * 4.0) as usize).min(PARTS - 1);
        lines.extend((0..due).map(|part| self.part(next, part)));
        let uri = self.uri(&self.part_name(next, due), next);
        lines.push(format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\""));
    }

    fn uri(&self, name: &str, number: usize) -> String {
        let hls = &self.state.hls;
        let path = match hls.uris {
            Uris::Relative | Uris::WithQuery => name.to_owned(),
            Uris::RootRelative => format!("{}/{name}", self.place.folder),
            Uris::Absolute => format!("{}/{name}", self.place.base),
        };
        let mut query = Vec::new();
        if hls.uris == Uris::WithQuery {
            query.push(format!("{SIGNATURE}&n={number}"));
        }
        if let (SegmentTokens::Listed, Some(token)) = (hls.segment_tokens, &self.wish.token) {
            query.push(format!("token={token}"));
        }
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }
}

/// What the queries of [`Uris::WithQuery`] begin with: it has to come back as it was written.
pub(super) const SIGNATURE: &str = "sig=a%2Fb";

fn is_tagged(run: &super::state::Run) -> bool {
    run.from > 0 && !run.is_restart
}

fn seconds(ticks_90k: u64) -> f64 {
    Duration::from_nanos(ticks_90k * 100_000 / 9).as_secs_f64()
}
