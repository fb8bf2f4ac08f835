//! When playlists are read, and by whom: a service.
//!
//! Each is read again so long after the last reading has ended, a little earlier or later, so that
//! not all that were added together ask their servers together. One that fails is tried again soon,
//! then ever later.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{Lineup, Refusal, apply, reaches_private, settings_for_rows, settle};
use crate::config::Config;
use crate::config::playlist::{Origin, PlaylistSpec};
use crate::db::lineup::{self, Changed, PlaylistId};
use crate::db::{Document, Error};

/// Readings at a time: each takes a core for a second at most, and its server's line for as long as
/// that likes.
const MAX_AT_ONCE: usize = 4;

/// When a failed reading is tried again for the first time; the pause doubles with each failure.
const FIRST_RETRY: Duration = Duration::from_mins(1);

/// How long after the start the last of those begins that are due.
const SPREAD: Duration = Duration::from_secs(20);

/// How far a reading is put off or brought forward, as a share of the pause: a tenth.
const JITTER: u32 = 10;

/// Between the readings of a playlist that is read when somebody wants it: it is looked at again
/// before that, and left out then.
const ONCE: Duration = Duration::from_hours(24);

/// How long the schedule may sleep: playlists are looked at that often, whoever has changed them.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// When a playlist is read.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    /// What it followed from.
    every: Duration,
    failures: u32,
    is_running: bool,
}

impl Lineup {
    /// Reads playlists when they are due, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let (mut due, mut running) = (HashMap::new(), JoinSet::new());
        let (mut is_first, mut configured) = (true, None);
        loop {
            let config = self.0.config.get();
            let wanted = (config.playlists.clone(), config.server.allow_private_sources);
            // Compared, since this loop turns each minute and a write would wake all readers.
            if configured.as_ref() != Some(&wanted) {
                match self.configure(&config).await {
                    Ok(()) => configured = Some(wanted),
                    Err(refusal) => error!("the playlists of the configuration cannot be kept: {refusal}"),
                }
            }
            if let Err(refusal) = self.look(&mut due, is_first).await {
                error!("playlists cannot be looked at: {refusal}");
            }
            is_first = false;
            self.start(&mut due, &mut running);
            let next = due.values().filter(|due| !due.is_running).map(|due| due.at).min();
            let latest = Instant::now() + CHECK_INTERVAL;
            let wake = if running.len() < MAX_AT_ONCE { next.unwrap_or(latest).min(latest) } else { latest };
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep_until(wake) => {}
                () = self.0.rescheduled.notified() => {}
                Some(ended) = running.join_next() => {
                    if let Ok((id, is_good)) = ended {
                        self.ended(&mut due, id, is_good);
                    }
                }
            }
        }
        // What has not come yet is not waited for; what is being written is.
        // Dropping a fetch is safe: nothing of it was written.
        running.shutdown().await;
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Takes up playlists that are new, and forgets those that are gone.
    async fn look(&self, due: &mut HashMap<PlaylistId, Due>, is_first: bool) -> Result<(), Refusal> {
        if !self.0.database.is_on() {
            return Ok(());
        }
        let views = self.list().await?;
        due.retain(|id, _| views.iter().any(|view| view.playlist.id == *id));
        for view in views {
            let id = view.playlist.id;
            let settings = self.settings(&view.playlist).ok();
            // One that is never read again is read once.
            let once = || view.taken.is_none().then_some(ONCE);
            // There is nowhere to read an uploaded list from.
            let settings = settings.filter(|it| it.origin != Origin::Upload);
            let every = settings.and_then(|it| it.refresh.or_else(once));
            let is_asked = self.0.runs.is_asked(id);
            let every = every.or_else(|| is_asked.then_some(ONCE));
            let Some(every) = every else {
                due.remove(&id);
                self.0.runs.set_next(id, None);
                continue;
            };
            let is_known = due.get(&id).is_some_and(|due| due.every == every || due.is_running);
            if !is_known {
                let age = view.taken.as_ref().map(|taken| Timestamp::now().as_second() - taken.at.seconds());
                // The clock may have been set back since: then it was read just now.
                let age = age.map(|seconds| Duration::from_secs(seconds.max(0).unsigned_abs()));
                let rest = age.map_or(Duration::ZERO, |age| every.saturating_sub(age));
                let pause =
                    // At the start many are due: all at once would fill the line that viewers need.
                    if is_first && view.taken.is_some() { rest.max(SPREAD.mul_f64(chance())) } else { rest };
                due.insert(id, Due { at: Instant::now() + pause, every, failures: 0, is_running: false });
                self.0.runs.set_next(id, in_time(pause));
            }
            if self.0.runs.take_asked(id) {
                due.entry(id).and_modify(|due| due.at = Instant::now());
            }
        }
        Ok(())
    }

    fn start(&self, due: &mut HashMap<PlaylistId, Due>, running: &mut JoinSet<(PlaylistId, bool)>) {
        let now = Instant::now();
        let mut ready: Vec<_> = due.iter_mut().filter(|(_, due)| !due.is_running && due.at <= now).collect();
        // The one that has waited longest first: else a map's order could starve one.
        ready.sort_by_key(|(_, due)| due.at);
        for (id, due) in ready.into_iter().take(MAX_AT_ONCE.saturating_sub(running.len())) {
            due.is_running = true;
            let (this, id) = (self.clone(), *id);
            running.spawn(async move {
                // A bug in the reading of one playlist must not end its refreshes until a restart.
                let Ok(result) = AssertUnwindSafe(this.refresh(id)).catch_unwind().await else {
                    error!(playlist = id.0, "bug: a refresh broke off; it is tried again later");
                    return (id, false);
                };
                // One that somebody reads just now is read; what is held will be the same soon.
                let is_good = matches!(result, Ok(_) | Err(Refusal::Running | Refusal::Held(_)));
                (id, is_good)
            });
        }
    }

    fn ended(&self, due: &mut HashMap<PlaylistId, Due>, id: PlaylistId, is_good: bool) {
        let Some(due) = due.get_mut(&id) else { return };
        due.is_running = false;
        due.failures = if is_good { 0 } else { due.failures.saturating_add(1) };
        let pause = match due.failures {
            0 => due.every,
            failures => (FIRST_RETRY * 2_u32.saturating_pow(failures - 1).min(1 << 12)).min(due.every),
        };
        // Within a tenth on both sides: several playlists of one provider must not stay in step.
        let (least, span) = (pause / JITTER * (JITTER - 1), pause / JITTER * 2);
        let pause = least + span.mul_f64(chance());
        due.at = Instant::now() + pause;
        self.0.runs.set_next(id, in_time(pause));
    }

    /// Takes the playlists of a configuration into the database. Those that are no longer there
    /// keep what users made of their channels, which are missing from then on.
    pub(super) async fn configure(&self, config: &Config) -> Result<(), Refusal> {
        let document = |spec: &PlaylistSpec| {
            let key = spec.id.clone().expect("it was checked, and so has an id");
            let document =
                Document::new(spec.fields()).expect("fields of a playlist are those of a playlist");
            (key, document)
        };
        let wanted: Vec<(String, Document<PlaylistSpec>)> = config.playlists.iter().map(document).collect();
        if !self.0.database.is_on() {
            return Ok(());
        }
        self.commit(move |connection, config| {
            let mut changed = Changed::default();
            for (key, document) in &wanted {
                configure_one(connection, config, key, document, &mut changed)?;
            }
            for gone in lineup::all_playlists(connection)? {
                let Some(key) = &gone.file_key else { continue };
                if wanted.iter().all(|(wanted, _)| wanted != key) {
                    let touched = apply::retire(connection, gone.id)?;
                    changed.followed_by(settle::settle(connection, config, touched)?);
                }
            }
            reach_as_configured(connection, config, &mut changed)?;
            Ok::<_, Refusal>(((), changed))
        })
        .await
    }

    /// Has the schedule looked at: the configuration may have other playlists.
    pub fn wake(&self) {
        self.0.rescheduled.notify_one();
    }
}

