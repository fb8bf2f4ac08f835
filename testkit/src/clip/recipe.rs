//! How ffmpeg makes each clip.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::{self, Command};
use std::time::Duration;

use super::subtitles;
use crate::player;
use crate::ts::{PACKET_SIZE, Packet};

/// Length of every clip but one: 480 pictures at 25 per second, and a whole number of audio frames at 48 kHz (900 of AAC,
/// 800 of MP2, 600 of AC-3), so that picture and sound loop together without a gap.
const LENGTH: Duration = Duration::from_millis(19_200);

/// Length of the brief one: a quarter of that.
const BRIEF: Duration = Duration::from_millis(4800);

/// Count this up when the recipes change in a way that their arguments do not show.
const EDITION: u32 = 2;

/// The clips there are. All but [`Kind::Brief`] last 19.2 seconds, and all have 25 pictures per second, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// H.264 640x360 in closed groups of 2 s with B pictures, about 1 Mbit/s; AAC.
    H264Aac,
    /// Another encoder for the same programme: 854x480, groups of 1 s, other PIDs (PMT 0x1100, from 0x300),
    /// service 77, a timeline 50,000 s later, another picture and tone.
    H264AacB,
    /// As [`Kind::H264Aac`] in groups of 0.4 s, which divide its length: for short HLS segments.
    ShortGop,
    /// H.264 in open groups of 2 s with three B pictures, two audio tracks (eng, deu), DVB subtitles (eng).
    H264OpenGopSubs,
    /// As [`Kind::H264Aac`] in groups of 4 s.
    Gop4,
    /// H.264 in closed groups of 8 s; AAC.
    LongGop,
    /// The same in groups of 10 s, as x264 makes them unless told otherwise.
    Gop10,
    /// H.264 in open groups of 1.92 s without a single IDR picture: recovery points only, as broadcasters send.
    /// At the seam of its loop the frame numbers jump, which strict decoders remark on.
    NoIdr,
    /// H.264 as in [`Kind::Small`]; AC-3.
    H264Ac3,
    /// H.265; AC-3.
    HevcAc3,
    /// H.265; AAC; PIDs and picture as [`Kind::H264AacB`]: what a change of codec needs.
    HevcAacB,
    /// MPEG-2 video with groups of 12; MP2.
    Mpeg2Mp2,
    /// AAC alone.
    AudioOnly,
    /// MP3 alone.
    Mp3Only,
    /// As [`Kind::H264Aac`] in groups of 0.8 s, and over after 4.8 s: what a provider shows in place of a channel.
    Brief,
    /// H.264 160x90 in groups of 0.8 s, and AAC, about 150 kbit/s together: for many channels at once.
    Small,
    /// H.264 in groups of 0.8 s whose picture stands still after 4.8 s.
    Still,
    /// H.264 160x90 in groups of 0.8 s, coded so coarsely that pictures take as little as if nothing moved.
    Coarse,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::H264Aac,
        Self::H264AacB,
        Self::ShortGop,
        Self::H264OpenGopSubs,
        Self::Gop4,
        Self::LongGop,
        Self::Gop10,
        Self::NoIdr,
        Self::H264Ac3,
        Self::HevcAc3,
        Self::HevcAacB,
        Self::Mpeg2Mp2,
        Self::AudioOnly,
        Self::Mp3Only,
        Self::Brief,
        Self::Small,
        Self::Still,
        Self::Coarse,
    ];

    pub(super) fn length(self) -> Duration {
        if self == Self::Brief { BRIEF } else { LENGTH }
    }

    pub(super) fn recipe(self) -> Recipe {
        let a = "testsrc2=size=640x360:rate=25";
        let b = "testsrc=size=854x480:rate=25";
        let x264 = |params: &str| {
            format!(
                "-c:v libx264 -preset veryfast -pix_fmt yuv420p -b:v 900k -maxrate 1M -bufsize 1M -x264-params scenecut=0:{params}"
            )
        };
        let x265 = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -b:v 900k -x265-params log-level=error:keyint=50:min-keyint=50:scenecut=0:open-gop=0:bframes=3:repeat-headers=1";
        let other = "-mpegts_start_pid 0x300 -mpegts_pmt_start_pid 0x1100 -mpegts_service_id 77 -output_ts_offset 50000";
        let base = Recipe {
            kind: self,
            picture: Some(a),
            video: String::new(),
            sound: AAC,
            muxer: "",
            extra: Extra::None,
        };
        match self {
            Self::H264Aac => Recipe { video: x264("keyint=50:min-keyint=50:open-gop=0"), ..base },
            Self::H264AacB => Recipe {
                picture: Some(b),
                video: x264("keyint=25:min-keyint=25:open-gop=0"),
                sound: Sound { hertz: 880, ..AAC },
                muxer: other,
                ..base
            },
            Self::ShortGop => Recipe { video: x264("keyint=10:min-keyint=10:open-gop=0"), ..base },
            Self::Small => Recipe {
                picture: Some("testsrc2=size=160x90:rate=25"),
                video: "-c:v libx264 -preset veryfast -pix_fmt yuv420p -b:v 80k -maxrate 100k -bufsize 50k -x264-params scenecut=0:keyint=20:min-keyint=20:open-gop=0".into(),
                sound: Sound { options: "-c:a aac -b:a 32k", ..AAC },
                ..base
            },
            Self::H264Ac3 => Recipe { kind: self, sound: AC3, ..Self::Small.recipe() },
            Self::Still => Recipe {
                picture: Some("testsrc2=size=640x360:rate=25,loop=loop=-1:size=1:start=120,trim=start=0"),
                video: x264("keyint=20:min-keyint=20:open-gop=0"),
                ..base
            },
            Self::Coarse => Recipe {
                picture: Some("testsrc2=size=160x90:rate=25"),
                video: "-c:v libx264 -preset veryfast -pix_fmt yuv420p -crf 48 -x264-params scenecut=0:keyint=20:min-keyint=20:open-gop=0".into(),
                ..base
            },
            Self::Brief => Recipe {
                video: x264("keyint=20:min-keyint=20:open-gop=0"),
                sound: Sound { frames: 225, ..AAC },
                ..base
            },
            Self::H264OpenGopSubs => Recipe {
                video: x264("keyint=50:min-keyint=50:open-gop=1:bframes=3"),
                extra: Extra::SecondTrackAndSubtitles,
                ..base
            },
            Self::Gop4 => Recipe { video: x264("keyint=100:min-keyint=100:open-gop=0"), ..base },
            Self::Gop10 => Recipe { video: x264("keyint=250:min-keyint=250:open-gop=0"), ..base },
            Self::LongGop => Recipe { video: x264("keyint=200:min-keyint=200:open-gop=0"), ..base },
            Self::NoIdr => Recipe {
                video: x264("keyint=48:min-keyint=48:open-gop=1:bframes=3"),
                // One group more at the front, to be cut away: 48 pictures are as long as 90 frames of AAC.
                sound: Sound { frames: 990, ..AAC },
                muxer: "-pes_payload_size 0",
                extra: Extra::CutFirstGroup,
                ..base
            },
            Self::HevcAc3 => Recipe {
                video: x265.into(),
                sound: AC3,
                ..base
            },
            Self::HevcAacB => Recipe {
                picture: Some(b),
                video: x265.into(),
                sound: Sound { hertz: 880, ..AAC },
                muxer: other,
                ..base
            },
            Self::Mpeg2Mp2 => Recipe {
                video: "-c:v mpeg2video -pix_fmt yuv420p -b:v 1500k -maxrate 2M -bufsize 1M -g 12 -bf 2"
                    .into(),
                sound: MP2,
                ..base
            },
            // One frame in each PES packet, since the clock comes with their starts.
            Self::AudioOnly => Recipe { picture: None, muxer: "-pes_payload_size 0", ..base },
            Self::Mp3Only => Recipe {
                picture: None,
                muxer: "-pes_payload_size 0",
                sound: MP3,
                ..base
            },
        }
    }
}

