//! `forebay probe`: opens an address as a source and tells what comes.

mod render;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use forebay_core::ts::survey::Survey;
use forebay_relay::input::{Context, Error, Opener, Piece, SocketGuard, Sources, sniff};
use futures_util::StreamExt;

use super::args::Probe;

/// How often the progress line changes.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Bytes in which a transport stream must be found, as when a channel is opened.
const MAX_UNLOCKED: u64 = 256 * 1024;

/// Probes; exit code 1 when no transport stream came.
pub fn probe(args: &Probe) -> ExitCode {
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Request(error.to_string()))
        .and_then(|runtime| runtime.block_on(look(args)));
    let (text, code) = match outcome {
        Ok(look) if args.json => (render::json(args, &look), ExitCode::SUCCESS),
        Ok(look) => (render::text(args, &look), ExitCode::SUCCESS),
        Err(error) if args.json => (render::json_error(args, &error), ExitCode::FAILURE),
        Err(error) => {
            let _ = writeln!(io::stderr(), "forebay: {}: {error}", args.url);
            return ExitCode::FAILURE;
        }
    };
    // Whoever closed the pipe does not want to read it.
    let _ = writeln!(io::stdout().lock(), "{text}");
    code
}

/// What was seen.
struct Look {
    report: forebay_core::ts::survey::Report,
    /// From the request to the first byte.
    first_byte: Duration,
    /// From the first byte to the end of the look.
    took: Duration,
    /// Why it ended before its time, if it did.
    ended: Option<Error>,
}

async fn look(args: &Probe) -> Result<Look, Error> {
    let limit = args.limit();
    let asked = Instant::now();
    let opening = Sources::new().open(&args.source(), &Context::default(), SocketGuard::default());
    let mut upstream = tokio::time::timeout(limit, opening).await.map_err(|_| Error::ConnectTimeout)??;
    let mut survey = Survey::new(args.program);
    let (mut beginning, mut bytes) = (Vec::new(), 0);
    let mut first_byte = None;
    let mut progress = Progress::new(args.json);
    let read = async {
        // A file is looked through once: at the speed of the disk, and at most for the time.
        while let Some(piece) = upstream.pieces.next().await {
            let piece = match piece? {
                Piece::Bytes(piece) => piece,
                Piece::Activity => continue,
                Piece::SegmentEnd => {
                    survey.cut();
                    continue;
                }
                // A list of segments goes on behind a seam.
                Piece::Discontinuity if upstream.parts.is_some() => {
                    survey.cut();
                    continue;
                }
                Piece::Discontinuity => return Ok(()),
            };
            first_byte.get_or_insert_with(Instant::now);
            beginning.extend(piece.iter().take(sniff::LOOKED_AT.saturating_sub(beginning.len())));
            bytes += piece.len() as u64;
            survey.push(&piece);
            if survey.packet_size().is_none() && bytes > MAX_UNLOCKED {
                return Err(Error::NotTransportStream(sniff::describe_whole(&beginning)));
            }
            progress.show(asked.elapsed(), limit, bytes);
            // Without this, a file that is always ready would never let the time run out.
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let ended = match tokio::time::timeout(limit, read).await {
        Ok(Err(error)) => Some(error),
        Ok(Ok(())) | Err(_) => None,
    };
    progress.clear();
    if survey.packet_size().is_none() {
        // What came before the end tells more than that it ended.
        let ended = ended.filter(|error| *error != Error::Ended);
        let trouble = || upstream.parts.as_ref().and_then(|parts| parts.trouble());
        let nothing = || Error::NotTransportStream(sniff::describe_whole(&beginning));
        return Err(ended.or_else(trouble).unwrap_or_else(nothing));
    }
    let first_byte = first_byte.unwrap_or(asked);
    Ok(Look { report: survey.report(), first_byte: first_byte - asked, took: first_byte.elapsed(), ended })
}

/// A line on the terminal that says that something is going on.
struct Progress {
    is_shown: bool,
    next: Instant,
}

impl Progress {
    fn new(is_quiet: bool) -> Self {
        Self { is_shown: !is_quiet && io::stderr().is_terminal(), next: Instant::now() }
    }

    fn show(&mut self, elapsed: Duration, limit: Duration, bytes: u64) {
        if self.is_shown && Instant::now() >= self.next {
            self.next = Instant::now() + PROGRESS_EVERY;
            let (elapsed, limit) = (elapsed.as_secs(), limit.as_secs());
            let _ = write!(io::stderr(), "\r{elapsed} of {limit} s, {} KiB ", bytes / 1024);
        }
    }

    fn clear(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r{:40}\r", "");
        }
    }
}