/// Writes the channels anew of playlists that may name private networks now, or not any more.
fn reach_as_configured(
    connection: &rusqlite::Connection,
    config: &Config,
    changed: &mut Changed,
) -> Result<(), Error> {
    for playlist in lineup::all_playlists(connection)? {
        if playlist.reaches_private == Some(reaches_private(config, &playlist)) {
            continue;
        }
        let wrong = |_| Error::Damaged(format!("playlist {}: its settings are none", playlist.id.0));
        let settings = settings_for_rows(config, &playlist).map_err(wrong)?;
        changed.followed_by(apply::rewrite(connection, config, (playlist.id, &settings))?.0);
    }
    Ok(())
}

fn configure_one(
    connection: &rusqlite::Connection,
    config: &Config,
    key: &str,
    document: &Document<PlaylistSpec>,
    changed: &mut Changed,
) -> Result<(), Error> {
    let known = lineup::playlist_of_file(connection, key)?;
    let written = match &known {
        Some(known) if known.document.spec() == document.spec() => return Ok(()),
        Some(known) => lineup::update_playlist(connection, known.id, document),
        None => lineup::insert_playlist(connection, document, Some(key)).map(Some),
    };
    match written {
        Ok(_) => {}
        Err(lineup::PlaylistError::Database(error)) => return Err(error),
        // One bad playlist must not keep the others, nor the server, from starting.
        Err(error) => {
            error!(playlist = key, "a playlist of the configuration is left out: {error}");
            return Ok(());
        }
    }
    if let Some(known) = known
        && let Ok(settings) = document.spec().check(&config.house_of(true))
    {
        changed.followed_by(apply::rewrite(connection, config, (known.id, &settings))?.0);
        changed.all_of(lineup::paths(connection, known.id)?);
        lineup::forget_marks(connection, known.id)?;
    }
    Ok(())
}

fn in_time(pause: Duration) -> Option<Timestamp> {
    Timestamp::now().checked_add(pause).ok()
}

/// A number from 0 to 1, another one each time. Nothing depends on nobody foreseeing it.
fn chance() -> f64 {
    let hash = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(hash).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}
