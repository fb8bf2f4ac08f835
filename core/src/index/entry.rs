//! Sample entries: what a track is coded in, and the entry as players of parts take it
//! (ISO/IEC 14496-12, 8.5.2 and 12.1 to 12.2; 14496-14; 14496-15; Apple, `QuickTime` File Format).

use super::Error;
use super::codecs;
use super::outline::number;
use crate::remux::mp4::boxes::{Mp4Box, boxes, child};

/// Bytes of a visual sample entry in front of its boxes (12.1.3).
const VISUAL: usize = 78;

/// Bytes of a sound's sample entry in front of its boxes (12.2.3).
const SOUND: usize = 28;

/// Further bytes of `QuickTime`'s first version of a sound's entry.
const QUICKTIME: usize = 16;

/// Boxes of a sound's entry that say how it is coded.
const CONFIGURATIONS: [[u8; 4]; 9] =
    [*b"esds", *b"dac3", *b"dec3", *b"dac4", *b"dOps", *b"dfLa", *b"ddts", *b"mhaC", *b"alac"];

/// What a track has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// The most sample entries of a track: films that were put together have a handful.
const MAX_ENTRIES: usize = 16;

/// The sample entries of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// As in `CODECS` (RFC 6381), of the first.
    pub(super) codec: String,
    /// The boxes as they are sent.
    pub(super) bytes: Vec<u8>,
    pub(super) count: u8,
}

impl Entry {
    /// The entries in the body of a `stsd` box of a track with this handler. `Ok(None)` of what is
    /// neither pictures nor sound, such as a cover or a chapter list.
    pub(super) fn parse(body: &[u8], handler: [u8; 4]) -> Result<Option<Self>, Error> {
        let mut all: Option<Self> = None;
        let entries = boxes(body.get(8..).unwrap_or_default()).filter(|entry| entry.is_whole);
        for entry in entries.take(MAX_ENTRIES) {
            let found = match &handler {
                b"vide" => visual(entry)?,
                b"soun" => sound(entry)?,
                _ => None,
            };
            match (&mut all, found) {
                (None, Some(found)) => all = Some(found),
                (Some(all), Some(found)) => {
                    all.bytes.extend(found.bytes);
                    all.count += 1;
                }
                (_, None) => return Ok(None),
            }
        }
        Ok(all)
    }
}

fn visual(entry: Mp4Box<'_>) -> Result<Option<Entry>, Error> {
    let inner = entry.body.get(VISUAL..).unwrap_or_default();
    let missing = || Error::Codec(format!("{} without its parameter sets", name(entry.kind)));
    let configuration = |kind| child(inner, kind).ok_or_else(missing);
    let mut kind = entry.kind;
    let codec = match &kind {
        b"avc1" | b"avc3" => codecs::avc(kind, configuration(*b"avcC")?),
        b"hvc1" | b"hev1" => {
            let sets = configuration(*b"hvcC")?;
            // Apple's players take no other name, and it is true where all sets stand outside of
            // the samples.
            if codecs::has_all_sets(sets) {
                kind = *b"hvc1";
            }
            codecs::hevc(kind, sets)
        }
        b"dvh1" | b"dvhe" => {
            if codecs::has_all_sets(configuration(*b"hvcC")?) {
                kind = *b"dvh1";
            }
            codecs::dolby_vision(
                kind,
                child(inner, *b"dvcC").or_else(|| child(inner, *b"dvvC")).ok_or_else(missing)?,
            )
        }
        b"av01" => codecs::av1(configuration(*b"av1C")?),
        b"vp08" | b"vp09" => codecs::vp(kind, configuration(*b"vpcC")?),
        b"encv" => return Err(Error::Encrypted),
        // Pictures of covers and chapters.
        b"jpeg" | b"png " | b"mjpa" | b"mjpb" | b"tx3g" | b"text" => return Ok(None),
        _ => return Err(Error::Codec(name(kind))),
    };
    let fixed = entry.body.get(..VISUAL).unwrap_or_default();
    // QuickTime ends the list of boxes by a zero, which is no box elsewhere.
    let kept = boxes(inner).filter(|inner| inner.is_whole && inner.kind != [0; 4]);
    let bytes = write(kind, fixed, kept);
    Ok(Some(Entry { kind: Kind::Video, codec: codec.ok_or_else(missing)?, bytes, count: 1 }))
}

