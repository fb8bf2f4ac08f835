//! What the words of a `CODECS` attribute (RFC 6381) promise of a variant.
//!
//! They are a hint: panels write names of encoders, broadcasters the codecs of their uplink, and
//! either names tracks that are no media. What a segment is made of is found by reading it.

/// How widely something plays, as far as is said: the better, the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Support {
    /// Every player and browser plays it: H.264 and AAC.
    Everywhere,
    /// A transport stream carries it, and some players play it.
    Partly,
    /// Nobody knows such a codec.
    Unknown,
    /// A transport stream, or the players of one, cannot carry it.
    Nowhere,
}

/// What a word is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Picture,
    Sound,
    /// Captions, metadata or nothing: passed over.
    Data,
    Unknown,
}

/// How widely what these words promise plays: as widely as the worst of them. Without a word it is
/// what everybody sends.
pub(super) fn support(codecs: &[String]) -> Support {
    codecs.iter().map(|word| classify(word).1).max().unwrap_or(Support::Everywhere)
}

/// Whether there is a picture: some word says so, or none says what there is.
pub(super) fn has_picture(codecs: &[String]) -> bool {
    let mut kinds = codecs.iter().map(|word| classify(word).0).filter(|&kind| kind != Kind::Data).peekable();
    kinds.peek().is_none() || kinds.any(|kind| matches!(kind, Kind::Picture | Kind::Unknown))
}

fn classify(word: &str) -> (Kind, Support) {
    let word = word.to_ascii_lowercase();
    let (name, detail) = word.split_once('.').unwrap_or((&word, ""));
    match name {
        "avc1" | "avc2" | "avc3" | "avc4" | "avc" | "h264" | "x264" => (Kind::Picture, avc(detail)),
        // "H.264", of which the first dot is not one that separates.
        "h" if detail == "264" => (Kind::Picture, Support::Everywhere),
        "mp4a" => (Kind::Sound, mp4a(detail)),
        "aac" | "adts" | "aac-lc" | "aac_lc" | "aaclc" | "he-aac" | "heaac" | "aacp" => {
            (Kind::Sound, Support::Everywhere)
        }
        "h" if detail == "265" => (Kind::Picture, Support::Partly),
        "hvc1" | "hev1" | "hevc" | "h265" | "x265" | "mp2v" | "mpeg2" | "mpeg2video" => {
            (Kind::Picture, Support::Partly)
        }
        "ac-3" | "ac3" | "ec-3" | "ec3" | "eac3" | "e-ac-3" | "mp3" | "mp2" | "mp1" | "mpga" => {
            (Kind::Sound, Support::Partly)
        }
        "stpp" | "wvtt" | "tx3g" | "c608" | "c708" | "cea-608" | "cea-708" | "cea608" | "cea708" | "cc"
        | "dvbsub" | "dvb_subtitle" | "teletext" | "webvtt" | "ttml" | "scte" | "scte35" | "scte-35"
        | "id3" | "klv" | "mett" | "metx" | "data" | "none" | "null" | "nil" | "n/a" | "undefined"
        | "unknown" => (Kind::Data, Support::Everywhere),
        "av01" | "vp08" | "vp09" | "vp8" | "vp9" | "vvc1" | "vvi1" | "dvh1" | "dvhe" | "dva1" | "dvav"
        | "dav1" | "mp4v" => (Kind::Picture, Support::Nowhere),
        "opus" | "flac" | "alac" | "vorbis" | "ac-4" | "mha1" | "mhm1" | "dtsc" | "dtse" | "dtsh"
        | "dtsl" | "dtsx" | "iamf" => (Kind::Sound, Support::Nowhere),
        _ => (Kind::Unknown, Support::Unknown),
    }
}

/// H.264 by its profile, in hexadecimal (`4d401f`) or as older lists have it (`77.30`). Ten bits
/// and more than 4:2:0 no browser plays.
fn avc(detail: &str) -> Support {
    let first = detail.split('.').next().unwrap_or_default();
    let profile = match first.len() {
        6 => first.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()),
        _ => first.parse().ok(),
    };
    match profile {
        Some(44 | 110 | 122 | 244) => Support::Partly,
        _ => Support::Everywhere,
    }
}

/// Sound by its object type (mp4ra.org): AAC, MPEG-1 and MPEG-2 sound, AC-3 and E-AC-3. Of MPEG-4's
/// own the second number tells MP3, and what ADTS cannot say: xHE-AAC.
fn mp4a(detail: &str) -> Support {
    let mut numbers = detail.split('.');
    match (numbers.next().unwrap_or_default(), numbers.next().map(|number| number.trim_start_matches('0'))) {
        ("40", Some("32" | "33" | "34")) => Support::Partly,
        ("40", Some("42")) => Support::Nowhere,
        ("" | "40" | "66" | "67" | "68", _) => Support::Everywhere,
        ("69" | "6b" | "a5" | "a6", _) => Support::Partly,
        _ => Support::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn words_promise_as_much_as_the_worst_of_them() {
        for (text, expected) in [
            ("", Support::Everywhere),
            ("avc1.4d401f,mp4a.40.2", Support::Everywhere),
            ("AVC1.42C00D,MP4A.40.02", Support::Everywhere),
            ("avc1.77.30,mp4a", Support::Everywhere),
            ("h264,aac", Support::Everywhere),
            ("avc1.64001f,mp4a.40.5,wvtt,c608,id3,scte,none", Support::Everywhere),
            ("null", Support::Everywhere),
            ("avc1.6e0028,mp4a.40.2", Support::Partly),
            ("avc1.122.30", Support::Partly),
            ("hvc1.1.6.L93,mp4a.40.2", Support::Partly),
            ("avc1.4d401f,ac-3", Support::Partly),
            ("avc1.4d401f,mp4a.A5", Support::Partly),
            ("avc1.4d401f,mp4a.40.34", Support::Partly),
            ("avc1.4d401f,mp2", Support::Partly),
            ("avc1.4d401f,bogus", Support::Unknown),
            ("avc1.4d401f,mp4a.dd", Support::Unknown),
            ("av01.0.04M.10,mp4a.40.2", Support::Nowhere),
            ("avc1.4d401f,Opus", Support::Nowhere),
            ("avc1.4d401f,mp4a.40.42", Support::Nowhere),
        ] {
            assert_eq!(support(&words(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_picture_is_there_unless_only_sound_is_promised() {
        for (text, expected) in [
            ("", true),
            ("avc1.4d401f", true),
            ("HVC1.1,ec-3", true),
            ("av01.0", true),
            ("none", true),
            ("bogus,mp4a.40.2", true),
            ("mp4a.40.2", false),
            ("AAC,id3", false),
        ] {
            assert_eq!(has_picture(&words(text)), expected, "{text}");
        }
    }
}
