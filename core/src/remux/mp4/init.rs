//! Initialisation segments: which tracks there are and how they are coded (ISO/IEC 14496-12, 8.2 to
//! 8.8; 14496-14; 14496-15).

use mp4_atom::{Audio, Avcc, Decode, Elst, Esds, Hvcc, Mdhd, Mvhd, Tkhd, Trex};

use super::super::{Reason, stream_of};
use super::aac::{Adts, is_mpeg_audio};
use super::boxes::{boxes, child, descendant, leaf};
use super::nal::Nal;
use crate::time::TICKS_PER_SECOND;
use crate::ts::psi::PmtStream;
use crate::ts::stream::{Class, Codec};

/// Tracks that are looked at; a presentation has one of video, and one of sound for each of a few
/// languages.
const MAX_TRACKS: usize = 32;

/// The largest `esds` that is read: descriptors nest, and each takes five bytes and a level of the
/// stack. Real ones have 40 bytes.
const MAX_ESDS: usize = 512;

/// Bytes of a visual sample entry in front of its boxes (ISO/IEC 14496-12, 12.1.3).
const VISUAL_ENTRY: usize = 78;

/// The NAL unit types that `hvcC` keeps out of the samples: three kinds of parameter sets, and
/// messages that describe the whole stream.
const HEVC_SETS: [u8; 4] = [32, 33, 34, 39];

/// What an initialisation segment says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Init {
    /// The tracks that a transport stream can carry: one of video at most, and sound.
    pub(super) tracks: Vec<Track>,
    /// How large samples are that do not say so, by the number of their track: of those that are
    /// left out, too.
    sizes: Vec<(u32, u32)>,
}

/// One track.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Track {
    pub(super) id: u32,
    /// Units in a second, not zero.
    pub(super) timescale: u32,
    /// What the edit list adds to every time, in units of the timescale.
    pub(super) shift: i128,
    pub(super) defaults: Defaults,
    pub(super) coding: Coding,
    /// How the map of a transport stream names it.
    pub(super) stream: PmtStream,
}

/// What holds for samples that do not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Defaults {
    /// In units of the timescale.
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

/// What makes samples a part of an elementary stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Coding {
    /// NAL units become a byte stream.
    Video(Nal),
    /// Frames of AAC get headers.
    Aac(Adts),
    /// Frames have headers of their own.
    Framed,
}

impl Init {
    /// Reads an initialisation segment, or any bytes with a `moov` box. Tracks that are neither
    /// video nor sound are left out, and sound that cannot be carried, as long as there is other.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let movie = child(bytes, *b"moov")
            .ok_or(Reason::Damaged { what: "the moov box is missing or cut", at: 0 })?;
        let mut tracks: Vec<Track> = Vec::new();
        let mut refused = None;
        for body in boxes(movie).filter(|inner| inner.kind == *b"trak").take(MAX_TRACKS) {
            match Track::parse(body.body, movie) {
                Ok(Some(track)) => {
                    let is_video = |track: &Track| matches!(track.coding, Coding::Video(_));
                    if !(is_video(&track) && tracks.iter().any(is_video)) {
                        tracks.push(track);
                    }
                }
                Ok(None) => {}
                Err((Class::Audio, reason @ Reason::Codec(_))) => refused = Some(reason),
                Err((_, reason)) => return Err(reason),
            }
        }
        let sizes = defaults(movie).map(|trex| (trex.track_id, trex.default_sample_size)).collect();
        let has_sound = tracks.iter().any(|track| !matches!(track.coding, Coding::Video(_)));
        match refused {
            Some(reason) if !has_sound => Err(reason),
            _ if tracks.is_empty() => {
                Err(Reason::Damaged { what: "the moov box names no track of video or sound", at: 0 })
            }
            _ => Ok(Self { tracks, sizes }),
        }
    }

    /// How large the samples of a track are that do not say so.
    pub(super) fn default_size(&self, id: u32) -> u32 {
        self.sizes.iter().find(|(track, _)| *track == id).map_or(0, |(_, size)| *size)
    }
}