fn sound(entry: Mp4Box<'_>) -> Result<Option<Entry>, Error> {
    let version = number(entry.body, 8) >> 16;
    let begins = match version {
        1 => SOUND + QUICKTIME,
        // QuickTime's second version is for samples without compression.
        2 => return Err(Error::Codec(name(entry.kind))),
        _ => SOUND,
    };
    let outer = entry.body.get(begins..).unwrap_or_default();
    // QuickTime has the configuration inside of another box.
    let wave = child(outer, *b"wave").unwrap_or_default();
    let configurations: Vec<Mp4Box<'_>> = boxes(outer)
        .chain(boxes(wave))
        .filter(|inner| inner.is_whole && CONFIGURATIONS.contains(&inner.kind))
        .collect();
    let of = |kind| configurations.iter().find(|inner| inner.kind == kind).map(|inner| inner.body);
    let codec = match &entry.kind {
        b"mp4a" => codecs::mp4a(of(*b"esds").unwrap_or_default()),
        b"ac-3" => Some("ac-3".to_owned()),
        b"ec-3" => Some("ec-3".to_owned()),
        b"ac-4" => Some("ac-4".to_owned()),
        b".mp3" => Some("mp4a.6B".to_owned()),
        b"Opus" => Some("opus".to_owned()),
        b"fLaC" => Some("fLaC".to_owned()),
        b"alac" => Some("alac".to_owned()),
        b"dtsc" | b"dtse" | b"dtsh" | b"dtsl" | b"dtsx" | b"mhm1" | b"mha1" => Some(name(entry.kind)),
        b"enca" => return Err(Error::Encrypted),
        _ => None,
    };
    let Some(codec) = codec else { return Err(Error::Codec(name(entry.kind))) };
    if codec == "mp4a.40.36" {
        return Err(Error::Codec(codec)); // ALS, which no player of parts decodes
    }
    let mut fixed = entry.body.get(..SOUND).unwrap_or_default().to_vec();
    // Version, revision and vendor are QuickTime's, and so is what stands in front of the rate.
    fixed.get_mut(8..16).unwrap_or_default().fill(0);
    fixed.get_mut(20..24).unwrap_or_default().fill(0);
    let bytes = write(entry.kind, &fixed, configurations.into_iter());
    Ok(Some(Entry { kind: Kind::Audio, codec, bytes, count: 1 }))
}

/// A sample entry of these fields and boxes, for the one file that a `dref` box names.
fn write<'a>(kind: [u8; 4], fixed: &[u8], inner: impl Iterator<Item = Mp4Box<'a>>) -> Vec<u8> {
    let mut bytes =
        [&[0; 4], &kind[..], &[0, 0, 0, 0, 0, 0, 0, 1], fixed.get(8..).unwrap_or_default()].concat();
    for Mp4Box { kind, body, .. } in inner {
        bytes.extend(size(body.len() + 8));
        bytes.extend(kind);
        bytes.extend_from_slice(body);
    }
    let length = size(bytes.len());
    bytes[..4].copy_from_slice(&length);
    bytes
}

fn size(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a sample entry was read whole, and that is limited").to_be_bytes()
}

/// Four letters, whatever they are.
fn name(kind: [u8; 4]) -> String {
    kind.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        [&size(body.len() + 8)[..], &kind, body].concat()
    }

    fn parse(kind: [u8; 4], body: &[u8], handler: [u8; 4]) -> Result<Option<Entry>, Error> {
        Entry::parse(&[&[0, 0, 0, 0, 0, 0, 0, 1], &make(kind, body)[..]].concat(), handler)
    }

    /// AAC-LC in an `esds` box.
    const ESDS: &[u8] = &[
        0, 0, 0, 0, 3, 0x19, 0, 0, 0, 4, 0x11, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2, 0x11, 0x90,
        6, 1, 2,
    ];

    #[test]
    fn sound_of_quicktime_becomes_an_entry_of_mp4() {
        let fixed = |version: u8| {
            let mut fixed = [0; SOUND];
            fixed[7] = 1;
            fixed[9] = version;
            fixed[17..20].copy_from_slice(&[2, 0, 16]);
            fixed[20] = 0xFF;
            fixed[24..26].copy_from_slice(&48_000_u16.to_be_bytes());
            fixed
        };
        let esds = make(*b"esds", ESDS);
        let plain = parse(*b"mp4a", &[&fixed(0)[..], &esds].concat(), *b"soun").unwrap().unwrap();
        assert_eq!((plain.kind, plain.codec.as_str()), (Kind::Audio, "mp4a.40.2"));
        assert_eq!(plain.bytes.len(), 8 + SOUND + esds.len());
        let inside = [make(*b"frma", b"mp4a"), esds.clone(), make(*b"\0\0\0\0", b"")].concat();
        for quicktime in [esds, make(*b"wave", &inside)] {
            let body = [&fixed(1)[..], &[7; QUICKTIME], &quicktime, &make(*b"chan", &[9; 12])].concat();
            assert_eq!(parse(*b"mp4a", &body, *b"soun").unwrap().unwrap(), plain);
        }
    }

    #[test]
    fn what_is_not_offered_is_refused_by_name() {
        let refused = |kind, handler: &[u8; 4]| parse(kind, &[0; 100], *handler).unwrap_err();
        assert_eq!(refused(*b"vvc1", b"vide"), Error::Codec("vvc1".into()));
        assert_eq!(refused(*b"sowt", b"soun"), Error::Codec("sowt".into()));
        assert_eq!(refused(*b"avc1", b"vide"), Error::Codec("avc1 without its parameter sets".into()));
        assert_eq!(refused(*b"encv", b"vide"), Error::Encrypted);
        assert_eq!(parse(*b"tx3g", &[0; 100], *b"sbtl"), Ok(None));
        assert_eq!(parse(*b"jpeg", &[0; 100], *b"vide"), Ok(None));
        assert_eq!(Entry::parse(&[0; 8], *b"vide"), Ok(None));
    }
}
