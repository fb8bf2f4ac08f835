//! Sources that are programs: what one writes to its standard output is the stream.
//!
//! Only the configuration can name one, as a list of words; no shell reads them. The program is a
//! process group of its own that dies with the server, and is killed when nobody wants the source
//! any more. When it ends, its channel begins it anew, as any source that ends.

use bytes::BytesMut;
use forebay_core::ingest::Pace;
use forebay_relay::input::{Error, Piece, SocketGuard, Upstream};
use futures_util::{StreamExt as _, stream};
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Inner;
use crate::jobs::ffmpeg::{self, Group, Said, Started, start_program};

/// Bytes that are read of it at once.
const PIECE: usize = 64 << 10;

/// Pieces that wait to be taken. With them full, the program waits.
const MAX_WAITING: usize = 16;

/// How long its end and its last words are waited for once it writes no more.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);

type Pieces = mpsc::Sender<Result<Piece, Error>>;

/// Starts the program that these words name.
pub(super) async fn open(inner: &Inner, words: &[String], hold: SocketGuard) -> Result<Upstream, Error> {
    let started = start_program(words).await.map_err(|error| {
        Error::Job(match error {
            ffmpeg::Error::Missing { program, .. } => format!("there is no {}", program.display()),
            ffmpeg::Error::Run(error) => format!("cannot run the program: {error}"),
            error => error.to_string(),
        })
    })?;
    let (pieces, coming) = mpsc::channel(MAX_WAITING);
    inner.tasks.spawn(run(started, pieces, inner.stop.clone()));
    let pieces = stream::unfold(coming, |mut coming: mpsc::Receiver<Result<Piece, Error>>| async move {
        let piece = coming.recv().await?;
        Some((piece, coming))
    });
    Ok(Upstream::new(pieces.boxed(), Pace::Live, hold))
}

async fn run(started: Started, pieces: Pieces, stop: CancellationToken) {
    let Started { group, stdout, stderr } = started;
    let mut said = Said::default();
    let is_over = {
        let (draining, listening) = (drain(stdout, &pieces), listen(stderr, &mut said));
        tokio::pin!(draining, listening);
        let mut is_silent = false;
        loop {
            tokio::select! {
                biased;
                () = pieces.closed() => break false,
                () = stop.cancelled() => break false,
                () = &mut listening, if !is_silent => is_silent = true,
                () = &mut draining => {
                    if !is_silent {
                        let _ = tokio::time::timeout(LAST_WORDS, &mut listening).await;
                    }
                    break true;
                }
            }
        }
    };
    if is_over {
        let _ = pieces.send(Err(ending(group, said).await)).await;
    } else {
        group.kill().await;
    }
}

/// How it has ended, for people.
async fn ending(group: Group, said: Said) -> Error {
    let status = group.wait(LAST_WORDS).await.map_or_else(|error| error.to_string(), |it| it.to_string());
    Error::Job(format!("the program has ended ({status}): {}", said.text()))
}

async fn drain(mut stdout: ChildStdout, pieces: &Pieces) {
    loop {
        let mut buffer = BytesMut::with_capacity(PIECE);
        match stdout.read_buf(&mut buffer).await {
            Ok(1..) => {
                if pieces.send(Ok(Piece::Bytes(buffer.freeze()))).await.is_err() {
                    return;
                }
            }
            Ok(0) | Err(_) => return,
        }
    }
}

async fn listen(mut stderr: ChildStderr, said: &mut Said) {
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut piece).await {
        said.handle_bytes(&piece[..length]);
    }
}
