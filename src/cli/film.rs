//! `forebay film check`: how is this file played, and why so?

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use forebay_core::index::{Film, Kind, Track};
use forebay_core::manifest::Rendition;

use super::check::count;
use crate::config::Films;
use crate::films::{Opened, Sidecar, open};

/// Segments longer than this make players wait, and seeks slow.
const LONG: Duration = Duration::from_secs(15);

/// Prints what a file has and what becomes of it; fails with 1 where it is only to be had as it is.
pub fn check(path: &Path) -> ExitCode {
    // Whoever closed the pipe does not want to read it; the exit code still tells.
    report(path, &mut io::stdout().lock(), &mut io::stderr().lock()).unwrap_or(ExitCode::FAILURE)
}

fn report(path: &Path, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    let shown = path.display();
    let opened = match open(path, Films::default().segment) {
        Ok(opened) => opened,
        Err(error) => {
            writeln!(err, "{shown}: {error}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let film = &opened.film;
    writeln!(out, "{shown}: {}, {} bytes", seconds(film.total()), film.length())?;
    for (at, track) in film.tracks().iter().enumerate() {
        writeln!(out, "  t{at}: {}", describe(film, at, track))?;
    }
    for codec in film.left_out() {
        writeln!(out, "  left out: {codec}, which is not offered by HLS and DASH")?;
    }
    for (at, text) in film.texts().iter().enumerate() {
        let language = text.language.as_deref().unwrap_or("und");
        writeln!(out, "  e{at}: subtitles, {language}")?;
    }
    for sidecar in Sidecar::find(path) {
        let (name, beside) = (&sidecar.subtitles.name, sidecar.path().display());
        match sidecar.read() {
            Ok((cues, _)) => writeln!(out, "  {name}: {beside}, {}", count(cues.len(), "cue"))?,
            Err(error) => writeln!(err, "{beside}: {error}")?,
        }
    }
    let segments = count(film.segments(), "segment");
    writeln!(out, "  {segments}, the longest of {}", seconds(film.longest()))?;
    if film.longest() > LONG {
        writeln!(err, "{shown}: warning: key frames are far apart: players wait for whole segments")?;
    }
    let tracks = Rendition::Main.tracks(film);
    match ranges(&opened, &tracks) {
        Ok(0) => writeln!(out, "  HLS: a segment is put together from its packets")?,
        Ok(1) => writeln!(out, "  HLS: a segment is one range of the file")?,
        Ok(most) => writeln!(out, "  HLS: a segment has up to {most} ranges of the file")?,
        Err(error) => {
            writeln!(err, "{shown}: {error}")?;
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(film: &Film, at: usize, track: &Track) -> String {
    let rates = film.rates(&[at]);
    let what = match track.kind {
        Kind::Video => format!("{}x{}", track.size.0, track.size.1),
        Kind::Audio => count(track.channels.into(), "channel"),
    };
    let language = track.language.as_deref().map_or_else(String::new, |language| format!(", {language}"));
    let kbits = |rate: u64| rate / 1000;
    let (average, peak) = (kbits(rates.average), kbits(rates.peak));
    format!("{}, {what}{language}, {average} kbit/s, {peak} in the segment with the most", track.codec)
}

/// The most ranges of the file that a segment has.
fn ranges(opened: &Opened, tracks: &[usize]) -> Result<usize, crate::films::OpenError> {
    let of = |n| opened.segment(n, tracks, false).map(|segment| segment.ranges.len());
    (0..opened.film.segments()).map(of).try_fold(0, |most, ranges| Ok(most.max(ranges?)))
}

fn seconds(span: Duration) -> String {
    format!("{}.{:03} s", span.as_secs(), span.subsec_millis())
}
