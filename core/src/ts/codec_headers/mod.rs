//! What the headers inside elementary streams say of pictures and sound: size, rate, channels,
//! profile.
//!
//! Only for describing a stream: a relay passes it on without knowing any of this. So a header that
//! is damaged, or of a kind that is not read here, is simply `None`.

mod audio;
mod video;

use super::stream::Codec;

/// The pictures of a video stream, as its parameter sets or sequence header declare them.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoFormat {
    /// Pixels across, behind the cropping.
    pub width: u32,
    /// Pixels down, behind the cropping; of a whole frame.
    pub height: u32,
    /// Frames per second. Encoders may leave it out, and some declare a wrong one. HEVC is not
    /// asked: it hides the rate behind everything else that it may declare.
    pub frame_rate: Option<f64>,
    /// Whether pictures may be coded as fields.
    pub is_interlaced: bool,
    /// The profile by its name in the standard.
    pub profile: String,
    /// The level as the standard writes it: `4.1`, in MPEG-2 `High`.
    pub level: String,
}

impl VideoFormat {
    /// The format that `stream` declares, an elementary stream of `codec` from the beginning of a
    /// picture. It need not reach further than the picture's first slice. `None` where there is no
    /// parameter set.
    pub fn find(codec: Codec, stream: &[u8]) -> Option<Self> {
        match codec {
            Codec::H264 => video::h264(stream),
            Codec::Hevc => video::hevc(stream),
            Codec::Mpeg1Video | Codec::Mpeg2Video => video::mpeg2(stream),
            _ => None,
        }
    }
}

/// The sound of an audio stream, as its first frame header declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFormat {
    /// Samples per second. Of HE-AAC this is half of what a decoder gives, since the extension is
    /// declared further inside.
    pub sample_rate: u32,
    /// Channels, that for low frequencies included; `None` where AAC declares them further inside.
    pub channels: Option<u8>,
    /// The profile or layer, where the codec has several.
    pub profile: Option<&'static str>,
}

impl AudioFormat {
    /// The format of the first frame in `stream`, an elementary stream of `codec`. A header counts
    /// only when another one follows where its frame ends, as far as `stream` reaches.
    pub fn find(codec: Codec, stream: &[u8]) -> Option<Self> {
        match codec {
            Codec::Aac => audio::first_frame(stream, audio::adts),
            Codec::MpegAudio => audio::first_frame(stream, audio::mpeg),
            Codec::Ac3 | Codec::Eac3 => audio::first_frame(stream, audio::ac3),
            _ => None,
        }
    }

    /// How long the frames are that begin in `stream`, in ticks of 90 kHz; `None` of a codec that
    /// is not looked into.
    pub fn duration(codec: Codec, stream: &[u8]) -> Option<i64> {
        match codec {
            Codec::Aac => audio::duration(stream, audio::adts),
            Codec::MpegAudio => audio::duration(stream, audio::mpeg),
            Codec::Ac3 | Codec::Eac3 => audio::duration(stream, audio::ac3),
            _ => None,
        }
    }
}

/// One frame of an audio stream, as its header declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFrame {
    /// What it sounds like.
    pub format: AudioFormat,
    /// Bytes, the header included.
    pub length: usize,
    /// Samples per channel, at the format's rate.
    pub samples: u32,
}

impl AudioFrame {
    /// The frame that begins with `bytes`, which need not hold all of it. `None` where none begins,
    /// or the codec is not looked into.
    pub fn parse(codec: Codec, bytes: &[u8]) -> Option<Self> {
        let (format, length, samples) = match codec {
            Codec::Aac => audio::adts(bytes),
            Codec::MpegAudio => audio::mpeg(bytes),
            Codec::Ac3 | Codec::Eac3 => audio::ac3(bytes),
            _ => None,
        }?;
        Some(Self { format, length, samples })
    }
}
