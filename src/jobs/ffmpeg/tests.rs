//! The real ffmpeg, and programs that are none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

/// A program that is no ffmpeg.
fn script(folder: &TempDir, text: &str) -> Ffmpeg {
    let path = folder.path().join("ffmpeg");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Ffmpeg::new(path)
}

/// Waits for a file that a script writes: the number of a process.
async fn number(path: &Path) -> Pid {
    let text = loop {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => break text,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

use rustix::process::{Pid, test_kill_process};

#[tokio::test]
async fn it_tells_how_far_it_is_and_writes_its_file() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out.mp4");
    let line = "-f lavfi -i testsrc2=size=64x64:rate=10 -t 5 -c:v libx264 -preset ultrafast";
    let arguments = words(line).into_iter().chain([out.clone().into_os_string()]);
    let last = Mutex::new(FfmpegProgress::default());
    let tell = |progress| *last.lock().unwrap() = progress;
    Ffmpeg::default().run(arguments, std::future::pending(), tell).await.unwrap();
    let last = *last.lock().unwrap();
    assert!(last.is_end && last.out_time > Duration::from_secs(4), "{last:?}");
    assert!(fs::metadata(out).unwrap().len() > 1000);
}

#[tokio::test]
async fn a_failure_says_why() {
    let missing = words("-i /nowhere/film.mp4 -f null -");
    let error = Ffmpeg::default().run(missing, std::future::pending(), |_| ()).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains("No such file or directory"), "{error}");

    let error = Ffmpeg::new("no-such-ffmpeg").run([], std::future::pending(), |_| ()).await.unwrap_err();
    assert!(error.to_string().starts_with("there is no no-such-ffmpeg: install it with \""), "{error}");
}

#[tokio::test]
async fn stopped_it_ends_at_once_with_all_it_has_started() {
    let folder = TempDir::new().unwrap();
    let (own, child) = (folder.path().join("own"), folder.path().join("child"));
    // Both ignore what asks them to end.
    let text = format!(
        "trap '' TERM INT HUP\nsleep 300 &\necho $! > {}\necho $$ > {}\nwait",
        child.display(),
        own.display()
    );
    let ffmpeg = script(&folder, &text);
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let running = tokio::spawn(async move { ffmpeg.run([], stopped, |_| ()).await });
    let processes = [number(&own).await, number(&child).await];
    let began = Instant::now();
    stop.send(()).unwrap();
    assert!(matches!(running.await.unwrap(), Err(Error::Stopped)));
    assert!(began.elapsed() < Duration::from_secs(1));
    for process in processes {
        // The child has no parent any more: whoever takes it up may need a moment.
        while test_kill_process(process).is_ok() && !is_dead(process) {
            assert!(began.elapsed() < Duration::from_secs(1), "{process:?} lives");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Whether only the number of a process is left.
fn is_dead(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

#[tokio::test]
async fn one_that_writes_nothing_is_killed() {
    let folder = TempDir::new().unwrap();
    // It says that it runs, and gets nowhere.
    let text = "echo stuck >&2\nwhile echo out_time_us=1000 && echo progress=continue; do sleep 0.02; done";
    let ffmpeg = script(&folder, text).stalls_after(Duration::from_millis(300));
    let error = ffmpeg.run([], std::future::pending(), |_| ()).await.unwrap_err();
    assert_eq!(error.to_string(), "ffmpeg wrote nothing for 300ms: stuck");
}

#[tokio::test]
async fn one_that_says_much_does_not_wait_for_a_reader() {
    let folder = TempDir::new().unwrap();
    let ffmpeg = script(&folder, "yes complaint | head -c 1000000 >&2\necho progress=end\nexit 3");
    let error = ffmpeg.run([], std::future::pending(), |_| ()).await.unwrap_err();
    assert!(error.to_string().ends_with("complaint; complaint; complaint"), "{error}");
}
