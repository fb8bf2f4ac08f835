//! The choice among the variants of a multivariant playlist: the best one that the outputs can
//! carry, and what to take when it is gone.

use std::collections::HashSet;

use url::Url;

use super::codecs::{self, Support};
use super::model::{Multivariant, Rendition, Variant};

/// A variant, with its separate sound if it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// The variant.
    pub variant: Variant,
    /// Where its sound is, and in which language (as in RFC 5646, or empty), if that has a playlist
    /// of its own: the default of its group, and then what else there is, that of the same language
    /// first.
    pub sounds: Vec<(Url, String)>,
}

impl Rung {
    /// The address of its separate sound, if it has any.
    pub fn sound(&self) -> Option<&Url> {
        self.sounds.first().map(|(url, _)| url)
    }
}

/// Which of several variants is the best.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prefer {
    /// One that every player and browser plays, H.264 and AAC, before all others.
    #[default]
    Compatible,
    /// The one of the highest bandwidth, whichever codecs it has of those that can be passed on.
    Best,
}

/// The variants, the best one first; `None` where there is none. Those with a picture come before
/// those without, those within `cap` bits a second before others, and then by what is preferred.
/// Within the cap the highest bandwidth is the best; beyond it the lowest. What the outputs cannot
/// carry, as far as is said, comes last, and is not left out: what is said may be wrong. Each
/// address is there once for each address of separate sound.
pub fn ladder(list: &Multivariant, cap: Option<u64>, prefer: Prefer) -> Option<Vec<Rung>> {
    let cap = cap.unwrap_or(u64::MAX);
    let mut rungs: Vec<Rung> = list
        .variants
        .iter()
        .map(|variant| Rung { variant: variant.clone(), sounds: sounds(list, variant) })
        .collect();
    rungs.sort_by_cached_key(|Rung { variant, .. }| {
        let has_picture = variant.resolution.is_some() || codecs::has_picture(&variant.codecs);
        let support = codecs::support(&variant.codecs);
        let preferred = match (prefer, support) {
            (Prefer::Best, Support::Partly) => Support::Everywhere,
            _ => support,
        };
        let is_beyond = variant.bandwidth > cap;
        let rank = if is_beyond { variant.bandwidth } else { u64::MAX - variant.bandwidth };
        (!has_picture, support == Support::Nowhere, is_beyond, preferred, rank)
    });
    // An address that failed is not tried again under another bandwidth.
    let mut addresses = HashSet::new();
    rungs.retain(|rung| addresses.insert((rung.variant.url.clone(), rung.sound().cloned())));
    (!rungs.is_empty()).then_some(rungs)
}

