//! `forebay generate-hls`: smaller copies of films, by the Forebay that runs or by this one.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use forebay_core::jobs::Priority;
use forebay_relay::events::Bus;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::args::GenerateHls;
use super::backup::tell;
use super::check::count;
use crate::config::{Config, Environment, InForce};
use crate::db::jobs::{self as rows, Job, JobId, NewJob, State};
use crate::db::{Database, Error, OpenError, Shared};
use crate::films::{Copies, FilmId, Ladder, Library};
use crate::jobs::Queue;

/// How often a terminal is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Characters of the bar.
const BAR: usize = 30;

/// Makes the copies; fails with 1 where one of the jobs fails.
pub fn generate_hls(config: &Path, args: &GenerateHls) -> ExitCode {
    tell(run(config, args))
}

fn run(path: &Path, args: &GenerateHls) -> anyhow::Result<String> {
    let config = Config::load_with(path, Environment::of_process())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        match Database::open(&config.data.path) {
            Ok(database) => alone(database, config, args).await,
            Err(OpenError::InUse { .. }) => beside_a_server(&config, args).await,
            Err(error) => Err(error.into()),
        }
    });
    runtime.shutdown_background();
    result
}

/// Where no server runs: this process looks for the films and makes the copies.
async fn alone(database: Database, config: Config, args: &GenerateHls) -> anyhow::Result<String> {
    let data = config.data.path.clone();
    let config = InForce::new(Arc::new(config));
    let library = Arc::new(Library::new(database.clone()));
    let kind = Ladder::kind(Arc::clone(&library), Arc::new(Copies::new(&data)), config.clone());
    let queue = Queue::new(database.clone(), Bus::new(), vec![kind]);
    let stop = CancellationToken::new();
    let looking = tokio::spawn({
        let (library, stop) = (Arc::clone(&library), stop.clone());
        async move { library.run(&config, stop).await }
    });
    let running = tokio::spawn({
        let (queue, stop) = (queue.clone(), stop.clone());
        async move { queue.run(stop).await }
    });
    let work = async {
        while !library.is_complete() {
            tokio::time::sleep(TELL_EVERY).await;
        }
        let videos = library.videos();
        let known = videos.all().iter().filter(|video| video.refusal.is_none()).map(|video| video.id);
        let mut ids = Vec::new();
        for job in args.jobs(known)? {
            ids.push(queue.add(job).await?.into_job().id);
        }
        let all = || async {
            let running = queue.progress();
            let mut jobs = Vec::new();
            for &id in &ids {
                let mut job = queue.get(id).await?;
                let live = running.iter().find(|live| live.job == id).and_then(|live| live.fraction);
                if let (State::Running { progress, .. }, Some(_)) = (&mut job.state, live) {
                    *progress = live;
                }
                jobs.push(job);
            }
            Ok(jobs)
        };
        follow(all).await
    };
    let result = tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted: what has begun goes on at the next start")),
    };
    stop.cancel();
    let _ = (looking.await, running.await);
    database.close().await;
    result
}

/// Where a server runs: it finds the jobs within a second.
async fn beside_a_server(config: &Config, args: &GenerateHls) -> anyhow::Result<String> {
    let shared = Shared::open(&config.data.path)?;
    let rows = shared.write(crate::db::films::all)?;
    let known = rows.iter().filter(|row| row.refusal.is_none()).filter_map(|row| FilmId::parse(&row.id));
    let jobs = args.jobs(known)?;
    let ids = shared.write(|connection| {
        let now = Timestamp::now().as_millisecond();
        let added = jobs.iter().map(|job| Ok(rows::insert(connection, job, now)?.into_job().id));
        added.collect::<Result<Vec<JobId>, Error>>()
    })?;
    let all = || async {
        let jobs = shared.write(|connection| {
            let found = ids.iter().map(|id| rows::get(connection, *id));
            found.filter_map(Result::transpose).collect::<Result<Vec<Job>, Error>>()
        })?;
        Ok(jobs)
    };
    follow(all).await
}

