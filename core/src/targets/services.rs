//! What services take.

use std::fmt;
use std::str::FromStr;

/// When the table was read from the services' own pages. Kick's was not to be had: its row is what
/// its users tell.
pub const READ_ON: &str = "2026-11-30";

/// Profiles with 8 bits and 4:2:0, by their names in H.264 and HEVC.
pub(super) const PROFILES: &[&str] =
    &["Baseline", "ConstrainedBaseline", "Main", "Extended", "High", "ProgressiveHigh", "ConstrainedHigh"];

/// Samples a second that FLV's servers agree on.
pub(super) const SAMPLE_RATES: &[u32] = &[44_100, 48_000];

/// The limits of a service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// The longer and the shorter side of pictures, in pixels.
    pub max_size: (u32, u32),
    /// Pictures a second.
    pub max_frame_rate: f64,
    /// Bits a second of the pictures; no limit if absent.
    pub max_bitrate: Option<u64>,
    /// The least that is recommended.
    pub min_bitrate: Option<u64>,
    /// Seconds from one key frame to the next.
    pub max_key_interval: f64,
    /// Channels of sound.
    pub max_channels: u8,
    /// Whether it takes HEVC by enhanced RTMP.
    pub takes_hevc: bool,
}

/// A name that is in no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownTarget;

impl Target {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self {
            name: "youtube",
            max_size: (3840, 2160),
            max_frame_rate: 60.0,
            max_bitrate: Some(35_000_000),
            min_bitrate: Some(3_000_000),
            max_key_interval: 4.0,
            max_channels: 2,
            takes_hevc: true,
        },
        Self {
            name: "twitch",
            max_size: (1920, 1080),
            max_frame_rate: 60.0,
            max_bitrate: Some(6_000_000),
            min_bitrate: None,
            max_key_interval: 2.0,
            max_channels: 2,
            takes_hevc: false,
        },
        Self {
            name: "facebook",
            max_size: (1920, 1080),
            max_frame_rate: 30.0,
            max_bitrate: Some(4_000_000),
            min_bitrate: None,
            max_key_interval: 4.0,
            max_channels: 2,
            takes_hevc: false,
        },
        Self {
            name: "kick",
            max_size: (1920, 1080),
            max_frame_rate: 60.0,
            max_bitrate: Some(8_000_000),
            min_bitrate: Some(1_000_000),
            max_key_interval: 2.0,
            max_channels: 2,
            takes_hevc: false,
        },
        // A server of one's own: what H.264 by RTMP carries.
        Self {
            name: "generic",
            max_size: (4096, 2304),
            max_frame_rate: 120.0,
            max_bitrate: None,
            min_bitrate: None,
            max_key_interval: 10.0,
            max_channels: 6,
            takes_hevc: false,
        },
    ];
}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, UnknownTarget> {
        Self::ALL.into_iter().find(|target| target.name == text).ok_or(UnknownTarget)
    }
}

impl fmt::Display for UnknownTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Target::ALL.iter().map(|target| target.name).collect();
        write!(f, "no such target; known are {}", names.join(", "))
    }
}

impl std::error::Error for UnknownTarget {}