/// The separate sounds of a variant, the default one of its group first. Where that one has no
/// playlist, the sound comes with the variant.
fn sounds(list: &Multivariant, variant: &Variant) -> Vec<(Url, String)> {
    let Some(group) = &variant.audio else { return Vec::new() };
    let of_group = || list.audio.iter().filter(|rendition| rendition.group == *group);
    let Some(best) = of_group().find(|rendition| rendition.is_default).or_else(|| of_group().next()) else {
        return Vec::new();
    };
    let Some(url) = &best.url else { return Vec::new() };
    let mut sounds = vec![(url.clone(), best.language.clone())];
    let (same, others): (Vec<_>, Vec<_>) = of_group().partition(|other| other.language == best.language);
    for Rendition { url, language, .. } in same.into_iter().chain(others) {
        if let Some(url) = url.as_ref().filter(|url| sounds.iter().all(|(known, _)| known != *url)) {
            sounds.push((url.clone(), language.clone()));
        }
    }
    sounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playlist::model::{Playlist, Variables};
    use crate::playlist::parse::parse;

    fn choose(text: &str, cap: Option<u64>) -> Vec<String> {
        choose_by(text, cap, Prefer::Compatible)
    }

    fn choose_by(text: &str, cap: Option<u64>, prefer: Prefer) -> Vec<String> {
        let base = Url::parse("http://h/").unwrap();
        let Ok(Playlist::Multivariant(list)) = parse(text.as_bytes(), &base, &Variables::default()) else {
            panic!("{text} is no multivariant playlist")
        };
        let name = |rung: Rung| {
            let sounds = rung.sounds.iter().map(|(url, language)| format!("+{}({language})", url.path()));
            format!("{}{}", rung.variant.url.path(), sounds.collect::<String>())
        };
        ladder(&list, cap, prefer).unwrap_or_default().into_iter().map(name).collect()
    }

    const LIST: &str = "#EXTM3U\n\
        #EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.2\"\naudio\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS=\"avc1.4d401f,mp4a.40.2\",RESOLUTION=640x360\nlow\n\
        #EXT-X-STREAM-INF:BANDWIDTH=9000000,CODECS=\"av01.0.04M.10,opus\",RESOLUTION=3840x2160\nnew\n\
        #EXT-X-STREAM-INF:BANDWIDTH=5000000,CODECS=\"hvc1.1.6.L93,ec-3\",RESOLUTION=1920x1080\nhigh\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2500000\nmiddle\n";

    #[test]
    fn the_best_that_everybody_plays_comes_first() {
        assert_eq!(choose(LIST, None), ["/middle", "/low", "/high", "/new", "/audio"]);
        assert_eq!(
            choose_by(LIST, None, Prefer::Best),
            ["/high", "/middle", "/low", "/new", "/audio"],
            "nothing makes up for what cannot be passed on"
        );
    }

    #[test]
    fn a_cap_is_kept_to_as_long_as_anything_is_below_it() {
        assert_eq!(choose(LIST, Some(2_000_000)), ["/low", "/middle", "/high", "/new", "/audio"]);
        assert_eq!(choose(LIST, Some(1)), ["/low", "/middle", "/high", "/new", "/audio"]);
        assert_eq!(choose_by(LIST, Some(1), Prefer::Best), ["/low", "/middle", "/high", "/new", "/audio"]);
    }

    /// Every spelling that was found in the wild, and more of their kinds. The media may well be
    /// plain H.264 and AAC.
    #[test]
    fn no_word_drops_the_last_variant() {
        for codecs in [
            "h264,aac",
            "AVC1.42C00D,MP4A.40.2",
            "avc1.42c00d,mp2",
            "avc1.42c00d,mpga",
            "avc1.42c00d,aac",
            "avc1.42c00d,opus",
            "avc1.42c00d,fLaC",
            "avc1.42c00d,mp4a.40.2,scte",
            "avc1.42c00d,mp4a.40.2,cea-608",
            "avc1.42c00d,mp4a.40.2,id3",
            "avc1.42c00d,none",
            "avc1.42c00d,unknown",
            "null",
            "mp2v,mp4a.40.2",
            "mp4v.20.9,mp4a.40.2",
            "avc2.42c00d",
            "dvh1.05.06",
            "avc1.42c00d;mp4a.40.2",
            "avc1.42c00d mp4a.40.2",
            "\u{fffd}",
        ] {
            let list = format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"{codecs}\"\nonly\n");
            assert_eq!(choose(&list, None), ["/only"], "{codecs}");
        }
    }

    #[test]
    fn words_that_are_known_come_before_others() {
        let list = "#EXTM3U\n\
            #EXT-X-STREAM-INF:BANDWIDTH=9,CODECS=\"av01.0.04M.08,mp4a.40.2\"\nav1\n\
            #EXT-X-STREAM-INF:BANDWIDTH=8,CODECS=\"bogus\"\nbogus\n\
            #EXT-X-STREAM-INF:BANDWIDTH=7,CODECS=\"avc1.4d401f,ac-3\"\nac3\n\
            #EXT-X-STREAM-INF:BANDWIDTH=6,CODECS=\"AVC1.4D401F,MP4A.40.2,id3\"\naac\n";
        assert_eq!(choose(list, None), ["/aac", "/ac3", "/bogus", "/av1"]);
        assert_eq!(choose_by(list, None, Prefer::Best), ["/ac3", "/aac", "/bogus", "/av1"]);
    }

    #[test]
    fn an_address_that_is_listed_again_is_one_variant() {
        let again = "#EXT-X-STREAM-INF:BANDWIDTH=4000000\nhigh\n#EXT-X-STREAM-INF:BANDWIDTH=10\nmiddle\n";
        assert_eq!(choose(&format!("{LIST}{again}"), None), ["/high", "/middle", "/low", "/new", "/audio"]);
    }

    #[test]
    fn an_address_with_other_sound_is_another_variant() {
        let list = "#EXTM3U\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"ac3\",URI=\"surround\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",URI=\"stereo\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=3,CODECS=\"avc1.4d401f,ac-3\",AUDIO=\"ac3\"\nv\n\
            #EXT-X-STREAM-INF:BANDWIDTH=2,CODECS=\"avc1.4d401f,mp4a.40.2\",AUDIO=\"aac\"\nv\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.4d401f,mp4a.40.2\",AUDIO=\"aac\"\nv\n";
        assert_eq!(choose(list, None), ["/v+/stereo()", "/v+/surround()"]);
        assert_eq!(choose_by(list, None, Prefer::Best), ["/v+/surround()", "/v+/stereo()"]);
    }

    #[test]
    fn separate_sound_is_the_default_of_its_group() {
        let list = "#EXTM3U\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",LANGUAGE=\"de\",URI=\"de\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"en\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",LANGUAGE=\"en\",URI=\"en2\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",DEFAULT=YES\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",URI=\"other\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=3,AUDIO=\"a\"\nthree\n\
            #EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO=\"b\"\ntwo\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"c\"\none\n";
        assert_eq!(choose(list, None), ["/three+/en(en)+/en2(en)+/de(de)", "/two", "/one"]);
    }
}
