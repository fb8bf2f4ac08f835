//! Which of a page's formats are played for a quality.

use std::cmp::Reverse;
use std::str::FromStr;

/// One form in which the platform has the media of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Format {
    /// The picture's codec, as RFC 6381 or the platform writes it; `None` for sound alone.
    pub video_codec: Option<String>,
    /// The sound's codec; `None` for a picture without sound.
    pub audio_codec: Option<String>,
    /// Lines of the picture, 0 where that is not known.
    pub height: u32,
    /// Bits a second, 0 where that is not known.
    pub bitrate: u64,
    /// Whether only players of the platform can decrypt it.
    pub has_drm: bool,
}

/// How good a picture is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Quality {
    /// The best there is.
    #[default]
    Best,
    /// The least there is.
    Worst,
    /// At most so many lines, or the next more where there is none.
    Lines(u32),
    /// Sound alone.
    Audio,
}

/// No such quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quality is best, worst, audio, or lines like 720p, up to 4320p")]
pub struct WrongQuality;

impl FromStr for Quality {
    type Err = WrongQuality;

    fn from_str(text: &str) -> Result<Self, WrongQuality> {
        match text {
            "best" | "highest" => Ok(Self::Best),
            "worst" | "lowest" => Ok(Self::Worst),
            "audio" => Ok(Self::Audio),
            _ => {
                let lines = text.strip_suffix('p').unwrap_or(text).parse().map_err(|_| WrongQuality)?;
                if (1..=4320).contains(&lines) { Ok(Self::Lines(lines)) } else { Err(WrongQuality) }
            }
        }
    }
}

/// Places in the list of formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// One format has all that is wanted.
    One(usize),
    /// Picture and sound come apart.
    Pair {
        /// The picture's.
        video: usize,
        /// The sound's.
        audio: usize,
    },
}

/// The formats for a quality; `None` where there is none that can be played. A picture never comes
/// without the sound that the page has.
pub fn choose(formats: &[Format], quality: Quality) -> Option<Choice> {
    // What is encrypted for the platform's own players cannot be played.
    let playable = || formats.iter().enumerate().filter(|(_, format)| !format.has_drm);
    let best_sound = playable()
        .filter(|(_, format)| format.video_codec.is_none() && format.audio_codec.is_some())
        .max_by_key(|(_, format)| (sound_rank(format), format.bitrate))
        .map(|(index, _)| index);
    let has_sound = playable().any(|(_, format)| format.audio_codec.is_some());
    let pictures = playable().filter(|(_, format)| format.video_codec.is_some());
    // A picture counts if its sound can be had, one way or the other.
    let audible =
        pictures.filter(|(_, format)| format.audio_codec.is_some() || best_sound.is_some() || !has_sound);
    if quality == Quality::Audio {
        // The sound of a picture is better than none.
        let smallest = || audible.clone().min_by_key(|(_, format)| (format.height, format.bitrate));
        return best_sound.or_else(|| Some(smallest()?.0)).map(Choice::One);
    }
    let rank = |format: &Format| {
        (picture_rank(format), Reverse(u8::from(format.audio_codec.is_none())), format.bitrate)
    };
    let key = |format: &Format| match quality {
        Quality::Worst => (Reverse(format.height), rank(format)),
        // More lines first, and then what more players can decode.
        _ => (Reverse(u32::MAX - format.height), rank(format)),
    };
    let best = match quality {
        Quality::Lines(lines) => {
            let within = audible.clone().filter(|(_, format)| format.height <= lines);
            within
                .max_by_key(|(_, format)| key(format))
                // Where all have more lines, the fewest are the nearest to what is wanted.
                .or_else(|| audible.max_by_key(|(_, format)| (Reverse(format.height), rank(format))))
        }
        _ => audible.max_by_key(|(_, format)| key(format)),
    };
    // A page of sound alone is played as that.
    let Some((index, format)) = best else { return best_sound.map(Choice::One) };
    match best_sound {
        Some(audio) if format.audio_codec.is_none() => Some(Choice::Pair { video: index, audio }),
        _ => Some(Choice::One(index)),
    }
}

