//! What the real ffmpeg makes of remuxed streams: the same pictures, the same sound and the same
//! times as in the files they were made of.

use std::path::{Path, PathBuf};
use std::process::Command;

use forebay_core::remux::{Remuxer, Rendition, SHIFT};

/// The most that a time may be off: half a tick of 90 kHz for each of two roundings, and what
/// ffprobe rounds.
const TOLERANCE: f64 = 0.000_013;

/// Runs a program that must find nothing wrong.
fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs `{program}`: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{program} {arguments:?}: {}: {said}", output.status);
    output.stdout
}

/// A file of the test's own.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// The times at which the packets of a stream are shown, in seconds.
fn times(path: &Path, stream: &str) -> Vec<f64> {
    let entries = ["-show_entries", "packet=pts_time", "-of", "csv=p=0", text(path)];
    let said = run("ffprobe", &[&["-v", "error", "-select_streams", stream], &entries[..]].concat());
    let said = String::from_utf8(said).expect("ffprobe writes text");
    said.lines().filter_map(|line| line.split(',').next()?.parse().ok()).collect()
}

/// What every packet of a stream holds, as `filters` and `format` write it.
fn content(path: &Path, stream: &str, filters: &str, format: &str) -> Vec<u8> {
    let input = ["-v", "error", "-i", text(path), "-map", stream, "-c", "copy"];
    let filters: &[&str] = if filters.is_empty() { &[] } else { &["-bsf", filters] };
    run("ffmpeg", &[&input[..], filters, &["-f", format, "-"]].concat())
}

/// The decoded frames of everything, as checksums.
fn frames(path: &Path, stream: &str) -> Vec<String> {
    let input = ["-v", "warning", "-xerror", "-err_detect", "explode", "-i", text(path), "-map", stream];
    let said = run("ffmpeg", &[&input[..], &["-fps_mode", "passthrough", "-f", "framehash", "-"]].concat());
    let said = String::from_utf8(said).expect("ffmpeg writes text");
    let lines = said.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned())).collect()
}

fn assert_same_times(mp4: &Path, ts: &Path, stream: &str) {
    let alone = if stream.starts_with('a') { "a:0" } else { stream };
    let (original, remuxed) = (times(mp4, alone), times(ts, stream));
    assert_eq!(original.len(), remuxed.len(), "packets of {stream} in {}", ts.display());
    #[expect(clippy::cast_precision_loss, reason = "two seconds")]
    let shift = SHIFT as f64 / 90_000.0;
    for (original, remuxed) in original.iter().zip(&remuxed) {
        let is_near = (remuxed - shift - original).abs() <= TOLERANCE;
        assert!(is_near, "{stream}: {original} s became {remuxed} s in {}", ts.display());
    }
}

mod players {
    use super::*;

    /// Fragments as one segment, and as an initialisation segment with one fragment each.
    fn remux(bytes: &[u8]) -> [Vec<u8>; 2] {
        const GOOD: &str = "nothing is wrong with the file";
        let mut whole = Remuxer::new();
        whole.push(Rendition::Main, bytes).expect(GOOD);
        whole.finish();
        let kinds = bytes.windows(4).enumerate();
        let mut starts: Vec<usize> =
            kinds.filter(|(_, kind)| *kind == b"moof").map(|(at, _)| at - 4).collect();
        let init = &bytes[..starts[0]];
        starts.push(bytes.len());
        let mut segments = Remuxer::new();
        let mut output = Vec::new();
        for segment in starts.windows(2) {
            segments.set_init(Rendition::Main, init).expect(GOOD);
            segments.push(Rendition::Main, &bytes[segment[0]..segment[1]]).expect(GOOD);
            output.extend_from_slice(segments.output());
            segments.clear(0);
        }
        [whole.output().to_vec(), output]
    }

    fn assert_same(name: &str, bytes: &[u8], streams: &[(&str, &str, &str)]) {
        let mp4 = file(&format!("{name}.mp4"), bytes);
        for (way, bytes) in ["whole", "segments"].into_iter().zip(remux(bytes)) {
            let ts = file(&format!("{name}-{way}.ts"), &bytes);
            for &(stream, filters, format) in streams {
                assert_same_times(&mp4, &ts, stream);
                let (original, remuxed) =
                    (content(&mp4, stream, filters, format), content(&ts, stream, filters, format));
                assert!(!original.is_empty() && original == remuxed, "{stream} of {name} is another");
                assert_eq!(frames(&mp4, stream), frames(&ts, stream), "{stream} of {name}");
            }
        }
    }

    /// The NAL units without the parameter sets and delimiters, of which the transport stream has
    /// more.
    const H264: &str = "h264_mp4toannexb,filter_units=remove_types=7-9";
    const HEVC: &str = "hevc_mp4toannexb,filter_units=remove_types=32-35";

    #[test]
    fn h264_and_aac_are_the_same() {
        let bytes = include_bytes!("data/h264_aac.mp4");
        assert_same("h264_aac", bytes, &[("v:0", H264, "h264"), ("a:0", "", "adts")]);
    }

    #[test]
    fn hevc_and_ac3_are_the_same() {
        let bytes = include_bytes!("data/hevc_ac3.mp4");
        assert_same("hevc_ac3", bytes, &[("v:0", HEVC, "hevc"), ("a:0", "", "ac3")]);
    }

    #[test]
    fn eac3_is_the_same() {
        assert_same("eac3", include_bytes!("data/eac3.mp4"), &[("a:0", "", "eac3")]);
    }

    #[test]
    fn mp3_is_the_same() {
        assert_same("mp3", include_bytes!("data/mp3.mp4"), &[("a:0", "", "data")]);
    }

    /// Sound of its own beside a main rendition that has sound too: both are the same as alone,
    /// each with its language.
    #[test]
    fn sound_of_its_own_is_the_same_beside_the_main_rendition() {
        let (main, audio) = (include_bytes!("data/h264_aac.mp4"), include_bytes!("data/eac3.mp4"));
        let mut remuxer = Remuxer::with_audio(Some("fr"));
        remuxer.push(Rendition::Main, main).expect("nothing is wrong with the file");
        remuxer.push(Rendition::Audio, audio).expect("nothing is wrong with the file");
        remuxer.finish();
        let ts = file("beside.ts", remuxer.output());
        let (main, audio) = (file("beside-main.mp4", main), file("beside-audio.mp4", audio));
        assert_eq!(frames(&ts, "v:0"), frames(&main, "v:0"));
        assert_eq!(frames(&ts, "a:0"), frames(&main, "a:0"));
        assert_same_times(&audio, &ts, "a:1");
        assert_eq!(content(&ts, "a:1", "", "eac3"), content(&audio, "a:0", "", "eac3"));
        let languages = ["-v", "error", "-show_entries", "stream_tags=language", "-of", "csv=p=0", text(&ts)];
        let said = String::from_utf8(run("ffprobe", &languages)).expect("ffprobe writes text");
        let said: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
        assert!(said.ends_with(&["deu", "fra"]), "{said:?}");
    }
}
