//! Real media, made by the real ffmpeg when a test first asks for it, and kept in `target/test-media`.

mod film;
mod fragmented;
mod recipe;
mod subtitles;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

pub use film::film;
pub use fragmented::Tracks;
pub use recipe::Kind;

use crate::ts::{Checker, PACKET_SIZE, Packet, Pes, PmtStream, demux};

/// Length of the cycle of the clock reference in 27 MHz ticks.
const PCR_CYCLE: u64 = (1 << 33) * 300;

/// A transport stream that can be looped.
pub struct Clip {
    name: String,
    path: Option<PathBuf>,
    bytes: Vec<u8>,
    duration: Duration,
    first_pcr: u64,
    /// When each packet is due, in 27 MHz ticks from the first clock reference.
    times: Vec<u64>,
    streams: Vec<PmtStream>,
}

impl Clip {
    /// The clip of this kind, made now if it is not yet there.
    ///
    /// # Panics
    /// Without ffmpeg, or if it cannot make the clip.
    pub fn get(kind: Kind) -> Arc<Self> {
        static CLIPS: OnceLock<Mutex<HashMap<Kind, Arc<Clip>>>> = OnceLock::new();
        let clips = CLIPS.get_or_init(Mutex::default);
        let mut clips = clips.lock().unwrap_or_else(PoisonError::into_inner);
        clips.entry(kind).or_insert_with(|| Arc::new(Self::load(kind))).clone()
    }

    fn load(kind: Kind) -> Self {
        let recipe = kind.recipe();
        let folder = media_folder();
        fs::create_dir_all(&folder)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
        let path = folder.join(recipe.file_name());
        make_once(&path, || recipe.make(&path));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        Self { path: Some(path), ..Self::from_bytes(&format!("{kind:?}"), bytes, kind.length()) }
    }

    /// A clip from a transport stream of your own, which loops after `length`.
    ///
    /// # Panics
    /// If it is not whole packets of 188 bytes with a PAT, a PMT and a clock.
    pub fn from_bytes(name: &str, bytes: Vec<u8>, length: Duration) -> Self {
        let report = Checker::check(&bytes);
        assert!(
            report.sync_errors == 0 && report.trailing_bytes == 0,
            "{name} is not whole packets: {report:#?}"
        );
        let pcr_pid = report.pcr_pid.unwrap_or_else(|| panic!("{name} has no PMT"));
        let clocks: Vec<(usize, u64)> = bytes
            .chunks_exact(PACKET_SIZE)
            .enumerate()
            .filter_map(|(at, packet)| {
                Some((at, Packet::new(packet).filter(|packet| packet.pid() == pcr_pid)?.pcr()?))
            })
            .collect();
        let Some(&(_, first_pcr)) = clocks.first() else { panic!("{name} has no clock") };
        let length_27m = ticks_27m(length);
        let count = bytes.len() / PACKET_SIZE;
        let known = clocks.iter().map(|(at, pcr)| (*at, (pcr + PCR_CYCLE - first_pcr) % PCR_CYCLE));
        let times = packet_times(known.chain([(count, length_27m)]));
        assert!(times.iter().all(|time| *time <= length_27m), "{name} is longer than {length:?}");
        Self {
            name: name.into(),
            path: None,
            bytes,
            duration: length,
            first_pcr,
            times,
            streams: report.streams,
        }
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole stream.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How long one round of the loop is.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// The file.
    ///
    /// # Panics
    /// For a clip made with [`Clip::from_bytes`].
    pub fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or_else(|| panic!("{} is not a file", self.name))
    }

    /// Its streams, as the PMT names them.
    pub fn streams(&self) -> &[PmtStream] {
        &self.streams
    }

    /// PID of the first video stream.
    pub fn video_pid(&self) -> Option<u16> {
        self.streams.iter().find(|stream| stream.is_video()).map(|stream| stream.pid)
    }

    /// PIDs of the audio streams.
    pub fn audio_pids(&self) -> Vec<u16> {
        self.streams.iter().filter(|stream| stream.is_audio()).map(|stream| stream.pid).collect()
    }

    /// All PES packets by PID. The last of each PID is complete, since the clip ends with it.
    pub fn pes(&self) -> BTreeMap<u16, Vec<Pes>> {
        let mut streams = demux(&self.bytes);
        for last in streams.values_mut().filter_map(|list| list.last_mut()) {
            last.complete = true;
        }
        streams
    }

    /// When the first picture is decoded, in 90 kHz ticks.
    pub(crate) fn first_video_90k(&self) -> Option<u64> {
        self.first_dts(self.video_pid()?)
    }

    /// When the first sound of the first audio stream is decoded, in 90 kHz ticks.
    pub(crate) fn first_audio_90k(&self) -> Option<u64> {
        self.first_dts(*self.audio_pids().first()?)
    }

    fn first_dts(&self, pid: u16) -> Option<u64> {
        self.pes().get(&pid)?.first()?.dts
    }

    /// The first clock reference, in 27 MHz ticks.
    pub fn first_pcr_27m(&self) -> u64 {
        self.first_pcr
    }

    pub(crate) fn length_27m(&self) -> u64 {
        ticks_27m(self.duration)
    }

    pub(crate) fn packets(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn packet(&self, index: usize) -> &[u8] {
        &self.bytes[index * PACKET_SIZE..(index + 1) * PACKET_SIZE]
    }

    pub(crate) fn time_27m(&self, index: usize) -> u64 {
        self.times[index]
    }

    /// The first packet that is due at this time of the round or later.
    pub(crate) fn packet_at(&self, time_27m: u64) -> usize {
        self.times.partition_point(|time| *time < time_27m) % self.times.len()
    }

    pub(crate) fn is_video(&self, pid: u16) -> bool {
        self.streams.iter().any(|stream| stream.pid == pid && stream.is_video())
    }

    pub(crate) fn is_media(&self, pid: u16) -> bool {
        self.streams.iter().any(|stream| stream.pid == pid && (stream.is_video() || stream.is_audio()))
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clip")
            .field("name", &self.name)
            .field("bytes", &self.bytes.len())
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// Makes a file unless it is there. Many test processes start at once; one of them makes it. The lock goes with the
/// process, and `make` lets the file appear under its name only when it is whole.
fn make_once(path: &Path, make: impl FnOnce()) {
    if path.exists() {
        return;
    }
    let lock_path = path.with_extension("lock");
    let lock = File::create(&lock_path)
        .unwrap_or_else(|error| panic!("cannot make {}: {error}", lock_path.display()));
    lock.lock().unwrap_or_else(|error| panic!("cannot lock {}: {error}", lock_path.display()));
    if !path.exists() {
        make();
    }
}

/// Spreads the packets between clock references evenly; those before the first are due with it.
fn packet_times(known: impl Iterator<Item = (usize, u64)>) -> Vec<u64> {
    let mut times = Vec::new();
    let mut last = 0;
    for (at, time) in known {
        let (from, packets) = (times.len(), (at - times.len()) as u64);
        for step in 0..packets {
            times.push(if from == 0 { 0 } else { last + (time.max(last) - last) * step / packets });
        }
        last = time;
    }
    times
}

fn ticks_27m(span: Duration) -> u64 {
    u64::try_from(span.as_nanos() * 27 / 1000).expect("a clip is short")
}

/// `test-media` in the target directory.
fn media_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("test-media")
}

#[cfg(test)]
mod tests;
