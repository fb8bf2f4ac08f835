//! However a source cuts its pictures into PES packets, and whatever their decoding times say:
//! every picture is sent, whole and in order, and a decoder makes the same of it as of the source.

#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "support/muxer.rs"]
mod muxer;
#[path = "support/recut.rs"]
mod recut;

use forebay_core::time::Pts;
use forebay_core::ts::PACKET_SIZE;
use forebay_core::ts::packet::Bytes;
use forebay_core::ts::splice::{Counts, Splice};
use proptest::prelude::*;

use recut::{Picture, recut, unstamped, video};

/// Real streams with B pictures.
const STREAMS: [&[u8]; 3] = [
    include_bytes!("data/h264_aac.ts"),
    include_bytes!("data/hevc_ac3.ts"),
    include_bytes!("data/mpeg2_mp2.ts"),
];

/// How a multiplexer cuts a picture into PES packets.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// One for all.
    Whole,
    /// One for each NAL unit, with the same stamps, as `GStreamer`'s `rtph264depay ! mpegtsmux`
    /// does.
    Units,
    /// The same, and only the first has the stamps.
    UnitsStampedOnce,
    /// The same, and only the last has.
    UnitsStampedLast,
    /// One for the first unit, and one for the rest.
    First,
}

impl Cut {
    const ALL: [Self; 5] =
        [Self::Whole, Self::Units, Self::UnitsStampedOnce, Self::UnitsStampedLast, Self::First];

    fn apply(self, picture: &Picture) -> Vec<Vec<u8>> {
        let units = picture.units();
        let each = |is_stamped: &dyn Fn(usize) -> bool| {
            let make = |(at, unit): (usize, &&[u8])| {
                if is_stamped(at) { picture.stamped(unit) } else { unstamped(unit) }
            };
            units.iter().enumerate().map(make).collect()
        };
        match self {
            Self::Whole => vec![picture.stamped(&picture.content)],
            Self::Units => each(&|_| true),
            Self::UnitsStampedOnce => each(&|at| at == 0),
            Self::UnitsStampedLast => each(&|at| at + 1 == units.len()),
            Self::First => vec![picture.stamped(units[0]), picture.stamped(&units[1..].concat())],
        }
    }
}

/// What is wrong with the decoding time of a picture.
#[derive(Debug, Clone, Copy)]
enum Stamp {
    Right,
    /// It is that of the picture before.
    Again,
    /// It is this much earlier, in ticks.
    Early(i64),
}

impl Stamp {
    fn apply(self, picture: &mut Picture, before: &mut Option<Pts>) {
        let time = picture.dts.unwrap_or(picture.pts);
        let wrong = match self {
            Self::Right => time,
            Self::Again => before.unwrap_or(time),
            Self::Early(ticks) => time.shifted(-ticks),
        };
        if wrong != time {
            picture.dts = Some(wrong);
        }
        *before = Some(time);
    }
}

fn spoil(stream: &[u8], cut: impl Fn(usize) -> Cut, stamp: impl Fn(usize) -> Stamp) -> Vec<Bytes> {
    let mut before = None;
    recut(stream, |number, picture| {
        // The first one's stamps are the timeline's.
        let stamp = if number == 0 { Stamp::Right } else { stamp(number) };
        stamp.apply(picture, &mut before);
        cut(number).apply(picture)
    })
}

fn spliced(stream: &[Bytes]) -> (Vec<Bytes>, Counts) {
    let mut splice = Splice::new(None);
    splice.push(stream);
    splice.finish();
    (splice.output().0.as_chunks::<PACKET_SIZE>().0.to_vec(), splice.counts())
}

/// Every picture comes out, with rising decoding times: those of one picture's PES packets may be
/// the same.
fn assert_all_pass(stream: &[Bytes], entries: Option<u64>) {
    let (output, counts) = spliced(stream);
    let ((sent, sent_times), (got, times)) = (video(stream), video(&output));
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    assert_eq!((times.len(), counts.continuity_errors, counts.splices), (sent_times.len(), 0, 0));
    let pairs = || times.windows(2).zip(sent_times.windows(2));
    let (same, later) = (|pair: &[Pts]| pair[0] == pair[1], |pair: &[Pts]| pair[1].since(pair[0]) > 0);
    assert!(pairs().all(|(got, sent)| later(got) || same(got) && same(sent)), "{times:?}");
    assert!(
        entries.is_none_or(|entries| counts.entries == entries),
        "{} random access points",
        counts.entries
    );
}

#[test]
fn a_picture_passes_however_it_is_cut() {
    for stream in STREAMS {
        let (whole, counts) = spliced(stream.as_chunks::<PACKET_SIZE>().0);
        for cut in Cut::ALL {
            let spoilt = spoil(stream, |_| cut, |_| Stamp::Right);
            assert_all_pass(&spoilt, Some(counts.entries));
            let (output, _) = spliced(&spoilt);
            let mut times = video(&output).1;
            times.dedup();
            assert_eq!(times, video(&whole).1, "{cut:?}");
        }
    }
}