/// What goes into one clip.
#[derive(Debug, Hash)]
pub(super) struct Recipe {
    kind: Kind,
    picture: Option<&'static str>,
    video: String,
    sound: Sound,
    muxer: &'static str,
    extra: Extra,
}

#[derive(Debug, Clone, Copy, Hash)]
struct Sound {
    /// Frames in the clip.
    frames: u32,
    /// Samples in a frame.
    frame: u32,
    /// Frames that the encoder puts in front.
    priming: u32,
    options: &'static str,
    hertz: u32,
}

const AAC: Sound = Sound { frames: 900, frame: 1024, priming: 1, options: "-c:a aac -b:a 128k", hertz: 440 };
const AC3: Sound = Sound { frames: 600, frame: 1536, priming: 0, options: "-c:a ac3 -b:a 192k", hertz: 440 };
const MP2: Sound = Sound { frames: 800, frame: 1152, priming: 0, options: "-c:a mp2 -b:a 192k", hertz: 440 };
/// Without a reservoir no frame borrows from the one before, which is another at the seam.
const MP3: Sound = Sound {
    frames: 800,
    frame: 1152,
    priming: 1,
    options: "-c:a libmp3lame -reservoir 0 -b:a 128k",
    hertz: 440,
};

#[derive(Debug, PartialEq, Eq, Hash)]
enum Extra {
    None,
    SecondTrackAndSubtitles,
    CutFirstGroup,
}

