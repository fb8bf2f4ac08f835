//! The task of a job: the channel into ffmpeg, and what comes of it out.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use forebay_core::jobs::ProgressReader;
use forebay_relay::channel::Subscription;
use forebay_relay::input::{Error, Piece};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::arguments::arguments;
use super::meter::Meter;
use super::{Order, Ticket};
use crate::jobs::ffmpeg::{Ffmpeg, Piped, Said};

/// Bytes that are read of ffmpeg at once.
const PIECE: usize = 64 << 10;

/// Bytes that are written to it at once: as many as a pipe holds, so that waits are short.
const PORTION: usize = 64 << 10;

/// A job that was let in.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) ticket: Ticket,
    pub(super) subscription: Subscription,
    pub(super) pieces: mpsc::Sender<Result<Piece, Error>>,
    pub(super) program: String,
}

/// Why an ffmpeg was ended.
enum End {
    /// Another profile is wanted.
    Changed,
    /// Nobody wants it any more, or the server ends.
    Unwanted,
    Failed(Error),
}

impl Job {
    /// Runs until it fails, or nobody takes what it makes.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let end = stop.run_until_cancelled(self.encode()).await;
            self.ticket.meter.set_pid(None);
            match end {
                Some(End::Changed) => {
                    self.subscription.restart();
                    if self.pieces.send(Ok(Piece::Discontinuity)).await.is_err() {
                        return;
                    }
                }
                Some(End::Failed(error)) => {
                    // Whoever took the pieces may have gone.
                    let _ = self.pieces.send(Err(error)).await;
                    return;
                }
                Some(End::Unwanted) | None => return,
            }
        }
    }

    /// Runs one ffmpeg.
    async fn encode(&mut self) -> End {
        let Order::Encode(profile) = self.ticket.orders.borrow_and_update().clone() else {
            return End::Failed(stopped());
        };
        let started = Ffmpeg::new(&self.program).start_piped(arguments(&profile)).await;
        let Piped { group, stdin, stdout, stderr } = match started {
            Ok(piped) => piped,
            Err(error) => return End::Failed(Error::Job(error.to_string())),
        };
        let meter = &self.ticket.meter;
        meter.set_pid(group.id());
        meter.starts.fetch_add(1, Ordering::Relaxed);
        let mut said = Said::of_log();
        let ended = {
            let feeding = feed(&mut self.subscription, stdin, meter);
            let draining = drain(stdout, &self.pieces, meter);
            let listening = listen(stderr, &mut said, meter);
            let ordered = other_order(&mut self.ticket.orders, &profile);
            tokio::pin!(feeding, draining, listening, ordered);
            let (mut is_fed, mut is_silent) = (false, false);
            loop {
                tokio::select! {
                    biased;
                    () = self.pieces.closed() => break Some(End::Unwanted),
                    () = &mut ordered => break Some(End::Changed),
                    // It may be ending, and have media left.
                    () = &mut feeding, if !is_fed => is_fed = true,
                    () = &mut listening, if !is_silent => is_silent = true,
                    // Its last words come behind its media.
                    () = &mut draining => {
                        if !is_silent {
                            let _ = timeout(LAST_WORDS, &mut listening).await;
                        }
                        break None;
                    }
                }
            }
        };
        group.kill().await;
        ended.unwrap_or_else(|| {
            End::Failed(Error::Job(format!("ffmpeg has ended, or stood still: {}", said.text())))
        })
    }
}

/// How long it may make nothing while its input waits for it. The channel would notice it later:
/// it has media that lasts for a while.
const STALL: Duration = Duration::from_secs(3);

/// How long its last words are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

fn stopped() -> Error {
    Error::NoCpu("the job was stopped, so that others keep up".to_owned())
}

/// Waits until something else is to be done than encoding this.
async fn other_order(orders: &mut watch::Receiver<Order>, current: &forebay_core::transcode::Profile) {
    let is_other = |order: &Order| !matches!(order, Order::Encode(profile) if profile == current);
    // Whoever gives orders lives as long as the ticket.
    let _ = orders.wait_for(is_other).await;
}

/// Writes the channel to ffmpeg, until either ends.
async fn feed(subscription: &mut Subscription, mut stdin: ChildStdin, meter: &Meter) {
    while let Ok(Some(bytes)) = subscription.next().await {
        for portion in bytes.chunks(PORTION) {
            let begun = Instant::now();
            meter.is_awaited.store(true, Ordering::Relaxed);
            let written = stdin.write_all(portion).await;
            meter.is_awaited.store(false, Ordering::Relaxed);
            meter.add_wait(begun.elapsed());
            if let Err(error) = written {
                return log_broken(&error);
            }
            meter.read.fetch_add(portion.len() as u64, Ordering::Relaxed);
        }
    }
}

fn log_broken(error: &io::Error) {
    debug!(%error, "ffmpeg takes no more");
}

/// Passes on what ffmpeg makes, until it ends, or stands still though it has input.
async fn drain(mut stdout: ChildStdout, pieces: &mpsc::Sender<Result<Piece, Error>>, meter: &Meter) {
    loop {
        let mut buffer = BytesMut::with_capacity(PIECE);
        let Ok(read) = timeout(STALL, stdout.read_buf(&mut buffer)).await else {
            if meter.is_awaited.load(Ordering::Relaxed) {
                return;
            }
            continue;
        };
        match read {
            Ok(count @ 1..) => {
                meter.written.fetch_add(count as u64, Ordering::Relaxed);
                if pieces.send(Ok(Piece::Bytes(buffer.freeze()))).await.is_err() {
                    return;
                }
            }
            Ok(0) | Err(_) => return,
        }
    }
}

/// Reads what ffmpeg says: how far it is, and what is wrong.
async fn listen(mut stderr: ChildStderr, said: &mut Said, meter: &Meter) {
    let (mut progress, mut piece) = (ProgressReader::default(), [0; 4096]);
    while let Ok(length @ 1..) = stderr.read(&mut piece).await {
        said.handle_bytes(&piece[..length]);
        if let Some(progress) = progress.handle_bytes(&piece[..length]) {
            meter.set_out_time(progress.out_time);
        }
    }
}
