//! The choice among the variants of a multivariant playlist: the best one that the outputs can carry, and what to take when it is gone.

use std::collections::HashSet;

use url::Url;

use super::model::{Multivariant, Rendition, Variant};

/// A variant, with its separate sound if it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// The variant.
    pub variant: Variant,
    /// Where its sound is, and in which language (as in RFC 5646, or empty), if that has a playlist of its own.
    pub audio: Option<(Url, String)>,
}

/// The variants worth playing, the best one first; `None` where there is none. Those with a picture come before those without. Within `cap`
/// bits a second the highest bandwidth is the best; beyond it the lowest. Each address is there once.
pub fn ladder(list: &Multivariant, cap: Option<u64>) -> Option<Vec<Rung>> {
    let cap = cap.unwrap_or(u64::MAX);
    let mut rungs: Vec<Rung> = list
        .variants
        .iter()
        .filter(|variant| variant.codecs.iter().all(|codec| is_carried(codec)))
        .map(|variant| Rung { variant: variant.clone(), audio: audio(list, variant) })
        .collect();
    rungs.sort_by_key(|Rung { variant, .. }| {
        let rank = if variant.bandwidth > cap { variant.bandwidth } else { u64::MAX - variant.bandwidth };
        (!has_picture(variant), variant.bandwidth > cap, rank)
    });
    // An address that failed is not tried again under another bandwidth.
    let mut addresses = HashSet::new();
    rungs.retain(|rung| addresses.insert(rung.variant.url.clone()));
    (!rungs.is_empty()).then_some(rungs)
}

/// The sound of a variant: the default one of its group. Where that one has no playlist, it comes with the variant.
fn audio(list: &Multivariant, variant: &Variant) -> Option<(Url, String)> {
    let group = variant.audio.as_ref()?;
    let of_group = || list.audio.iter().filter(|rendition| rendition.group == *group);
    let Rendition { url, language, .. } =
        of_group().find(|rendition| rendition.is_default).or_else(|| of_group().next())?;
    Some((url.clone()?, language.clone()))
}

/// Whether a variant has a picture, as far as is said.
fn has_picture(variant: &Variant) -> bool {
    variant.resolution.is_some()
        || variant.codecs.is_empty()
        || variant.codecs.iter().any(|codec| is_video(codec))
}

fn is_video(codec: &str) -> bool {
    matches!(kind(codec), "avc1" | "avc3" | "hvc1" | "hev1")
}

/// Whether a transport stream can carry it. Subtitles are left out and do not count. In `mp4a`, the object types of AAC, MPEG-1 and
/// MPEG-2 sound, AC-3 and E-AC-3 (mp4ra.org).
fn is_carried(codec: &str) -> bool {
    let detail = codec.split('.').nth(1).unwrap_or("40").to_ascii_lowercase();
    is_video(codec)
        || match kind(codec) {
            "mp4a" => matches!(&*detail, "40" | "66" | "67" | "68" | "69" | "6b" | "a5" | "a6"),
            kind => matches!(kind, "ac-3" | "ec-3" | "mp3" | "stpp" | "wvtt" | "tx3g" | "c608" | "c708"),
        }
}

/// The sample entry that a codec string begins with.
fn kind(codec: &str) -> &str {
    codec.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playlist::model::{Playlist, Variables};
    use crate::playlist::parse::parse;

    fn choose(text: &str, cap: Option<u64>) -> Vec<String> {
        let base = Url::parse("http://h/").unwrap();
        let Ok(Playlist::Multivariant(list)) = parse(text.as_bytes(), &base, &Variables::default()) else {
            panic!("{text} is no multivariant playlist")
        };
        let name = |rung: Rung| {
            let audio = rung.audio.map(|(url, language)| format!("+{}({language})", url.path()));
            format!("{}{}", rung.variant.url.path(), audio.unwrap_or_default())
        };
        ladder(&list, cap).unwrap_or_default().into_iter().map(name).collect()
    }

    const LIST: &str = "#EXTM3U\n\
        #EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.2\"\naudio\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS=\"avc1.4d401f,mp4a.40.2\",RESOLUTION=640x360\nlow\n\
        #EXT-X-STREAM-INF:BANDWIDTH=9000000,CODECS=\"av01.0.04M.10,opus\",RESOLUTION=3840x2160\nnew\n\
        #EXT-X-STREAM-INF:BANDWIDTH=5000000,CODECS=\"hvc1.1.6.L93,ec-3\",RESOLUTION=1920x1080\nhigh\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2500000\nmiddle\n";

    #[test]
    fn the_best_that_can_be_carried_comes_first() {
        assert_eq!(choose(LIST, None), ["/high", "/middle", "/low", "/audio"]);
    }

    #[test]
    fn a_cap_is_kept_to_as_long_as_anything_is_below_it() {
        assert_eq!(choose(LIST, Some(3_000_000)), ["/middle", "/low", "/high", "/audio"]);
        assert_eq!(choose(LIST, Some(1)), ["/low", "/middle", "/high", "/audio"]);
    }

    #[test]
    fn an_address_that_is_listed_again_is_one_variant() {
        let again = "#EXT-X-STREAM-INF:BANDWIDTH=4000000\nhigh\n#EXT-X-STREAM-INF:BANDWIDTH=10\nmiddle\n";
        assert_eq!(choose(&format!("{LIST}{again}"), None), ["/high", "/middle", "/low", "/audio"]);
    }

    #[test]
    fn separate_sound_is_the_default_of_its_group() {
        let list = "#EXTM3U\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",LANGUAGE=\"de\",URI=\"de\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"en\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",DEFAULT=YES\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",URI=\"other\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=3,AUDIO=\"a\"\nthree\n\
            #EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO=\"b\"\ntwo\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"c\"\none\n";
        assert_eq!(choose(list, None), ["/three+/en(en)", "/two", "/one"]);
    }
}