impl Recipe {
    /// Name of the file, which changes with the recipe.
    pub(super) fn file_name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (EDITION, self).hash(&mut hasher);
        format!("{:?}-{:016x}.ts", self.kind, hasher.finish())
    }

    /// Makes the clip and puts it into place at once when it is whole.
    pub(super) fn make(&self, path: &Path) {
        player::require("ffmpeg");
        let temporary = path.with_extension(format!("{}.tmp", process::id()));
        let subtitles = path.with_extension(format!("{}.sup", process::id()));
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-y"]);
        // Whole words only: no argument has a space in it.
        let mut words = |text: &str| {
            command.args(text.split_whitespace());
        };
        let (length, extra) = (self.seconds(), &self.extra);
        let sine = |hertz: u32| {
            let samples = (self.sound.frames - self.sound.priming) * self.sound.frame;
            format!("-f lavfi -i sine=frequency={hertz}:sample_rate=48000,atrim=end_sample={samples}")
        };
        if let Some(picture) = self.picture {
            words(&format!("-f lavfi -i {picture}:duration={length}"));
        }
        words(&sine(self.sound.hertz));
        if *extra == Extra::SecondTrackAndSubtitles {
            let shown_at: Vec<_> = (0..9).map(|number| Duration::from_millis(600 + number * 2000)).collect();
            let file = subtitles::sup_file((640, 360), &shown_at, Duration::from_millis(1200));
            fs::write(&subtitles, file).expect("the folder for clips can be written");
            words(&sine(660));
            words("-fix_sub_duration -f sup -i");
            command.arg(&subtitles);
            let mut words = |text: &str| {
                command.args(text.split_whitespace());
            };
            words("-map 0:v -map 1:a -map 2:a -map 3:s -c:s dvbsub -metadata:s:a:0 language=eng");
            words("-metadata:s:a:1 language=deu -metadata:s:s:0 language=eng");
        }
        let mut words = |text: &str| {
            command.args(text.split_whitespace());
        };
        words(&self.video);
        words(self.sound.options);
        words(self.muxer);
        words("-f mpegts");
        command.arg(&temporary);
        let output = command.output().unwrap_or_else(|error| panic!("cannot run ffmpeg: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ffmpeg could not make {:?} ({}): {said}", self.kind, output.status);
        if *extra == Extra::CutFirstGroup {
            let bytes = fs::read(&temporary).expect("ffmpeg has written it");
            fs::write(&temporary, cut_first_group(&bytes)).expect("the folder for clips can be written");
        }
        let _ = fs::remove_file(&subtitles);
        fs::rename(&temporary, path)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
    }

    fn seconds(&self) -> String {
        let group = if self.extra == Extra::CutFirstGroup { 1.92 } else { 0.0 };
        format!("{}", self.kind.length().as_secs_f64() + group)
    }
}

/// Cuts away what comes before the second random access point, and what makes the rest longer than the loop.
///
/// The stream has one picture or one frame of sound in each PES packet, and ffmpeg writes them one after the other.
fn cut_first_group(stream: &[u8]) -> Vec<u8> {
    let (mut access_points, mut pictures, mut frames) = (0, 0, 0);
    let keeps = |bytes: &&[u8]| {
        let packet = Packet::new(bytes).expect("ffmpeg writes whole packets");
        let begins = usize::from(packet.starts_unit());
        match packet.pid() {
            0x100 => {
                access_points += usize::from(packet.is_random_access());
                pictures += if access_points > 1 { begins } else { 0 };
                (1..=480).contains(&pictures)
            }
            0x101 => {
                frames += begins;
                frames > 90
            }
            _ => true,
        }
    };
    stream.chunks_exact(PACKET_SIZE).filter(keeps).collect::<Vec<_>>().concat()
}