impl Track {
    /// Reads a `trak` box of `movie`; `None` of what is neither video nor sound.
    fn parse(track: &[u8], movie: &[u8]) -> Result<Option<Self>, (Class, Reason)> {
        let damaged = |what| (Class::Data, Reason::Damaged { what, at: 0 });
        let media = child(track, *b"mdia").ok_or_else(|| damaged("a track has no mdia box"))?;
        let stsd = descendant(media, &[*b"minf", *b"stbl", *b"stsd"]).and_then(|body| body.get(8..));
        // Other entries than the first are for other fragments, which are refused where they come.
        let Some(entry) = boxes(stsd.unwrap_or_default()).next().filter(|entry| entry.is_whole) else {
            return Err(damaged("a track has no sample description"));
        };
        let Some((codec, coding)) = coding(entry.kind, entry.body)? else { return Ok(None) };
        let header: Mdhd = child(media, *b"mdhd")
            .and_then(leaf)
            .ok_or_else(|| damaged("a track has no readable mdhd box"))?;
        let id =
            child(track, *b"tkhd").and_then(leaf::<Tkhd>).ok_or_else(|| damaged("a track has no number"))?;
        let language = <[u8; 3]>::try_from(header.language.as_bytes()).ok();
        let movie_timescale =
            child(movie, *b"mvhd").and_then(leaf::<Mvhd>).map_or(0, |header| header.timescale);
        Ok(Some(Self {
            id: id.track_id,
            timescale: header.timescale.max(1),
            shift: shift(track, header.timescale, movie_timescale),
            defaults: Defaults::find(movie, id.track_id),
            coding,
            stream: stream_of(codec, language.filter(|language| language != b"und")),
        }))
    }
}

impl Defaults {
    /// Those of the `trex` box of a track.
    fn find(movie: &[u8], id: u32) -> Self {
        let found = defaults(movie).find(|trex| trex.track_id == id);
        found.map_or_else(Self::default, |trex| Self {
            duration: trex.default_sample_duration,
            size: trex.default_sample_size,
            flags: trex.default_sample_flags,
        })
    }
}

/// The `trex` boxes of a movie.
fn defaults(movie: &[u8]) -> impl Iterator<Item = Trex> {
    let extends = child(movie, *b"mvex").unwrap_or_default();
    let each = boxes(extends).filter(|inner| inner.kind == *b"trex").take(MAX_TRACKS);
    each.filter_map(|inner| leaf(inner.body))
}

/// What an edit list adds to the times of a track, in units of its timescale: the empty edits in
/// front of the media, less the place where the media begins. Encoders move sound by its priming
/// and pictures by their reordering with it, and without it the two are apart by as much. More than
/// a beginning a fragmented file cannot say; other edits are ignored.
fn shift(track: &[u8], timescale: u32, movie_timescale: u32) -> i128 {
    let Some(list) = descendant(track, &[*b"edts", *b"elst"]).and_then(leaf::<Elst>) else { return 0 };
    let mut empty = 0;
    for edit in &list.entries {
        match edit.media_time {
            Some(begins) => {
                return empty * i128::from(timescale) / i128::from(movie_timescale.max(1))
                    - i128::from(begins);
            }
            None => empty += i128::from(edit.segment_duration),
        }
    }
    0
}

/// A time in units of `timescale` as ticks of 90 kHz, rounded to the nearest.
pub(super) fn ticks(time: i128, timescale: u32) -> i128 {
    let timescale = i128::from(timescale);
    (2 * time * i128::from(TICKS_PER_SECOND) + timescale).div_euclid(2 * timescale)
}

