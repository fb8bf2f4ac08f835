//! Smaller copies of films, for viewers whose network or screen is small.
//!
//! A job makes the copies of one film, all by one ffmpeg, in a folder of its own. Each is indexed
//! as viewers' requests would have it; only one that is cut where the film is cut is put in its
//! place, whole, by one rename. Half a copy is never offered, whenever the server dies.

mod copies;
mod encode;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::jobs::{Backoff, FfmpegProgress, Policy, Priority};
use forebay_core::rungs::{self, Rung};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tracing::info;

pub use self::copies::{Copies, OpenCopy};
use self::encode::{Output, arguments};
use super::{FilmId, Library, OpenError, Opened, Video, file_tag, open, tag};
use crate::config::InForce;
use crate::db::jobs::NewJob;
use crate::jobs::ffmpeg::{self, Ffmpeg};
use crate::jobs::{Context, Failure, Handler, Kind};

/// The kind of these jobs.
const KIND: &str = "ladder";

/// One at a time: each takes all processors.
const POLICY: Policy = Policy {
    concurrency: 1,
    deadline: Duration::from_hours(48),
    max_failures: 3,
    backoff: Backoff { first: Duration::from_secs(2), factor: 4, max: Duration::from_hours(1) },
};

/// How often it is looked whether the films are known, after a start.
const LOOK: Duration = Duration::from_millis(100);

/// Makes the copies of films.
#[derive(Debug, Clone)]
pub struct Ladder {
    library: Arc<Library>,
    copies: Arc<Copies>,
    config: InForce,
}

/// What a job works on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Args {
    /// The id of the film.
    video: String,
    /// Whether copies that are there are made anew.
    #[serde(default)]
    force: bool,
}

impl Ladder {
    /// The kind of job that makes copies.
    pub fn kind(library: Arc<Library>, copies: Arc<Copies>, config: InForce) -> Kind {
        Kind { name: KIND, policy: POLICY, handler: Arc::new(Self { library, copies, config }) }
    }

    /// A job that makes the copies of a film which it lacks; all of them with `force`.
    pub fn job(video: FilmId, force: bool, priority: Priority, owner: String) -> NewJob {
        let args = Args { video: video.to_string(), force };
        let args = serde_json::to_value(args).expect("its keys are texts");
        NewJob { kind: KIND, args, priority, unique_key: Some(format!("{KIND}:{video}")), owner }
    }

    async fn make(self, context: Context) -> Result<Value, Failure> {
        let args: Args = serde_json::from_value(context.args.clone())
            .map_err(|error| Failure::lasting(format!("what it works on is none: {error}")))?;
        let video = find(&self.library, &args.video).await?;
        // As it is now, not as it was when the job was added: days may lie between.
        let films = self.config.get().films.clone();
        let (path, segment) = (video.path().to_owned(), films.segment);
        // Not from the shelf of what is played: the job holds it for
        // hours, and must not push out films that somebody watches.
        let source = aside(move || open(&path, segment)).await?.map_err(|error| failure(&error))?;
        let source = Arc::new(source);
        let wanted = rungs::rungs(&source.film, &films.ladder).map_err(lasting)?;
        let there = self.copies.of(video.id, &source).await.map_err(retryable)?;
        let is_there = |rung: &Rung| there.iter().any(|copy| copy.is_current && copy.rung == *rung);
        // What is there already, as from an earlier try, is not made again.
        let missing: Vec<Rung> =
            wanted.iter().copied().filter(|rung| args.force || !is_there(rung)).collect();
        if !missing.is_empty() {
            self.encode(&context, &video, &source, &missing).await?;
        }
        let names = |rungs: &[Rung]| rungs.iter().map(|rung| rung.name()).collect::<Vec<_>>();
        Ok(json!({ "rungs": names(&wanted), "made": names(&missing) }))
    }

