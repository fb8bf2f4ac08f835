//! Packed audio: frames behind an ID3 tag that holds their time (RFC 8216, 3.4).

use super::{Found, Pes, Reason, id3, sniff, stamp, stream_of};
use crate::time::{Pts, TICKS_PER_SECOND};
use crate::ts::codec_headers::AudioFrame;
use crate::ts::pes;
use crate::ts::stream::Codec;

/// The rendition's segments, one after the other.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The codec that was told.
    told: Option<Codec>,
    clock: Option<Clock>,
}

/// Where the sound has got to: samples since a time.
#[derive(Debug, Clone, Copy)]
struct Clock {
    since: Pts,
    samples: i64,
    /// Samples in a second, not zero.
    rate: u32,
}

impl Clock {
    fn now(self) -> Pts {
        self.since.shifted(self.samples * TICKS_PER_SECOND / i64::from(self.rate))
    }
}

impl Reader {
    /// A new timeline begins.
    pub(super) fn reset(&mut self) {
        self.clock = None;
    }

    /// Takes a segment of `codec`. Without a time in it, it goes on where the one before ended; the
    /// first begins at `begin`.
    pub(super) fn push(
        &mut self,
        segment: &[u8],
        codec: Codec,
        begin: Pts,
        found: &mut Vec<Found>,
    ) -> Result<(), Reason> {
        if self.told.replace(codec) != Some(codec) {
            found.push(Found::Streams(vec![stream_of(codec, None)]));
        }
        let (mut at, mut damage) = (0, None);
        while at < segment.len() {
            let rest = &segment[at..];
            let tag = id3::length(rest);
            if tag > 0 {
                if let Some(time) = id3::timestamp(rest) {
                    let since = stamp(time.ticks().into());
                    self.clock = Some(Clock { since, samples: 0, rate: 1 });
                }
                at += tag;
            } else if let Some((length, frame)) = access_unit(codec, rest) {
                let clock = self.clock.get_or_insert(Clock { since: begin, samples: 0, rate: 1 });
                if clock.rate != frame.format.sample_rate {
                    *clock = Clock { since: clock.now(), samples: 0, rate: frame.format.sample_rate };
                }
                let time = clock.now();
                clock.samples += i64::from(frame.samples);
                let mut pes = Pes::new(0, codec, time, time);
                pes.bytes.extend_from_slice(&rest[..length]);
                pes::set_length(&mut pes.bytes);
                found.push(Found::Pes(pes));
                at += length;
            } else {
                let what = "packed audio is cut or damaged";
                damage = damage.or(Some(Reason::Damaged { what, at }));
                let next = (1..rest.len()).find(|&next| {
                    id3::is_tag(&rest[next..]) || sniff::packed_audio(&rest[next..]) == Some(codec)
                });
                at += next.unwrap_or(rest.len());
            }
        }
        damage.map_or(Ok(()), Err)
    }
}

/// The length of the access unit that begins here, and its first frame: with the frames that only
/// add to it. `None` when it is damaged, or breaks off.
pub(crate) fn access_unit(codec: Codec, bytes: &[u8]) -> Option<(usize, AudioFrame)> {
    let first = AudioFrame::parse(codec, bytes)?;
    let mut length = first.length;
    while codec == Codec::Eac3
        && let Some(next) = bytes.get(length..).filter(|next| adds_to_another(next))
    {
        length += AudioFrame::parse(codec, next)?.length;
    }
    (length <= bytes.len() && first.length > 0).then_some((length, first))
}

/// Whether a frame of E-AC-3 is a dependent substream, or one of another programme, and so no time
/// passes with it (ETSI TS 102 366, E.1.3.1.1 and E.1.3.1.2).
fn adds_to_another(frame: &[u8]) -> bool {
    matches!(frame, [0x0B, 0x77, kind, _, _, version, ..] if version >> 3 > 10 && (kind >> 6 == 1 || kind >> 3 & 7 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remux::SHIFT;
    use crate::ts::pes::Header;

    /// AAC at 48 kHz in stereo, ten bytes a frame.
    const FRAME: [u8; 10] = [0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x5F, 0xFC, 0x21, 0x25, 0x00];

    fn tag(time: u64) -> Vec<u8> {
        let owner = b"com.apple.streaming.transportStreamTimestamp\0";
        let mut tag = b"ID3\x04\0\0\0\0\0\x3FPRIV\0\0\0\x35\0\0".to_vec();
        tag.extend(owner);
        tag.extend(time.to_be_bytes());
        tag
    }

    /// The times of what `segments` become, without what is added to all of them, and what was
    /// wrong.
    fn times(codec: Codec, segments: &[Vec<u8>]) -> (Vec<u64>, Vec<Reason>) {
        let (mut reader, mut found, mut faults) = (Reader::default(), Vec::new(), Vec::new());
        for segment in segments {
            faults.extend(reader.push(segment, codec, Pts::new(90_000).shifted(SHIFT), &mut found).err());
        }
        let times = found.iter().filter_map(|found| match found {
            Found::Pes(pes) => Header::parse(&pes.bytes)?.pts,
            Found::Streams(_) => None,
        });
        (times.map(|time| time.shifted(-SHIFT).ticks()).collect(), faults)
    }

    #[test]
    fn time_is_counted_from_the_tag_and_on() {
        let tagged = [tag(900_000), FRAME.repeat(3)].concat();
        let (times, faults) = times(Codec::Aac, &[FRAME.repeat(2), tagged, FRAME.repeat(2)]);
        assert_eq!(times, [90_000, 91_920, 900_000, 901_920, 903_840, 905_760, 907_680]);
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn time_does_not_drift_where_frames_are_no_whole_ticks() {
        // 44.1 kHz: 2089.8 ticks a frame.
        let mut frame = FRAME;
        frame[2] = 0x50;
        let (times, _) = times(Codec::Aac, &vec![frame.repeat(5); 20]);
        assert_eq!(times[99], 90_000 + 99 * 1024 * 90_000 / 44_100);
    }

    #[test]
    fn another_rate_counts_from_where_it_begins() {
        let mut half = FRAME;
        half[2] = 0x58; // 24 kHz
        let (times, _) =
            times(Codec::Aac, &[[tag(0), FRAME.repeat(2), half.repeat(2), FRAME.repeat(2)].concat()]);
        assert_eq!(times, [0, 1920, 3840, 7680, 11_520, 13_440]);
    }

    #[test]
    fn frames_are_found_again_behind_damage() {
        let segment = [tag(0), FRAME.repeat(2), vec![0; 50], FRAME.repeat(3), FRAME[..6].to_vec()].concat();
        let (times, faults) = times(Codec::Aac, &[segment]);
        assert_eq!(times.len(), 5);
        assert_eq!(
            faults,
            [Reason::Damaged { what: "packed audio is cut or damaged", at: tag(0).len() + 20 }]
        );
    }

    #[test]
    fn dependent_substreams_take_no_time() {
        let mut independent = vec![0x0B, 0x77, 0x03, 0x7F, 0x3F, 0x87, 0xC0, 0x00, 0x20];
        independent.resize(1792, 0);
        let mut dependent = independent.clone();
        dependent[2] |= 0x40;
        let unit = [independent, dependent].concat();
        let (times, faults) = times(Codec::Eac3, &[[tag(0), unit.repeat(3)].concat()]);
        assert_eq!((times, faults), (vec![0, 2880, 5760], vec![]));
    }
}
