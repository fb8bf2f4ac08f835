//! `[transcode]` and `[[profiles]]`.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use forebay_core::transcode::{Encoding, PRESETS, Pictures, Profile, ProfileName};
use forebay_relay::model::{Checker, parse_bandwidth};

use super::super::Transcode;
use super::super::file::{File, ProfileFile};

/// More than that is more than there is.
const CPU_LIMIT: RangeInclusive<u32> = 1..=100;

/// None at all, up to more than a large server bears.
const MAX_JOBS: RangeInclusive<u32> = 0..=1000;

/// From a stamp to more than any screen.
const HEIGHT: RangeInclusive<i64> = 64..=2160;

/// From slides to what cameras give.
const FRAME_RATE: RangeInclusive<i64> = 1..=120;

/// Threads beyond that gain nothing with these presets.
const THREADS: RangeInclusive<i64> = 1..=16;

/// Bits a second of pictures, and of sound.
const BITRATE: RangeInclusive<u64> = 50_000..=50_000_000;
const AUDIO_BITRATE: RangeInclusive<u64> = 16_000..=512_000;

/// More than anybody tells apart.
const MAX_PROFILES: usize = 64;

/// The settings, with the profiles of the file behind those that are built in.
pub(super) fn transcode(checker: &mut Checker, file: &File) -> Transcode {
    let default = Transcode::default();
    let typed = file.transcode.clone().unwrap_or_default();
    let (ffmpeg, cpu_limit, max_jobs) = checker.within("transcode", |checker| {
        let limit =
            checker.count_or_off("cpu_limit", typed.cpu_limit.as_ref(), &CPU_LIMIT, default.cpu_limit);
        let jobs = checker.count_or_off("max_jobs", typed.max_jobs.as_ref(), &MAX_JOBS, default.max_jobs);
        (checker.words("ffmpeg", typed.ffmpeg.as_ref()), limit, jobs)
    });
    let mut profiles = default.profiles;
    checker.within("profiles", |checker| {
        let mut own = HashSet::new();
        for (at, typed) in file.profiles.iter().flatten().enumerate() {
            let Some(profile) = checker.within(at, |checker| profile(checker, typed)) else { continue };
            if own.len() == MAX_PROFILES {
                checker.fault_here(format!("profiles: more than {MAX_PROFILES}"));
                break;
            }
            if !own.insert(profile.name.clone()) {
                let message = format!("the profile \"{}\" stands here a second time", profile.name);
                checker.within(at, |checker| checker.fault("id", message));
                continue;
            }
            // One that is built in may be had in another way.
            profiles.retain(|known| known.name != profile.name);
            profiles.push(profile);
        }
    });
    Transcode { ffmpeg: ffmpeg.unwrap_or(default.ffmpeg), cpu_limit, max_jobs, profiles }
}

fn profile(checker: &mut Checker, typed: &ProfileFile) -> Option<Profile> {
    let before = checker.count();
    if typed.id.is_none() {
        checker.fault("id", "this profile has no id");
    }
    let name = |text: &str| text.parse::<ProfileName>().map_err(|why| format!("the id {why}"));
    let name = checker.field("id", typed.id.as_ref(), |text| name(text));
    let rate = |range: &'static RangeInclusive<u64>| {
        move |text: &str| {
            let rate = parse_bandwidth(text)?;
            let (least, most) = (range.start() / 1000, range.end() / 1000);
            if !range.contains(&rate) {
                return Err(format!("out of range, expected {least} to {most} kbit/s"));
            }
            u32::try_from(rate).map_err(|_| "out of range".to_owned())
        }
    };
    let sound =
        checker.field("audio_bitrate", typed.audio_bitrate.as_ref(), |text| rate(&AUDIO_BITRATE)(text));
    let bitrate = checker.field("bitrate", typed.bitrate.as_ref(), |text| rate(&BITRATE)(text));
    let height = checker.number_within("height", typed.height.as_ref(), HEIGHT);
    let frame_rate = checker.number_within("frame_rate", typed.frame_rate.as_ref(), FRAME_RATE);
    let threads = checker.number_within("threads", typed.threads.as_ref(), THREADS);
    let preset = checker.field("preset", typed.preset.as_ref(), |text| {
        let known = PRESETS.iter().find(|&&preset| preset == text);
        known.copied().ok_or_else(|| format!("\"{text}\" is unknown, expected one of {}", PRESETS.join(", ")))
    });
    let is_copy = checker.field("video", typed.video.as_ref(), |text| match &**text {
        "copy" => Ok(true),
        "encode" => Ok(false),
        _ => Err(format!("\"{text}\" is unknown, expected copy or encode")),
    });
    let is_copy = is_copy.unwrap_or(false);
    if !is_copy && typed.bitrate.is_none() {
        checker.fault("bitrate", "this profile has no bitrate");
    }
    if checker.count() > before {
        return None;
    }
    let encoding = || Encoding {
        height: height.unwrap_or(720),
        bitrate: bitrate.unwrap_or_default(),
        frame_rate,
        preset: preset.unwrap_or(PRESETS[0]),
        threads: threads.unwrap_or(1),
    };
    let pictures = if is_copy { Pictures::Copy } else { Pictures::Encode(encoding()) };
    Some(Profile { name: name?, pictures, sound_bitrate: sound.unwrap_or(96_000) })
}
