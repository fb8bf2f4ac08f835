//! The log: lines on stderr, and in files where one is configured.
//!
//! Whoever logs never waits for a reader of the log, and no viewer, source or repeated fault makes
//! it grow without bound: fields are limited where they are logged, kinds of lines by `Kinds`, what
//! waits for a writer by `Queue`, and files by `Daily`.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd as _;
use std::panic::{self, PanicHookInfo};
use std::path::PathBuf;
use std::thread;

use tracing::Subscriber;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, FormatFields, Writer};
use tracing_subscriber::fmt::{self as lines, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::util::SubscriberInitExt;

use super::daily::Daily;
use super::kinds::Kinds;
use super::queue::{Closer, Format, Queue};
use super::recent::RECENT;
use crate::config::log_filter::{FilterError, parse_filter};
use crate::config::{Log, LogFormat};

/// Keeps the log going; what waits for its writers is written when it is dropped, within a second.
/// Hold it until the end of `main`.
#[must_use = "dropping it ends the log"]
pub struct Guard {
    queues: Vec<(Queue, Closer)>,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The level or its directives mean nothing.
    #[error("log level: {0}")]
    Filter(#[from] FilterError),
    /// The file could not be opened.
    #[error("log file {}: {source}", path.display())]
    File {
        /// Its configured name.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no writer for it.
    #[error("log: {0}")]
    Writer(#[source] io::Error),
    /// There is one already.
    #[error("the log was set up before")]
    Twice,
}

/// Sets up the log of this process, once. The level is the one in `config`: flags and environment
/// stand in it already.
///
/// Lines go to stderr as text, in colours if that is a terminal and `NO_COLOR` is not set, or as
/// JSON: one object with `timestamp`, `level`, `target`, `message`, the fields by name, and `spans`
/// from the outermost. The file has the same without colours.
pub fn init(config: &Log) -> Result<Guard, Error> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = config.format == LogFormat::Auto && io::stderr().is_terminal() && !no_color;
    // Not `io::stderr`: while a write to that hangs, its lock would hold up whoever else says
    // something there.
    let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(Error::Writer)?;
    let (subscriber, guard) = build(config, File::from(stderr), colours)?;
    subscriber.try_init().map_err(|_| Error::Twice)?;
    panic::set_hook(Box::new(log_panic));
    Ok(guard)
}

/// The usual hook writes to stderr itself, and would wait there for ever.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a value that is no text");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(thread, backtrace, "panicked at {location}: {message}");
}

impl Guard {
    /// How many lines did not reach stderr or the file, because nobody took them in time.
    pub fn lost_lines(&self) -> u64 {
        self.queues.iter().map(|(queue, _)| queue.lost()).sum()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("lost_lines", &self.lost_lines()).finish_non_exhaustive()
    }
}

fn build<W: Write + Send + 'static>(
    config: &Log,
    stderr: W,
    colours: bool,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Guard), Error> {
    let filter = parse_filter(&config.level)?;
    let format = match config.format {
        LogFormat::Json => Format::Json,
        LogFormat::Auto | LogFormat::Text => Format::Text,
    };
    let kinds = Kinds::default();
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = vec![kinds.clone().boxed()];

    let tick = move || kinds.tell();
    let (queue, closer) = Queue::start("stderr", format, stderr, tick).map_err(Error::Writer)?;
    layers.push(match format {
        Format::Json => json_layer(queue.clone()),
        Format::Text => lines::layer().with_ansi(colours).with_writer(queue.clone()).boxed(),
    });
    // Pages show the latest lines.
    layers.push(json_layer(&RECENT));
    let mut guard = Guard { queues: vec![(queue, closer)] };

    if let Some(path) = &config.file {
        let file = Daily::open(path, config.file_keep, config.file_max_bytes)
            .map_err(|source| Error::File { path: path.clone(), source })?;
        let (queue, closer) = Queue::start("file", format, file, || ()).map_err(Error::Writer)?;
        layers.push(match format {
            Format::Json => json_layer(queue.clone()),
            Format::Text => {
                let layer = lines::layer().fmt_fields(FileFields::default()).with_ansi(false);
                layer.with_writer(queue.clone()).boxed()
            }
        });
        guard.queues.push((queue, closer));
    }
    Ok((tracing_subscriber::registry().with(layers).with(filter), guard))
}

fn json_layer<S, W>(writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // `spans` ends with the current one already.
    lines::layer().json().flatten_event(true).with_current_span(false).with_writer(writer).boxed()
}

/// The usual format of fields under a type of its own: layers with the same one share the rendered
/// fields of a span, and the file would get the terminal's colours.
#[derive(Default)]
struct FileFields(DefaultFields);

impl<'w> FormatFields<'w> for FileFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        self.0.format_fields(writer, fields)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What two lines and two spans look like on stderr.
    fn written(config: &Log, colours: bool) -> String {
        #[derive(Clone, Default)]
        struct Sink(Arc<Mutex<Vec<u8>>>);
        impl Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let sink = Sink::default();
        let (subscriber, guard) = build(config, sink.clone(), colours).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let _channel = tracing::info_span!("channel", id = "sport").entered();
            let _upstream = tracing::info_span!("upstream", source = 1).entered();
            tracing::info!(bytes.read = 7, "opened");
            tracing::debug!("not shown at info");
        });
        assert_eq!(guard.lost_lines(), 0);
        drop(guard);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn after_timestamp(line: &str) -> &str {
        line.split_once(' ').map(|(_, rest)| rest.trim_start()).unwrap()
    }

    const TEXT: &str = "INFO channel{id=\"sport\"}:upstream{source=1}: forebay::telemetry::log::tests: opened bytes.read=7\n";

    #[test]
    fn text_is_for_people() {
        assert_eq!(after_timestamp(&written(&Log::default(), false)), TEXT);
    }

    #[test]
    fn json_is_for_machines() {
        let line = written(&Log { format: LogFormat::Json, ..Log::default() }, false);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "INFO");
        assert_eq!(value["message"], "opened");
        assert_eq!(value["bytes.read"], 7);
        assert_eq!(value["spans"][0]["name"], "channel");
        assert_eq!(value["spans"][0]["id"], "sport");
        assert_eq!(value["spans"][1]["source"], 1);
        assert!(value["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn the_file_has_the_lines_without_colours_when_the_guard_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("forebay.log");
        let stderr = written(&Log { file: Some(file.clone()), ..Log::default() }, true);
        assert!(stderr.contains("\u{1b}["), "{stderr:?}");
        assert_eq!(after_timestamp(&std::fs::read_to_string(file).unwrap()), TEXT);
    }

    #[test]
    fn a_file_that_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("blocked");
        std::fs::write(&file, "").unwrap();
        let config = Log { file: Some(file.join("forebay.log")), ..Log::default() };
        let message = build(&config, io::sink(), false).err().unwrap().to_string();
        assert!(message.starts_with("log file ") && message.contains("blocked/forebay.log: "), "{message}");
    }
}
