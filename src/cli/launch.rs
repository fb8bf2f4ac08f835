//! `forebay launch`: becomes a program that jobs run.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::jobs::ffmpeg;

/// Becomes the program; fails with 1.
pub fn launch(parent: u32, words: &[OsString]) -> ExitCode {
    let error = ffmpeg::launch::launch(parent, words);
    let _ = writeln!(io::stderr(), "forebay: cannot run the program of a job: {error}");
    ExitCode::FAILURE
}