#[test]
fn a_picture_passes_whatever_its_decoding_time() {
    for stream in STREAMS {
        for every in [2, 3, 7, 12] {
            for wrong in [Stamp::Again, Stamp::Early(3_601), Stamp::Early(10_000), Stamp::Early(40_000)] {
                let stamp = |number: usize| if number.is_multiple_of(every) { wrong } else { Stamp::Right };
                let spoilt = spoil(stream, |_| Cut::Whole, stamp);
                assert_all_pass(&spoilt, None);
                let times = video(&spliced(&spoilt).0).1;
                assert!(times.windows(2).all(|pair| pair[1] != pair[0]), "two pictures at one time");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_picture_passes(
        stream in 0..STREAMS.len(),
        cuts in prop::collection::vec(0..Cut::ALL.len(), 1..40),
        stamps in prop::collection::vec(
            prop_oneof![4 => Just(Stamp::Right), 1 => Just(Stamp::Again), 1 => (1i64..40_000).prop_map(Stamp::Early)],
            1..40,
        ),
    ) {
        let cut = |number: usize| Cut::ALL[cuts[number % cuts.len()]];
        let spoilt = spoil(STREAMS[stream], cut, |number| stamps[number % stamps.len()]);
        assert_all_pass(&spoilt, None);
    }
}

/// What the real ffmpeg decodes of what real multiplexers send.
mod players {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::*;

    /// Runs a program; what it writes.
    fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(program).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("this test needs `{program}`: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {}: {said}", output.status);
        output.stdout
    }

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
    }

    /// The pictures that ffmpeg decodes, as checksums.
    fn pictures(name: &str, stream: &[Bytes]) -> Vec<String> {
        let path = file(name);
        std::fs::write(&path, stream.as_flattened()).expect("the folder of tests can be written");
        let path = path.to_str().expect("paths of tests are text");
        let output = ["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
        let said = run("ffmpeg", &[&["-v", "error", "-threads", "1", "-i", path], &output[..]].concat());
        let said = String::from_utf8(said).expect("ffmpeg writes text");
        let lines = said.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned())).collect()
    }

    /// As many pictures are decoded of what the viewers get as of the source, and none is another.
    fn assert_same(name: &str, stream: &[Bytes], at_least: usize) {
        let direct = pictures(&format!("{name}-direct.ts"), stream);
        let (output, counts) = spliced(stream);
        let got = pictures(&format!("{name}-spliced.ts"), &output);
        assert!(direct.len() >= at_least, "{name}: {} pictures in the source", direct.len());
        let wrong = got.iter().filter(|picture| !direct.contains(picture)).count();
        assert_eq!((got.len(), wrong, counts.units_dropped), (direct.len(), 0, 0), "{name}");
    }

    /// Two seconds of a moving picture in slices, by these options of ffmpeg.
    fn sliced(name: &str, codec: &[&str]) -> Vec<u8> {
        let path = file(name);
        let source = ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=320x192:rate=25:duration=2"];
        run("ffmpeg", &[&source[..], codec, &[path.to_str().expect("text")]].concat());
        std::fs::read(path).expect("ffmpeg wrote it")
    }

    #[test]
    fn ffmpeg_decodes_every_picture_whose_slices_are_apart() {
        let x264 = ["-c:v", "libx264", "-preset", "veryfast", "-x264-params", "slices=4:keyint=25:bframes=3"];
        let x265 =
            ["-c:v", "libx265", "-preset", "veryfast", "-x265-params", "log-level=none:slices=3:keyint=25"];
        let mpeg2 = ["-c:v", "mpeg2video", "-g", "12", "-bf", "2"];
        for (name, codec) in [("h264", &x264[..]), ("hevc", &x265), ("mpeg2", &mpeg2)] {
            let stream = sliced(&format!("{name}-slices.ts"), codec);
            for cut in Cut::ALL {
                assert_same(&format!("{name}-{cut:?}"), &spoil(&stream, |_| cut, |_| Stamp::Right), 50);
            }
        }
    }

    #[test]
    fn ffmpeg_decodes_every_picture_whose_decoding_time_is_wrong() {
        for (stream, name) in STREAMS.into_iter().zip(["h264", "hevc", "mpeg2"]) {
            for (at, wrong) in
                [Stamp::Again, Stamp::Early(3_601), Stamp::Early(40_000)].into_iter().enumerate()
            {
                let stamp = |number: usize| if number % 12 == 5 { wrong } else { Stamp::Right };
                assert_same(&format!("{name}-stamp-{at}"), &spoil(stream, |_| Cut::Whole, stamp), 75);
            }
        }
    }

    /// Each NAL unit in a PES packet of its own, with parameter sets twice in front of a key
    /// picture.
    #[test]
    fn ffmpeg_decodes_every_picture_of_a_gstreamer_that_depayloads() {
        let path = file("depayloaded.ts");
        let pipeline = format!(
            "videotestsrc num-buffers=100 pattern=ball ! video/x-raw,width=320,height=180,framerate=25/1 \
             ! x264enc key-int-max=25 speed-preset=ultrafast tune=zerolatency threads=1 \
             ! rtph264pay config-interval=-1 ! rtph264depay ! mpegtsmux ! filesink location={}",
            path.display()
        );
        run(
            "gst-launch-1.0",
            &[&["-q", "-e"], &pipeline.split_whitespace().collect::<Vec<_>>()[..]].concat(),
        );
        let stream = std::fs::read(path).expect("GStreamer wrote it");
        let stream = stream.as_chunks::<PACKET_SIZE>().0;
        let (_, counts) = spliced(stream);
        assert_eq!(counts.entries, 4);
        assert_same("depayloaded", stream, 100);
    }
}
