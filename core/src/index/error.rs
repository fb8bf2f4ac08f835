//! Why a file cannot be played in parts.

/// What is wrong with a file, or what it has that cannot be packaged. The file itself may still be
/// sent as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no MP4 file, or the box that describes the film has not been written.
    #[error("there is no moov box: it is no MP4 file, or it was never finished")]
    NoMovie,
    /// No track has pictures or sound.
    #[error("no track has pictures or sound")]
    NoTrack,
    /// There are tracks and nothing in them.
    #[error("there are tracks, and not one whole sample in them")]
    NoSamples,
    /// All pictures, or all sound, are coded so that nobody plays them in parts: the four letters
    /// of the sample entry, or more.
    #[error("the codec {0} is not offered by HLS and DASH")]
    Codec(String),
    /// The samples are encrypted.
    #[error("the media is encrypted")]
    Encrypted,
    /// A box cannot be read.
    #[error("{what}, {at} bytes into the file")]
    Damaged {
        /// What cannot be read.
        what: &'static str,
        /// Where in the file.
        at: u64,
    },
    /// More than is ever read of a file.
    #[error("{what}: the limit is {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The most there may be.
        limit: u64,
    },
    /// The file has become shorter than it was said to be.
    #[error("the file ends before byte {0}")]
    Short(u64),
}

impl Error {
    /// A short word for logs, metrics and the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoMovie => "no_movie",
            Self::NoTrack => "no_track",
            Self::NoSamples => "no_samples",
            Self::Codec(_) => "unsupported_codec",
            Self::Encrypted => "encrypted",
            Self::Damaged { .. } => "damaged",
            Self::TooLarge { .. } => "too_large",
            Self::Short(_) => "short_file",
        }
    }
}
