//! What the real ffmpeg sees in streams that it made, and what becomes of one that hangs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::player;

use super::*;

/// Time enough on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn see(packets: Vec<u8>) -> Result<FrameSample, Error> {
    player::require("ffmpeg");
    sample_frame(Path::new("ffmpeg"), packets.into(), PATIENCE).await
}

/// Looks at the beginning and the end of four seconds of `picture`, a filter that makes one.
async fn samples(picture: &str, codec: &str) -> [FrameSample; 2] {
    player::require("ffmpeg");
    let mut samples = Vec::new();
    for from in ["0", "3"] {
        let picture = format!("{picture},trim=start={from},setpts=PTS-STARTPTS");
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", &picture, "-t", "1", "-c:v", codec])
            .args(["-pix_fmt", "yuv420p", "-b:v", "500k", "-f", "mpegts", "-"])
            .output()
            .await
            .unwrap();
        samples.push(see(output.stdout).await.unwrap());
    }
    samples.try_into().unwrap()
}

#[tokio::test]
async fn black_pictures_are_black_and_others_are_not() {
    for codec in ["libx264", "mpeg2video"] {
        let [first, last] = samples("color=c=black:s=640x360:r=25:d=4", codec).await;
        assert!(first.is_black() && last.is_black() && first.is_same_as(&last), "{codec}");
    }
    let noisy = "color=c=black:s=640x360:r=25:d=4,noise=alls=8:allf=t";
    assert!(samples(noisy, "libx264").await.iter().all(FrameSample::is_black), "of an analogue source");
    for picture in ["color=c=0x10233F:s=640x360:r=25:d=4", "testsrc2=s=640x360:r=25:d=4"] {
        assert!(!samples(picture, "libx264").await.iter().any(FrameSample::is_black), "{picture}");
    }
}

#[tokio::test]
async fn a_picture_that_stands_is_told_from_one_that_moves() {
    let frozen = "testsrc2=s=640x360:r=25:d=1,trim=end_frame=1,loop=loop=100:size=1,setpts=N/25/TB";
    for codec in ["libx264", "mpeg2video"] {
        let [first, last] = samples(frozen, codec).await;
        assert!(first.is_same_as(&last) && !first.is_black(), "{codec}");
        let [first, last] = samples("testsrc2=s=640x360:r=25:d=4", codec).await;
        assert!(!first.is_same_as(&last), "{codec}");
    }
}

#[tokio::test]
async fn clips_of_every_kind_are_seen() {
    for kind in [Kind::H264Aac, Kind::H264OpenGopSubs, Kind::NoIdr, Kind::HevcAc3, Kind::Mpeg2Mp2] {
        let seen = see(Clip::get(kind).bytes().to_vec()).await;
        assert!(seen.as_ref().is_ok_and(|sample| !sample.is_black()), "{kind:?}: {seen:?}");
    }
}

#[tokio::test]
async fn what_has_no_picture_says_so() {
    for bytes in [Clip::get(Kind::AudioOnly).bytes().to_vec(), b"<html></html>".to_vec(), Vec::new()] {
        let error = see(bytes).await.unwrap_err();
        assert!(matches!(error, Error::NoPicture(_)), "{error}");
    }
    let error = sample_frame(Path::new("/nowhere/ffmpeg"), Bytes::new(), PATIENCE).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot run ffmpeg (No such file"), "{error}");
}

/// A program that says who it is, and hangs.
struct Hanging {
    _folder: tempfile::TempDir,
    program: PathBuf,
    said: PathBuf,
}

impl Hanging {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (program, said) = (folder.path().join("ffmpeg"), folder.path().join("pid"));
        let script =
            format!("#!/bin/sh\necho $$ >{0}.new && mv {0}.new {0}\nexec sleep 600\n", said.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { _folder: folder, program, said }
    }

    /// Whether it runs; `None` before it has begun. What was killed may not have been waited for.
    fn runs(&self) -> Option<bool> {
        let pid = fs::read_to_string(&self.said).ok()?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        Some(stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.starts_with(" Z")))
    }

    async fn wait_until(&self, runs: bool) {
        let wait = async {
            while self.runs() != Some(runs) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it comes and goes");
    }
}

#[tokio::test]
async fn one_that_hangs_is_killed_after_its_time_or_when_nobody_waits() {
    let hanging = Hanging::new();
    // More than a pipe holds.
    let packets = Bytes::from(vec![0x47; 1 << 20]);
    let timeout = Duration::from_secs(2);
    let error = sample_frame(&hanging.program, packets.clone(), timeout).await.unwrap_err();
    assert_eq!((error, hanging.runs()), (Error::Timeout(timeout), Some(false)));

    let abandoned = Hanging::new();
    let program = abandoned.program.clone();
    let task = tokio::spawn(async move { sample_frame(&program, packets, PATIENCE * 2).await });
    abandoned.wait_until(true).await;
    task.abort();
    abandoned.wait_until(false).await;
    assert!(see(Clip::get(Kind::H264Aac).bytes().to_vec()).await.is_ok(), "it is another's turn");
}