    async fn encode(
        &self,
        context: &Context,
        video: &Video,
        source: &Arc<Opened>,
        rungs: &[Rung],
    ) -> Result<(), Failure> {
        let (copies, id, job) = (Arc::clone(&self.copies), video.id, context.job);
        let work = aside(move || copies.begin(id, job)).await?.map_err(|error| full(&error))?;
        let cuts = rungs::key_frames(&source.film).map_err(lasting)?;
        let output = |rung: &Rung| Output { rung: *rung, path: work.file(*rung) };
        let outputs: Vec<Output> = rungs.iter().map(output).collect();
        let total = source.film.total();
        let tell = |progress: FfmpegProgress| {
            // A film of no length would make it no number.
            let fraction = progress.out_time.as_secs_f64() / total.as_secs_f64().max(0.001);
            // The last hundredth is for what comes behind it.
            context.tell(fraction.min(0.99), note(&video.title(), progress.speed));
        };
        let arguments = arguments(video.path(), &source.film, &outputs, &cuts);
        Ffmpeg::default().run(arguments, context.stopped(), tell).await.map_err(of_ffmpeg)?;
        // ffmpeg opens the path itself: it may have read
        // another file than the one whose cuts it was told.
        if !is_same(video.path(), source).await? {
            return Err(Failure::retryable("the film was replaced meanwhile"));
        }
        let (rungs, source) = (rungs.to_vec(), Arc::clone(source));
        aside(move || work.finish(&source, &rungs)).await?.map_err(|error| failure_of_copy(&error))?;
        // After they are in their places, or a request
        // between the two would have the old state kept.
        self.copies.forget(video.id);
        info!(film = %video.id, job = job.0, "copies of a film are there");
        Ok(())
    }
}

impl Handler for Ladder {
    fn run(&self, context: Context) -> BoxFuture<'static, Result<Value, Failure>> {
        Box::pin(self.clone().make(context))
    }
}

/// The film, as soon as the folders have been looked into.
pub(in crate::films) async fn find(library: &Library, id: &str) -> Result<Arc<Video>, Failure> {
    let unknown = || Failure::lasting(format!("there is no film {id}"));
    let id = FilmId::parse(id).ok_or_else(unknown)?;
    loop {
        // A film that is found later is looked for in what was found then.
        let is_complete = library.is_complete();
        match library.videos().find(id) {
            Some(video) => {
                return match &video.refusal {
                    Some(refusal) => Err(Failure::lasting(refusal.message.clone())),
                    None => Ok(video),
                };
            }
            None if is_complete => return Err(unknown()),
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

/// `A film, 3.2 times as fast as it plays`
fn note(title: &str, speed: f64) -> String {
    if speed > 0.0 { format!("{title}, {speed:.1} times as fast as it plays") } else { title.to_owned() }
}

/// Whether the file is still the one that was copied.
pub(in crate::films) async fn is_same(path: &Path, source: &Opened) -> Result<bool, Failure> {
    let (path, tag) = (path.to_owned(), tag(&source.identity()));
    aside(move || std::fs::metadata(path).map(|data| file_tag(&data) == tag)).await?.map_err(retryable)
}

/// Does what waits for the disk on a thread that may wait.
pub(in crate::films) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    spawn_blocking(work).await.map_err(retryable)
}

pub(in crate::films) fn retryable(error: impl std::fmt::Display) -> Failure {
    Failure::retryable(error.to_string())
}

pub(in crate::films) fn lasting(error: impl std::fmt::Display) -> Failure {
    Failure::lasting(error.to_string())
}

pub(in crate::films) fn failure(error: &OpenError) -> Failure {
    match error {
        // A disk comes back; the bytes of a film do not change by waiting.
        OpenError::File(_) => retryable(error),
        OpenError::Index(_) | OpenError::Remux(_) | OpenError::Full => lasting(error),
    }
}

fn full(error: &io::Error) -> Failure {
    Failure::retryable(format!("cannot write the copies: {error}"))
}

pub(in crate::films) fn of_ffmpeg(error: ffmpeg::Error) -> Failure {
    match error {
        // Who installs it starts the job again: to try for hours would only hide what is missing.
        ffmpeg::Error::Missing { .. } => lasting(error),
        _ => retryable(error),
    }
}

/// A copy that was made and cannot be offered would be no better the next time.
fn failure_of_copy(error: &copies::PutError) -> Failure {
    match error {
        copies::PutError::Disk(error) => full(error),
        copies::PutError::Open(_) | copies::PutError::Mismatch(_) => lasting(error),
    }
}
