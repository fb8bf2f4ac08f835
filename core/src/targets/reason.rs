//! Why a stream cannot be copied, and what may go wrong where it can.

use std::fmt;

use crate::ts::stream::Codec;

/// Why something must be encoded. Each has a code for programs and a text for people.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// The service does not take this codec of pictures.
    VideoCodec(Codec),
    /// The parameter sets cannot be read, so nobody knows what it is.
    Unreadable,
    /// More than 8 bits, or more colour than 4:2:0: the profile.
    Profile(String),
    /// Pictures may be coded as fields.
    Interlaced,
    /// Larger than the service takes.
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The longer and the shorter side that are taken.
        max: (u32, u32),
    },
    /// More pictures a second than the service takes.
    FrameRate {
        /// Pictures a second.
        rate: f64,
        /// What is taken.
        max: f64,
    },
    /// More bits a second than the service takes.
    Bitrate {
        /// Bits a second.
        rate: u64,
        /// What is taken.
        max: u64,
    },
    /// Key frames are too far apart.
    KeyInterval {
        /// The longest interval that was seen.
        seconds: f64,
        /// What is taken.
        max: f64,
    },
    /// Another codec of sound than AAC.
    SoundCodec(Codec),
    /// Another profile of AAC than LC.
    SoundProfile(&'static str),
    /// Neither 44.1 nor 48 kHz. HE-AAC shows half of its rate.
    SampleRate(u32),
    /// More channels than the service takes.
    Channels {
        /// How many.
        channels: u8,
        /// How many are taken.
        max: u8,
    },
}

/// What may go wrong though nothing must be encoded for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Warning {
    /// There is no sound; a push sends silence instead, since services ask for some.
    NoSound,
    /// Longer than the recommended 2 s.
    LongInterval {
        /// The longest interval that was seen.
        seconds: f64,
    },
    /// It was not watched long enough to see two key frames.
    IntervalUnknown,
    /// No IDR picture came: some servers wait for one.
    OpenGop,
    /// Fewer bits a second than the service recommends.
    BelowBitrate {
        /// Bits a second.
        rate: u64,
        /// What is recommended.
        min: u64,
    },
}

impl Reason {
    /// Its code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::VideoCodec(_) => "video_codec",
            Self::Unreadable => "video_unreadable",
            Self::Profile(_) => "profile",
            Self::Interlaced => "interlaced",
            Self::Size { .. } => "size",
            Self::FrameRate { .. } => "frame_rate",
            Self::Bitrate { .. } => "bitrate",
            Self::KeyInterval { .. } => "key_interval",
            Self::SoundCodec(_) => "sound_codec",
            Self::SoundProfile(_) => "sound_profile",
            Self::SampleRate(_) => "sample_rate",
            Self::Channels { .. } => "channels",
        }
    }
}

impl Warning {
    /// Its code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSound => "no_sound",
            Self::LongInterval { .. } => "long_key_interval",
            Self::IntervalUnknown => "key_interval_unknown",
            Self::OpenGop => "open_gop",
            Self::BelowBitrate { .. } => "below_target_bitrate",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VideoCodec(codec) => write!(f, "pictures in {codec} are not taken"),
            Self::Unreadable => f.write_str("the format of the pictures cannot be read"),
            Self::Profile(profile) => {
                write!(f, "profile {profile}: only 8 bits and 4:2:0 are taken")
            }
            Self::Interlaced => f.write_str("pictures are interlaced"),
            Self::Size { width, height, max: (long, short) } => {
                write!(f, "{width}x{height} is larger than {long}x{short}")
            }
            Self::FrameRate { rate, max } => write!(f, "{rate:.2} pictures/s are more than {max:.0}"),
            Self::Bitrate { rate, max } => {
                write!(f, "{} kbit/s are more than {}", rate / 1000, max / 1000)
            }
            Self::KeyInterval { seconds, max } => {
                write!(f, "key frames are up to {seconds:.1} s apart, more than {max:.0} s")
            }
            Self::SoundCodec(codec) => write!(f, "sound in {codec} is not taken"),
            Self::SoundProfile(profile) => write!(f, "AAC {profile} is not taken, only LC"),
            Self::SampleRate(rate) => write!(f, "sound at {rate} Hz is not taken, only 44100 and 48000"),
            Self::Channels { channels, max } => {
                write!(f, "{channels} channels of sound are more than {max}")
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSound => f.write_str("there is no sound: a push sends silence"),
            Self::LongInterval { seconds } => {
                write!(f, "key frames are up to {seconds:.1} s apart; 2 s are recommended")
            }
            Self::IntervalUnknown => f.write_str("too short to measure the key-frame interval"),
            Self::OpenGop => f.write_str("no IDR picture came: some servers wait for one"),
            Self::BelowBitrate { rate, min } => {
                write!(f, "{} kbit/s are less than the recommended {}", rate / 1000, min / 1000)
            }
        }
    }
}