/// How the samples of a sample entry are coded; `None` of what is neither video nor sound.
fn coding(kind: [u8; 4], entry: &[u8]) -> Result<Option<(Codec, Coding)>, (Class, Reason)> {
    let visual = entry.get(VISUAL_ENTRY..).unwrap_or_default();
    let damaged = |class, what| (class, Reason::Damaged { what, at: 0 });
    Ok(Some(match &kind {
        b"avc1" | b"avc3" => {
            let sets: Avcc = child(visual, *b"avcC")
                .and_then(leaf)
                .ok_or_else(|| damaged(Class::Video, "the avcC box is missing or damaged"))?;
            let extensions = sets.ext.iter().flat_map(|ext| &ext.sequence_parameter_sets_ext);
            let all = sets.sequence_parameter_sets.iter().chain(extensions);
            let all = all.chain(&sets.picture_parameter_sets).map(Vec::as_slice);
            let nal = Nal::new(Codec::H264, sets.length_size, all);
            (
                Codec::H264,
                Coding::Video(nal.ok_or_else(|| damaged(Class::Video, "the avcC box is too large"))?),
            )
        }
        b"hvc1" | b"hev1" => {
            let sets: Hvcc = child(visual, *b"hvcC")
                .and_then(leaf)
                .ok_or_else(|| damaged(Class::Video, "the hvcC box is missing or damaged"))?;
            let of = |kind| sets.arrays.iter().filter(move |array| array.nal_unit_type == kind);
            let all = HEVC_SETS.into_iter().flat_map(of).flat_map(|array| &array.nalus).map(Vec::as_slice);
            let nal = Nal::new(Codec::Hevc, sets.length_size_minus_one + 1, all);
            (
                Codec::Hevc,
                Coding::Video(nal.ok_or_else(|| damaged(Class::Video, "the hvcC box is too large"))?),
            )
        }
        b"mp4a" => mp4a(entry).map_err(|reason| (Class::Audio, reason))?,
        b"ac-3" => (Codec::Ac3, Coding::Framed),
        b"ec-3" => (Codec::Eac3, Coding::Framed),
        b".mp3" => (Codec::MpegAudio, Coding::Framed),
        b"encv" | b"enca" => return Err((Class::Data, Reason::Encrypted(scheme(entry)))),
        b"av01" | b"vp08" | b"vp09" | b"vvc1" | b"vvi1" | b"dvh1" | b"dvhe" | b"dva1" | b"dvav" | b"mp4v" => {
            return Err((Class::Video, Reason::Codec(name(kind))));
        }
        b"Opus" | b"fLaC" | b"alac" | b"ac-4" | b"dtsc" | b"dtse" | b"dtsh" | b"dtsl" | b"dtsx" | b"mha1"
        | b"mhm1" | b"samr" | b"sawb" | b"iamf" | b"ipcm" | b"fpcm" | b"sowt" | b"twos" => {
            return Err((Class::Audio, Reason::Codec(name(kind))));
        }
        _ => return Ok(None),
    }))
}

/// Sound in an `mp4a` entry is what the object type in its `esds` box says.
fn mp4a(entry: &[u8]) -> Result<(Codec, Coding), Reason> {
    let damaged = || Reason::Damaged { what: "the esds box is missing or damaged", at: 0 };
    let mut rest = entry;
    Audio::decode(&mut rest).map_err(|_| damaged())?;
    // QuickTime has it inside of another box.
    let esds = child(rest, *b"esds").or_else(|| descendant(rest, &[*b"wave", *b"esds"]));
    let esds = esds.filter(|esds| esds.len() <= MAX_ESDS).and_then(leaf::<Esds>).ok_or_else(damaged)?;
    let config = esds.es_desc.dec_config;
    Ok(match config.object_type_indication {
        0x40 | 0x66..=0x68 => {
            let description = config.dec_specific.ok_or_else(damaged)?;
            if is_mpeg_audio(&description.raw) {
                return Ok((Codec::MpegAudio, Coding::Framed));
            }
            (Codec::Aac, Coding::Aac(Adts::of(&description.raw)?))
        }
        0x69 | 0x6B => (Codec::MpegAudio, Coding::Framed),
        0xA5 => (Codec::Ac3, Coding::Framed),
        0xA6 => (Codec::Eac3, Coding::Framed),
        other => return Err(Reason::Codec(format!("mp4a.{other:02x}"))),
    })
}

