//! The job that makes the small pictures of a film along its time.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::jobs::{Backoff, FfmpegProgress, Policy, Priority};
use forebay_core::manifest::{Sheets, thumbnails};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Pictures, scaled, with_pictures};
use crate::config::InForce;
use crate::db::jobs::NewJob;
use crate::films::ladder::{aside, failure, find, is_same, of_ffmpeg, retryable};
use crate::films::{FilmId, Library, Opened, open};
use crate::jobs::ffmpeg::{Error as FfmpegError, Ffmpeg};
use crate::jobs::{Context, Failure, Handler, Kind};

/// The kind of these jobs.
const KIND: &str = "storyboard";

/// The most small pictures of a film: one each fifteen seconds of two hours, on five sheets.
const MOST: usize = 500;

/// The longer side of a small picture, in pixels.
const SIDE: u32 = 160;

/// Pictures in a row of a sheet, and rows.
const ACROSS: u32 = 10;

/// One at a time, and none for long: only key pictures are decoded.
const POLICY: Policy = Policy {
    concurrency: 1,
    deadline: Duration::from_hours(1),
    max_failures: 2,
    backoff: Backoff { first: Duration::from_secs(10), factor: 4, max: Duration::from_mins(10) },
};

/// Makes storyboards.
#[derive(Debug, Clone)]
pub struct Storyboard {
    library: Arc<Library>,
    pictures: Arc<Pictures>,
    config: InForce,
}

/// What a job works on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Args {
    /// The id of the film.
    video: String,
}

impl Storyboard {
    /// The kind of job that makes storyboards.
    pub fn kind(library: Arc<Library>, pictures: Arc<Pictures>, config: InForce) -> Kind {
        Kind { name: KIND, policy: POLICY, handler: Arc::new(Self { library, pictures, config }) }
    }

    /// A job that makes the storyboard of a film.
    pub fn job(video: FilmId, owner: String) -> NewJob {
        let args = serde_json::to_value(Args { video: video.to_string() }).expect("its keys are texts");
        let unique_key = Some(format!("{KIND}:{video}"));
        NewJob { kind: KIND, args, priority: Priority::Interactive, unique_key, owner }
    }

    async fn make(self, context: Context) -> Result<Value, Failure> {
        let args: Args = serde_json::from_value(context.args.clone())
            .map_err(|error| Failure::lasting(format!("what it works on is none: {error}")))?;
        let video = find(&self.library, &args.video).await?;
        let (path, segment) = (video.path().to_owned(), self.config.get().films.segment);
        let source = aside(move || open(&path, segment)).await?.map_err(|error| failure(&error))?;
        let source = Arc::new(source);
        let state = self.pictures.state(video.id, &source);
        let (work, done) = (state.join(format!("work-{}", context.job.0)), state.join(name(&source)));
        let all = with_pictures(&source);
        let chosen: Vec<usize> = all.iter().copied().step_by(all.len().div_ceil(MOST).max(1)).collect();
        let size = scaled(source.film.tracks()[0].size, SIDE).filter(|_| !chosen.is_empty());
        let made = match size {
            Some(size) => {
                let (keys, folder) = (work.join("keys.mp4"), work.clone());
                let (of_job, segments) = (Arc::clone(&source), chosen.clone());
                let write = move || {
                    fs::create_dir_all(&folder)?;
                    of_job.write_key_pictures(&folder.join("keys.mp4"), &segments)
                };
                aside(write).await?.map_err(|error| failure(&error))?;
                draw(&context, &keys, &work, size, chosen.len()).await
            }
            None => Ok(false),
        };
        let list = match &made {
            Ok(true) => {
                thumbnails(&source.film, &chosen, Sheets { size: size.unwrap_or_default(), side: ACROSS })
            }
            // An empty list says that there are none, and that there is no use in trying again.
            Ok(false) => String::new(),
            Err(_) => {
                let _ = aside(move || fs::remove_dir_all(work)).await;
                return made.map(|_| Value::Null);
            }
        };
        if !is_same(video.path(), &source).await? {
            let _ = aside(move || fs::remove_dir_all(work)).await;
            return Err(Failure::retryable("the film was replaced meanwhile"));
        }
        let pictures = if list.is_empty() { 0 } else { chosen.len() };
        aside(move || finish(&work, &done, &list)).await?.map_err(retryable)?;
        Ok(json!({ "pictures": pictures }))
    }
}

impl Handler for Storyboard {
    fn run(&self, context: Context) -> BoxFuture<'static, Result<Value, Failure>> {
        Box::pin(self.clone().make(context))
    }
}

/// The folder of a film's storyboard. Where the film is cut otherwise, it is another.
pub(super) fn name(source: &Opened) -> String {
    format!("storyboard-{}", source.segment_length().as_millis())
}

/// Draws so many key pictures on sheets. Says whether ffmpeg could decode all of them: else each
/// would stand for another time.
async fn draw(
    context: &Context,
    keys: &Path,
    work: &Path,
    (width, height): (u32, u32),
    count: usize,
) -> Result<bool, Failure> {
    let mut words = input(keys);
    let filter = format!("scale={width}:{height},setsar=1,tile={ACROSS}x{ACROSS}");
    let output =
        ["-vf", &filter, "-fps_mode", "passthrough", "-q:v", "5", "-start_number", "0", "-f", "image2"];
    words.extend(output.map(Into::into));
    words.push(file(&work.join("%d.jpg")));
    context.tell(0.0, format!("{count} pictures"));
    let run = Ffmpeg::default().run(words, context.stopped(), |_: FfmpegProgress| {}).await;
    match run {
        Ok(()) => Ok(true),
        Err(FfmpegError::Failed { .. }) => Ok(false),
        Err(error) => Err(of_ffmpeg(error)),
    }
}

/// What ffmpeg is told of a file of key pictures: one that cannot be decoded is an error.
pub(super) fn input(keys: &Path) -> Vec<OsString> {
    let words = ["-xerror", "-err_detect", "explode", "-threads", "1", "-protocol_whitelist", "file", "-i"];
    words.map(OsString::from).into_iter().chain([file(keys)]).collect()
}

/// A path that is taken for nothing else.
pub(super) fn file(path: &Path) -> OsString {
    let mut word = OsString::from("file:");
    word.push(path);
    word
}

/// Puts what was made into its place, and removes what was made of another state of the film's
/// file.
fn finish(work: &Path, done: &Path, list: &str) -> io::Result<()> {
    let _ = fs::remove_file(work.join("keys.mp4"));
    fs::create_dir_all(work)?;
    fs::write(work.join("thumbnails.vtt"), list)?;
    if done.is_dir() {
        fs::remove_dir_all(done)?;
    }
    fs::rename(work, done)?;
    let Some((state, of_film)) = done.parent().and_then(|state| Some((state, state.parent()?))) else {
        return Ok(());
    };
    for entry in fs::read_dir(of_film)?.flatten() {
        if entry.path() != state {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
