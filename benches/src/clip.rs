//! An endless stream of constant bitrate, made from a clip.
//!
//! Packet `n` of the endless stream is computed from the clip alone. Its clock reference *is* the time of `CLOCK_MONOTONIC` at which it is
//! due, so whoever receives it on the same machine can say how long it took. Stamps move along with the clock, counters go on, and the
//! clip is as long as a whole number of pictures and frames of sound: its seam cannot be seen. Nor is a round like the one before, which a relay
//! may rightly take for a notice in a loop: the pictures' last bytes say which one it is.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, bail, ensure};

use crate::clock::Mono;
use crate::ts::{self, NULL_PID, PACKET, Packet};

/// Length of each clip: 12 groups of 2 s, 600 pictures, 1,125 frames of AAC at 48 kHz.
const LENGTH_27M: u64 = 24 * 27_000_000;

/// Pictures and frames of sound; the encoder puts one frame more in front.
const SAMPLES: u32 = (1125 - 1) * 1024;

/// A transport stream that is repeated for ever.
#[derive(Debug)]
pub(crate) struct Clip {
    /// Without null packets: a relay may drop those, and then two relays would not carry the same bytes.
    packets: Vec<Packet>,
    /// When each packet is due, in ticks of 27 MHz from the beginning of a round.
    due: Vec<u64>,
    /// What each packet's counter grows by with each round.
    steps: Vec<u8>,
    /// Whose packets are pictures.
    video: Option<u16>,
    /// The clip's clock at its first packet.
    clock: u64,
    length_27m: u64,
}

impl Clip {
    /// The clip of this bitrate, made by ffmpeg when it is first asked for and kept in `bench-media` of the target directory.
    pub(crate) fn get(bitrate: u64) -> anyhow::Result<Self> {
        let folder = target_folder().join("bench-media");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("cbr-{bitrate}-1.ts"));
        if !path.exists() {
            make(&path, bitrate)?;
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::new(&bytes, LENGTH_27M).with_context(|| format!("{} is no clip", path.display()))
    }

    /// From whole packets of constant bitrate, null packets included, that last `length_27m`.
    pub(crate) fn new(bytes: &[u8], length_27m: u64) -> anyhow::Result<Self> {
        let (packets, rest) = bytes.as_chunks::<PACKET>();
        ensure!(!packets.is_empty() && rest.is_empty(), "it is not whole packets");
        ensure!(packets.iter().all(|packet| packet[0] == 0x47), "a packet does not begin with the sync byte");
        let clocks: Vec<(u64, u64)> =
            (0..).zip(packets).filter_map(|(at, packet)| Some((at, ts::pcr(packet)?))).collect();
        let (Some(first), Some(last)) = (clocks.first(), clocks.last()) else { bail!("it has no clock") };
        ensure!(last.0 > first.0 && last.1 > first.1, "its clock stands");
        let before = first.0 * (last.1 - first.1) / (last.0 - first.0);
        let mut counted: HashMap<u16, u64> = HashMap::new();
        for packet in packets.iter().filter(|packet| ts::has_payload(packet)) {
            *counted.entry(ts::pid(packet)).or_default() += 1;
        }
        let all = u64::try_from(packets.len())?;
        let mut clip = Self {
            packets: Vec::new(),
            due: Vec::new(),
            steps: Vec::new(),
            video: packets.iter().find(|packet| ts::starts_key_picture(packet)).map(ts::pid),
            clock: first.1.checked_sub(before).context("its clock begins too early")?,
            length_27m,
        };
        for (at, packet) in (0..).zip(packets) {
            let pid = ts::pid(packet);
            if pid != NULL_PID {
                clip.packets.push(*packet);
                clip.due.push(at * length_27m / all);
                clip.steps.push((counted.get(&pid).unwrap_or(&0) % 16).to_le_bytes()[0]);
            }
        }
        Ok(clip)
    }

    fn len(&self) -> u64 {
        self.packets.len() as u64
    }

    /// Bits a second, as they are sent.
    pub(crate) fn bitrate(&self) -> u64 {
        self.len() * PACKET as u64 * 8 * 27_000_000 / self.length_27m
    }

    /// The first packet of the endless stream that is not yet due.
    pub(crate) fn due_at(&self, now: Mono) -> u64 {
        let (round, time) = (now.ticks_27m() / self.length_27m, now.ticks_27m() % self.length_27m);
        round * self.len() + self.due.partition_point(|&due| due <= time) as u64
    }

    /// When packet `number` is due, in ticks of 27 MHz.
    fn time_27m(&self, number: u64) -> u64 {
        let (round, index) = self.place(number);
        round * self.length_27m + self.due[index]
    }

    fn place(&self, number: u64) -> (u64, usize) {
        let index = usize::try_from(number % self.len()).expect("it is smaller than a vector is long");
        (number / self.len(), index)
    }

    /// Packet `number` of the endless stream.
    pub(crate) fn packet(&self, number: u64) -> Packet {
        let (round, index) = self.place(number);
        let mut packet = self.packets[index];
        let begins = ts::counter(&packet);
        let step = u64::from(self.steps[index]) * (round % 16);
        ts::set_counter(&mut packet, begins.wrapping_add(step.to_le_bytes()[0]));
        if ts::pcr(&packet).is_some() {
            ts::set_pcr(&mut packet, self.time_27m(number));
        }
        if self.video == Some(ts::pid(&packet)) && ts::has_payload(&packet) && !ts::starts_unit(&packet) {
            // Never 0 to 3, which could begin something.
            packet[PACKET - 1] = 0x80 | (round % 0x80).to_le_bytes()[0];
        }
        // Stamps keep the distance from the clock that the clip gave them.
        let moved = round * self.length_27m + ts::PCR_CYCLE - self.clock;
        ts::shift_stamps(&mut packet, moved / 300);
        packet
    }
}