/// What more players know comes first.
fn picture_rank(format: &Format) -> u8 {
    let codec = format.video_codec.as_deref().unwrap_or_default();
    let known = [("avc", 4), ("h264", 4), ("av01", 3), ("hev", 2), ("hvc", 2), ("h265", 2), ("vp", 1)];
    known.iter().find(|(name, _)| codec.starts_with(name)).map_or(0, |&(_, rank)| rank)
}

fn sound_rank(format: &Format) -> u8 {
    u8::from(format.audio_codec.as_deref().is_some_and(|codec| codec.starts_with("mp4a")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(video: &str, height: u32, audio: &str, kilobits: u64) -> Format {
        let codec = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let bitrate = kilobits * 1000;
        Format { video_codec: codec(video), audio_codec: codec(audio), height, bitrate, has_drm: false }
    }

    fn youtube() -> Vec<Format> {
        vec![
            format("avc1.42001E", 360, "mp4a.40.2", 500),
            format("avc1.640028", 1080, "", 4000),
            format("vp09.00.41", 1080, "", 3000),
            format("vp09.00.50", 2160, "", 12_000),
            format("avc1.4d401f", 720, "", 2000),
            format("", 0, "opus", 160),
            format("", 0, "mp4a.40.2", 128),
        ]
    }

    #[test]
    fn the_best_picture_within_the_wanted_lines_comes_with_its_sound() {
        let formats = youtube();
        let choice = |quality: &str| choose(&formats, quality.parse().unwrap()).unwrap();
        assert_eq!(choice("best"), Choice::Pair { video: 3, audio: 6 });
        assert_eq!(choice("1080p"), Choice::Pair { video: 1, audio: 6 });
        assert_eq!(choice("1079"), Choice::Pair { video: 4, audio: 6 });
        assert_eq!(choice("480p"), Choice::One(0));
        // There is none so small.
        assert_eq!(choice("144p"), Choice::One(0));
        assert_eq!(choice("worst"), Choice::One(0));
        assert_eq!(choice("audio"), Choice::One(6));
    }

    #[test]
    fn a_picture_without_the_sound_of_the_page_is_no_choice() {
        let formats = [format("avc1", 1080, "", 4000), format("avc1", 360, "mp4a", 500)];
        assert_eq!(choose(&formats, Quality::Best), Some(Choice::One(1)));
        // A page that has no sound at all plays without.
        assert_eq!(choose(&formats[..1], Quality::Best), Some(Choice::One(0)));
        assert_eq!(choose(&formats[..1], Quality::Audio), Some(Choice::One(0)));
    }

    #[test]
    fn sound_alone_and_nothing_at_all() {
        let sound = [format("", 0, "opus", 160)];
        assert_eq!(choose(&sound, Quality::Best), Some(Choice::One(0)));
        assert_eq!(choose(&[], Quality::Best), None);
        let mut locked = youtube();
        for format in &mut locked {
            format.has_drm = true;
        }
        assert_eq!(choose(&locked, Quality::Best), None);
    }

    #[test]
    fn of_equal_pictures_one_with_sound_is_taken() {
        let formats =
            [format("avc1", 720, "", 3000), format("", 0, "mp4a", 128), format("avc1", 720, "mp4a", 2500)];
        assert_eq!(choose(&formats, Quality::Lines(720)), Some(Choice::One(2)));
    }

    #[test]
    fn a_quality_has_few_forms() {
        for text in ["", "p", "0p", "4321p", "-1", "720 p", "bestest", "99999999999p"] {
            assert_eq!(text.parse::<Quality>(), Err(WrongQuality), "{text}");
        }
        assert_eq!("2160p".parse(), Ok(Quality::Lines(2160)));
    }
}
