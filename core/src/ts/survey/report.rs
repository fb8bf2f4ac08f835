//! What a survey found: plain data.

use std::time::Duration;

use crate::time::MediaTime;
use crate::ts::codec_headers::{AudioFormat, VideoFormat};
use crate::ts::packet::Pid;
use crate::ts::random_access::RandomAccess;
use crate::ts::stream::{Class, Codec};

/// A transport stream and the programme that was surveyed.
///
/// It has many fields since each is one fact that `forebay probe` prints.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Bytes from one packet to the next: 188, 192 or 204; `None` when no packets were found.
    pub packet_size: Option<usize>,
    /// Bytes looked at.
    pub bytes: u64,
    /// Packets found, null packets and damaged ones included.
    pub packets: u64,
    /// Bytes that belong to no packet.
    pub skipped_bytes: u64,
    /// Packets that only fill the channel.
    pub null_packets: u64,
    /// Packets with `transport_error_indicator`.
    pub damaged: u64,
    /// Packets whose payload is scrambled.
    pub scrambled: u64,
    /// Tables with a wrong checksum or a wrong length.
    pub table_errors: u64,
    /// Programme numbers, as the PAT lists them.
    pub programs: Vec<u16>,
    /// The programme that the rest describes; `None` when no map of one was found.
    pub program: Option<u16>,
    /// The PID of its map.
    pub map_pid: Option<Pid>,
    /// The PID of its clock; `None` when the map says that there is none.
    pub clock_pid: Option<Pid>,
    /// Its clock.
    pub clock: Clock,
    /// How long it plays: by its clock, jumps left out; by the stamps where there is no clock.
    pub duration: Duration,
    /// Bits per second of all packets, those of other programmes and null packets included; `None`
    /// when too short to say.
    pub bitrate: Option<u64>,
    /// Its elementary streams, in the order of its map; behind them those that an earlier map had.
    pub streams: Vec<Stream>,
}

/// The clock references of a programme.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// How many there were.
    pub references: u64,
    /// Times that it went back, or ahead by more than 5 s, or said itself that it would.
    pub jumps: u64,
    /// From one to the next on average, in µs of their own time, jumps left out; zero when there
    /// were less than two.
    pub mean_interval_us: u64,
    /// The longest such step; the standard allows 100,000 µs.
    pub max_interval_us: u64,
}

/// One elementary stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Where its packets are.
    pub pid: Pid,
    /// How it is coded.
    pub codec: Codec,
    /// What it is for.
    pub class: Class,
    /// Three letters of ISO 639-2, as its descriptors name them.
    pub language: Option<[u8; 3]>,
    /// Its packets since the map named it.
    pub packets: u64,
    /// Bits per second of its packets; `None` when too short to say.
    pub bitrate: Option<u64>,
    /// Breaks of its continuity counter.
    pub continuity_errors: u64,
    /// PES packets begun.
    pub units: u64,
    /// The lowest and the highest PTS, on a line that goes on behind a wrap.
    pub pts: Option<(MediaTime, MediaTime)>,
    /// What is known of pictures.
    pub video: Option<Video>,
    /// What the first frame header says of sound.
    pub audio: Option<AudioFormat>,
}

/// What is known of a video stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// What its parameter sets declared last; `None` when none were found or they are of a codec
    /// that is not read.
    pub format: Option<VideoFormat>,
    /// Pictures per second by the decoding time stamps, which is what really comes: fields, where
    /// each has a PES packet of its own. `None` when less than two had one.
    pub frame_rate: Option<f64>,
    /// Random access points by their kind, each kind once.
    pub entries: Vec<(RandomAccess, u64)>,
    /// From one random access point to the next; `None` when there were less than two.
    pub gop: Option<Gop>,
}

/// The distances between random access points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gop {
    /// In pictures.
    pub pictures: Spread,
    /// In seconds of decoding time.
    pub seconds: Spread,
}

/// A range of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The average.
    pub mean: f64,
    /// The greatest.
    pub max: f64,
}
