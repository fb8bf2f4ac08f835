//! Has ffmpeg decode one picture of a stream, to see whether it is black or stands.
//!
//! It is a program of its own, since decoders are large and are fed by strangers: it reads the
//! stream from a pipe, may open nothing else, and is killed when it takes too long, or when nobody
//! waits for it any more.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::frame_sample::{FrameSample, HEIGHT, SIZE, WIDTH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// The most that is decoded, in bytes: several of the largest pictures of a 4K broadcast. What is
/// longer is cut.
const MAX_STREAM: usize = 4_000_000;

/// What ffmpeg may say about its failure, in bytes: a line or two. With more it meets a closed
/// pipe.
const MAX_SAID: u64 = 1024;

/// How many are decoded at once: samples are never urgent, and each takes a processor for a moment.
static TURN: Semaphore = Semaphore::const_new(1);

/// Why there is no sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The program is not there, or may not be run.
    #[error("cannot run ffmpeg ({0}): install it, or turn off what samples at pictures")]
    Run(String),
    /// It took too long.
    #[error("ffmpeg decoded no picture within {0:?}")]
    Timeout(Duration),
    /// It found nothing to decode.
    #[error("ffmpeg decoded no picture: {0}")]
    NoPicture(String),
}

/// Decodes the first picture of `packets`, a transport stream that begins with PAT, PMT and a
/// random access point. `ffmpeg` is the program; it may take as long as `timeout`, not counted the
/// wait for another sample to be taken.
pub async fn sample_frame(ffmpeg: &Path, packets: Bytes, timeout: Duration) -> Result<FrameSample, Error> {
    // Outside the limit of time: a sample that waits its turn is not slow.
    let _turn = TURN.acquire().await.map_err(|closed| Error::Run(closed.to_string()))?;
    let mut child = start(ffmpeg).map_err(|error| Error::Run(error.to_string()))?;
    let decoded = tokio::time::timeout(timeout, decode(&mut child, packets)).await;
    // It may wait for more to read, or hang.
    let killed = child.kill().await;
    let (samples, said) = decoded
        .map_err(|_| Error::Timeout(timeout))?
        .and_then(|decoded| killed.map(|()| decoded))
        .map_err(|error| Error::Run(error.to_string()))?;
    FrameSample::new(samples).ok_or_else(|| Error::NoPicture(reason(&said)))
}

fn start(ffmpeg: &Path) -> io::Result<Child> {
    let scale = format!("scale={WIDTH}:{HEIGHT}:flags=area,format=gray");
    Command::new(ffmpeg)
        // One thread: a sample is never urgent, and the channels need the other processors.
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-threads", "1"])
        // The format is fixed and nothing but the pipe may be opened: a
        // hostile stream could else pose as a playlist that names files.
        .args(["-protocol_whitelist", "pipe", "-f", "mpegts", "-i", "pipe:0"])
        // A size that is small and the same for all:
        // brightness and change are compared, not details.
        .args(["-map", "0:v:0", "-frames:v", "1", "-vf", &scale, "-f", "rawvideo", "pipe:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// The samples that ffmpeg gives, and what it says.
async fn decode(child: &mut Child, mut packets: Bytes) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
    let mut stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let stderr = child.stderr.take().ok_or_else(missing)?;
    packets.truncate(MAX_STREAM);
    let write = async move {
        // It reads no more than it needs for a picture, and closes the pipe then.
        let _ = stdin.write_all(&packets).await;
        drop(stdin);
        Ok(())
    };
    let (mut samples, mut said) = (Vec::with_capacity(SIZE), Vec::new());
    // One byte more than a picture: with exactly as many, too much would look right.
    let mut stdout = stdout.take(SIZE as u64 + 1);
    let listen = async {
        // The pipe is closed behind that, so that whoever says more does not wait for a listener.
        stderr.take(MAX_SAID).read_to_end(&mut said).await
    };
    // At the same time: a program that writes while its input is fed would block on a full pipe.
    tokio::try_join!(write, stdout.read_to_end(&mut samples), listen)?;
    Ok((samples, said))
}

/// The last line of what ffmpeg said.
fn reason(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    last.unwrap_or("there is none in it").to_owned()
}

#[cfg(test)]
mod tests;