impl GenerateHls {
    /// A job for each film that is asked for.
    fn jobs(&self, known: impl Iterator<Item = FilmId>) -> anyhow::Result<Vec<NewJob>> {
        let job = |film, priority| Ladder::job(film, self.force, priority, "command".to_owned());
        let Some(id) = &self.video else {
            return Ok(known.map(|film| job(film, Priority::Background)).collect());
        };
        let film = FilmId::parse(id).with_context(|| format!("{id:?} is no UUID"))?;
        if !known.into_iter().any(|known| known == film) {
            bail!(
                "there is no film {film} that can be played in parts: \"forebay film check FILE\" says why"
            );
        }
        Ok(vec![job(film, Priority::Normal)])
    }
}

/// Tells how far the jobs are until all have ended.
async fn follow<F>(all: impl Fn() -> F) -> anyhow::Result<String>
where
    F: Future<Output = anyhow::Result<Vec<Job>>>,
{
    let mut bar = Bar::new();
    loop {
        let jobs = all().await?;
        bar.show(&jobs);
        if jobs.iter().all(|job| job.state.has_ended()) {
            bar.end();
            return summary(&jobs);
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
}

fn summary(jobs: &[Job]) -> anyhow::Result<String> {
    let unfinished: Vec<&Job> =
        jobs.iter().filter(|job| !matches!(job.state, State::Completed { .. })).collect();
    if unfinished.is_empty() {
        return Ok(format!("{}: all copies are there", count(jobs.len(), "film")));
    }
    let told = |job: &&Job| {
        let why = job.error.as_deref().unwrap_or_else(|| job.state.name());
        format!("\n  {}: {why}", job.args["video"].as_str().unwrap_or_default())
    };
    let told: String = unfinished.iter().map(told).collect();
    bail!("{} of {} failed:{told}", unfinished.len(), count(jobs.len(), "film"))
}

/// A line on a terminal; nothing where there is none.
struct Bar {
    is_terminal: bool,
}

impl Bar {
    fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal() }
    }

    fn show(&self, jobs: &[Job]) {
        if self.is_terminal {
            // Who closed the terminal does not want to see it.
            let _ = write!(io::stderr(), "\r{}\x1b[K", line(jobs));
        }
    }

    fn end(&mut self) {
        if self.is_terminal {
            let _ = writeln!(io::stderr());
        }
    }
}

/// `[#########---------------------]  31 %  2 of 7 films`
fn line(jobs: &[Job]) -> String {
    let done = |job: &Job| match job.state {
        State::Running { progress, .. } => progress.unwrap_or(0.0),
        _ if job.state.has_ended() => 1.0,
        _ => 0.0,
    };
    #[expect(clippy::cast_precision_loss, reason = "there are few films")]
    let share = jobs.iter().map(done).sum::<f64>() / jobs.len().max(1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
    let percent = (share * 100.0) as usize;
    let filled = "#".repeat(BAR * percent / 100);
    let ended = jobs.iter().filter(|job| job.state.has_ended()).count();
    format!("[{filled:-<BAR$}] {percent:>3} %  {ended} of {}", count(jobs.len(), "film"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    fn job(database: &Database, state: State) -> Job {
        let added = database.read_here(|connection| rows::get(connection, JobId(1)));
        Job { state, ..added.unwrap().unwrap() }
    }

    #[tokio::test]
    async fn the_bar_tells_how_far_all_jobs_are() {
        let folder = TempDir::new().unwrap();
        let database = Database::open(folder.path()).unwrap();
        let new = Ladder::job(FilmId::random(), false, Priority::Normal, "command".into());
        database.write(move |connection| rows::insert(connection, &new, 1)).await.unwrap();
        let running = State::Running { boot: rows::Boot(1), started_at: 1, progress: Some(0.5) };
        let (running, waiting) = (job(&database, running), job(&database, State::Waiting));
        let completed = job(&database, State::Completed { at: 1, result: json!(null) });
        assert_eq!(line(&[]), "[------------------------------]   0 %  0 of 0 films");
        assert_eq!(
            line(&[running, waiting, completed.clone()]),
            "[###############---------------]  50 %  1 of 3 films"
        );
        assert_eq!(summary(std::slice::from_ref(&completed)).unwrap(), "1 film: all copies are there");
        let failed = Job {
            error: Some("no room".into()),
            state: State::Failed { at: 1 },
            args: json!({ "video": "v" }),
            ..completed.clone()
        };
        let told = summary(&[completed, failed]).unwrap_err().to_string();
        assert_eq!(told, "1 of 2 films failed:\n  v: no room");
    }
}