/// Has ffmpeg encode a picture and a tone at a constant bitrate, and puts the file into place when it is whole.
fn make(path: &Path, bitrate: u64) -> anyhow::Result<()> {
    // What is not video: sound of 128 kbit/s in PES and transport packets, tables and headers.
    let video = bitrate * 97 / 100 - 180_000;
    // So much room that the multiplexer never has to wait; what fills it is left out again.
    let multiplex = bitrate * 12 / 10;
    let (size, buffer) = (if bitrate > 4_000_000 { "1280x720" } else { "640x360" }, video / 2);
    let temporary = path.with_extension(format!("{}.tmp", process::id()));
    let words = format!(
        "-nostdin -v error -y -f lavfi -i testsrc2=size={size}:rate=25:duration=24 \
         -f lavfi -i sine=frequency=440:sample_rate=48000,atrim=end_sample={SAMPLES} \
         -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 50 -keyint_min 50 -sc_threshold 0 \
         -b:v {video} -minrate {video} -maxrate {video} -bufsize {buffer} -x264-params nal-hrd=cbr:force-cfr=1 \
         -c:a aac -b:a 128k -f mpegts -muxrate {multiplex} -pcr_period 20 -pat_period 0.5 -sdt_period 5"
    );
    let output = Command::new("ffmpeg")
        .args(words.split_whitespace())
        .arg(&temporary)
        .output()
        .context("cannot run ffmpeg, which makes the clip; install it")?;
    ensure!(output.status.success(), "ffmpeg made no clip: {}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&temporary, path).with_context(|| format!("cannot make {}", path.display()))
}

/// Where cargo builds.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::build;

    /// Ten packets of 100 ms each: a clock, a key picture at twice its time, payload, and a null packet.
    fn clip() -> Clip {
        const TICK: u64 = 2_700_000;
        let mut bytes = Vec::new();
        for at in 0..10_u64 {
            let counter = u8::try_from(at).unwrap();
            let packet = match at {
                0 => build::plain(0, 4),
                1 | 6 => build::clock(0x100, 0, 5_000 * 300 + at * TICK),
                2 => build::key(0x100, 0, 5_000 + 2 * 2 * TICK / 300),
                9 => build::plain(NULL_PID, 0),
                _ => build::plain(0x100, if at < 6 { counter - 2 } else { counter - 3 }),
            };
            bytes.extend_from_slice(&packet);
        }
        Clip::new(&bytes, 10 * TICK).unwrap()
    }

    #[test]
    fn the_clock_is_the_time_at_which_a_packet_is_due() {
        let clip = clip();
        for number in 0..40 {
            if let Some(pcr) = ts::pcr(&clip.packet(number)) {
                assert_eq!(pcr, clip.time_27m(number));
            }
        }
        let due = Mono(1_000_000_000 * 7 + 600_000_000);
        assert_eq!(clip.due_at(due), 7 * 9 + 7, "the packet of 0.6 s is due, that of 0.7 s is not");
        assert_eq!(clip.time_27m(7 * 9 + 6), due.ticks_27m());
    }

    #[test]
    fn nothing_is_seen_of_the_seam() {
        let clip = clip();
        let mut counters: HashMap<u16, u8> = HashMap::new();
        let (mut keys, mut time) = (Vec::new(), 0);
        for number in 0..9 * 40 {
            let packet = clip.packet(number);
            assert!(clip.time_27m(number) > time || number == 0, "packets are due one after the other");
            time = clip.time_27m(number);
            if ts::has_payload(&packet)
                && let Some(last) = counters.insert(ts::pid(&packet), ts::counter(&packet))
            {
                assert_eq!(ts::counter(&packet), (last + 1) % 16, "packet {number}");
            }
            if ts::starts_key_picture(&packet) {
                keys.push(build::stamp(&packet));
            }
        }
        assert!(keys.windows(2).all(|pair| pair[1] - pair[0] == 90_000), "one a second: {keys:?}");
        assert_eq!(keys[0], 2 * 2 * 9_000, "as far from the clock as in the clip");
    }

    #[test]
    fn no_round_is_like_another() {
        let clip = clip();
        let last = |round: u64, index: u64| clip.packet(round * 9 + index)[PACKET - 1];
        assert_eq!([last(0, 3), last(1, 3), last(127, 3), last(128, 3)], [0x80, 0x81, 0xff, 0x80]);
        assert_eq!(last(0, 0), last(1, 0), "what is no picture stays");
    }

    #[test]
    fn null_packets_are_left_out_of_the_bitrate() {
        assert_eq!(clip().bitrate(), 9 * 188 * 8);
    }

    #[test]
    fn what_is_no_clip_is_refused() {
        assert!(Clip::new(&[0x47; 100], 27_000_000).is_err());
        assert!(Clip::new(&build::plain(0, 0), 27_000_000).is_err());
        assert!(Clip::new(&[0; PACKET], 27_000_000).is_err());
    }
}
