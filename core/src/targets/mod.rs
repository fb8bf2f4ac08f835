//! Whether a stream can be sent to a service as it is, or what of it must be encoded, and why.
//!
//! Copying costs next to nothing and loses nothing, so it is the rule: a [`Reason`] is needed to
//! encode. All reasons are in one list, and [`decide`] is the only place that makes them. What a
//! service takes is a row of one table ([`Target`]); what comes is told by [`Facts`], which a
//! [`Survey`](crate::ts::survey::Survey) of [`WATCHED`] gives.

mod facts;
mod reason;
mod services;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::facts::{Facts, Sound, Video};
pub use self::reason::{Reason, Warning};
pub use self::services::{READ_ON, Target, UnknownTarget};
use crate::ts::stream::Codec;

/// How long a stream is watched before its key-frame interval counts: several intervals of the
/// longest that services take.
pub const WATCHED: Duration = Duration::from_secs(30);

/// Encoders and clocks are not exact: this much above a limit is within it.
const TOLERANCE: f64 = 1.05;

/// The key-frame interval that all services recommend, in seconds.
const RECOMMENDED_INTERVAL: f64 = 2.0;

/// What becomes of one kind of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It is passed on as it is.
    Copy,
    /// It is decoded and encoded anew.
    Encode,
    /// There is none.
    Absent,
}

impl Treatment {
    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Encode => "encode",
            Self::Absent => "absent",
        }
    }
}

/// What is to be done with a stream for a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// With its pictures.
    pub video: Treatment,
    /// With its sound.
    pub sound: Treatment,
    /// Why something must be encoded; empty exactly when nothing must.
    pub reasons: Vec<Reason>,
    /// What may go wrong even so.
    pub warnings: Vec<Warning>,
}

impl Decision {
    /// Whether nothing has to be encoded.
    pub fn is_copy(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// Decides what must be encoded for `target`.
pub fn decide(facts: &Facts, target: &Target) -> Decision {
    let (mut reasons, mut warnings) = (Vec::new(), Vec::new());
    if let Some(video) = &facts.video {
        judge_pictures(video, facts.watched, target, &mut reasons, &mut warnings);
    }
    let video = treatment(facts.video.is_some(), &reasons);
    let before = reasons.len();
    match &facts.sound {
        Some(sound) => judge_sound(sound, target, &mut reasons),
        None => warnings.push(Warning::NoSound),
    }
    let sound = treatment(facts.sound.is_some(), &reasons[before..]);
    Decision { video, sound, reasons, warnings }
}

fn treatment(is_there: bool, reasons: &[Reason]) -> Treatment {
    match (is_there, reasons.is_empty()) {
        (false, _) => Treatment::Absent,
        (true, true) => Treatment::Copy,
        (true, false) => Treatment::Encode,
    }
}

fn judge_pictures(
    video: &Video,
    watched: Duration,
    target: &Target,
    reasons: &mut Vec<Reason>,
    warnings: &mut Vec<Warning>,
) {
    let is_taken = video.codec == Codec::H264 || video.codec == Codec::Hevc && target.takes_hevc;
    if !is_taken {
        // What else is true of it does not matter: it is encoded anew.
        reasons.push(Reason::VideoCodec(video.codec));
        return;
    }
    let Some(profile) = &video.profile else {
        reasons.push(Reason::Unreadable);
        return;
    };
    if !services::PROFILES.contains(&profile.as_str()) {
        reasons.push(Reason::Profile(profile.clone()));
    }
    if video.is_interlaced {
        reasons.push(Reason::Interlaced);
    }
    // Upright videos are as good as lying ones.
    let (long, short) = (video.width.max(video.height), video.width.min(video.height));
    if long > target.max_size.0 || short > target.max_size.1 {
        reasons.push(Reason::Size { width: video.width, height: video.height, max: target.max_size });
    }
    if let Some(rate) = video.frame_rate.filter(|&rate| rate > target.max_frame_rate * TOLERANCE) {
        reasons.push(Reason::FrameRate { rate, max: target.max_frame_rate });
    }
    judge_rate(video.bitrate, target, reasons, warnings);
    judge_interval(video, watched, target, reasons, warnings);
    if !video.has_idr {
        warnings.push(Warning::OpenGop);
    }
}

#[expect(clippy::cast_precision_loss, reason = "bit rates stay far below 2^52")]
fn judge_rate(bitrate: Option<u64>, target: &Target, reasons: &mut Vec<Reason>, warnings: &mut Vec<Warning>) {
    let Some(rate) = bitrate else { return };
    if let Some(max) = target.max_bitrate.filter(|&max| rate as f64 > max as f64 * TOLERANCE) {
        reasons.push(Reason::Bitrate { rate, max });
    }
    if let Some(min) = target.min_bitrate.filter(|&min| rate < min) {
        warnings.push(Warning::BelowBitrate { rate, min });
    }
}

fn judge_interval(
    video: &Video,
    watched: Duration,
    target: &Target,
    reasons: &mut Vec<Reason>,
    warnings: &mut Vec<Warning>,
) {
    let max = target.max_key_interval;
    let seconds = match video.key_interval {
        Some(seconds) => seconds,
        // Two key frames did not come in all this time, so the interval is longer.
        None if watched.as_secs_f64() > max * TOLERANCE => watched.as_secs_f64(),
        None => return warnings.push(Warning::IntervalUnknown),
    };
    if seconds > max * TOLERANCE {
        reasons.push(Reason::KeyInterval { seconds, max });
    } else if seconds > RECOMMENDED_INTERVAL * TOLERANCE {
        warnings.push(Warning::LongInterval { seconds });
    }
}

fn judge_sound(sound: &Sound, target: &Target, reasons: &mut Vec<Reason>) {
    if sound.codec != Codec::Aac {
        reasons.push(Reason::SoundCodec(sound.codec));
        return;
    }
    // In ADTS, HE-AAC calls itself LC, at half its rate.
    if let Some(profile) = sound.profile.filter(|&profile| profile != "LC") {
        reasons.push(Reason::SoundProfile(profile));
    }
    if let Some(rate) = sound.sample_rate.filter(|rate| !services::SAMPLE_RATES.contains(rate)) {
        reasons.push(Reason::SampleRate(rate));
    }
    if let Some(channels) = sound.channels.filter(|&channels| channels > target.max_channels) {
        reasons.push(Reason::Channels { channels, max: target.max_channels });
    }
}
