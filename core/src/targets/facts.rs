//! What is known of a stream that is to be sent on.

use std::time::Duration;

use crate::ts::random_access::RandomAccess;
use crate::ts::stream::{Class, Codec};
use crate::ts::survey::{Report, Stream};

/// What a stream is, as far as a service cares.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// The first video stream.
    pub video: Option<Video>,
    /// The first audio stream.
    pub sound: Option<Sound>,
    /// How much media was looked at.
    pub watched: Duration,
}

/// Its pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// How they are coded.
    pub codec: Codec,
    /// The profile by its name; `None` where no parameter set could be read.
    pub profile: Option<String>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether pictures may be coded as fields.
    pub is_interlaced: bool,
    /// Pictures a second that really come.
    pub frame_rate: Option<f64>,
    /// Bits a second.
    pub bitrate: Option<u64>,
    /// The longest time from one random access point to the next, in seconds; `None` where there
    /// were less than two.
    pub key_interval: Option<f64>,
    /// Whether any random access point is an IDR picture.
    pub has_idr: bool,
}

/// Its sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// How it is coded.
    pub codec: Codec,
    /// The profile of AAC.
    pub profile: Option<&'static str>,
    /// Samples a second.
    pub sample_rate: Option<u32>,
    /// Channels.
    pub channels: Option<u8>,
}

impl Facts {
    /// What a survey has found.
    pub fn of(report: &Report) -> Self {
        // A stream that is only announced is none.
        let first = |class| report.streams.iter().find(|stream| stream.class == class && stream.units > 0);
        Self {
            video: first(Class::Video).map(Video::of),
            sound: first(Class::Audio).map(Sound::of),
            watched: report.duration,
        }
    }
}

impl Video {
    fn of(stream: &Stream) -> Self {
        let video = stream.video.as_ref();
        let format = video.and_then(|video| video.format.as_ref());
        let entries = video.map_or(&[][..], |video| &video.entries);
        Self {
            codec: stream.codec,
            profile: format.map(|format| format.profile.clone()),
            width: format.map_or(0, |format| format.width),
            height: format.map_or(0, |format| format.height),
            is_interlaced: format.is_some_and(|format| format.is_interlaced),
            frame_rate: video.and_then(|video| video.frame_rate),
            bitrate: stream.bitrate,
            key_interval: video.and_then(|video| video.gop).map(|gop| gop.seconds.max),
            has_idr: entries.iter().any(|&(kind, _)| kind == RandomAccess::Idr),
        }
    }
}

impl Sound {
    fn of(stream: &Stream) -> Self {
        let format = stream.audio.as_ref();
        Self {
            codec: stream.codec,
            profile: format.and_then(|format| format.profile),
            sample_rate: format.map(|format| format.sample_rate),
            channels: format.and_then(|format| format.channels),
        }
    }
}