/// The protection scheme of an encrypted sample entry, whose boxes are behind fields of a length
/// that differs (8.12).
fn scheme(entry: &[u8]) -> String {
    let schm = entry.windows(4).position(|window| window == b"schm");
    // Behind the box's kind stand its version and flags.
    let kind = schm.and_then(|at| entry.get(at + 8..)?.first_chunk::<4>());
    kind.map_or_else(|| "an unknown scheme".to_owned(), |kind| name(*kind))
}

/// Four letters, whatever they are.
fn name(kind: [u8; 4]) -> String {
    kind.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_the_nearest_tick() {
        assert_eq!(ticks(1001, 30_000), 3003);
        assert_eq!((ticks(1, 44_100), ticks(1024, 44_100)), (2, 2090)); // 2.04 and 2089.8
        assert_eq!((ticks(-1024, 48_000), ticks(-1, 180_000), ticks(-2, 180_000)), (-1920, 0, -1));
        assert_eq!(ticks(i128::from(u64::MAX), 1), 90_000 * i128::from(u64::MAX));
    }

    #[test]
    fn the_object_type_says_what_sound_it_is() {
        let entry = |kind: u8, config: &[u8]| {
            let config = [&[5, u8::try_from(config.len()).unwrap()], config].concat();
            let decoder =
                [&[4, 13 + u8::try_from(config.len()).unwrap(), kind], &[0; 12][..], &config].concat();
            let stream =
                [&[3, 6 + u8::try_from(decoder.len()).unwrap(), 0, 0, 0], &decoder[..], &[6, 1, 2]].concat();
            let size = 12 + u32::try_from(stream.len()).unwrap();
            [&[0; 28], &size.to_be_bytes()[..], b"esds\0\0\0\0", &stream].concat()
        };
        let cases: [(u8, &[u8], Result<Codec, Reason>); 8] = [
            (0x40, &[0x11, 0x90], Ok(Codec::Aac)),
            (0x67, &[0x11, 0x90], Ok(Codec::Aac)),
            (0x40, &[0xF8, 0x40, 0], Ok(Codec::MpegAudio)), // mp4a.40.34
            (0x6B, &[], Ok(Codec::MpegAudio)),
            (0xA5, &[], Ok(Codec::Ac3)),
            (0xA6, &[], Ok(Codec::Eac3)),
            (0x40, &[0xF9, 0x46, 0x40], Err(Reason::Codec("mp4a.40.42".into()))),
            (0xA9, &[], Err(Reason::Codec("mp4a.a9".into()))),
        ];
        for (kind, config, expected) in cases {
            let found = coding(*b"mp4a", &entry(kind, config));
            let found = found.map(|found| found.unwrap().0).map_err(|(_, reason)| reason);
            assert_eq!(found, expected, "{kind:#x} {config:02x?}");
        }
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        let refused = |kind: &[u8; 4], entry: &[u8]| coding(*kind, entry).unwrap_err().1;
        assert_eq!(refused(b"av01", &[]), Reason::Codec("av01".into()));
        assert_eq!(refused(b"Opus", &[]), Reason::Codec("Opus".into()));
        let entry = b"....\0\0\0\x14schm\0\0\0\0cbcs\0\x01\0\0";
        assert_eq!(refused(b"encv", entry), Reason::Encrypted("cbcs".into()));
        assert_eq!(
            refused(b"enca", b"\0\0\0\x0Aschm\0").to_string(),
            Reason::Encrypted("an unknown scheme".into()).to_string()
        );
        assert_eq!(coding(*b"wvtt", &[]), Ok(None));
    }
}
