//! Files of video platforms that people keep, a row each.
//!
//! The row says what is wanted: an active download has a job, which looks here what to do. Every
//! function that needs it takes the time, in milliseconds since 1970.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use super::error::Error;

/// Names a download for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DownloadId(pub i64);

/// A download that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDownload {
    /// Whose it is: `user:7`, `key:3`, `address:192.168.0.9`.
    pub owner: String,
    /// The page: `youtube/dQw4w9WgXcQ`.
    pub page: String,
    /// What the platform calls the form.
    pub format: String,
    /// What the page is called.
    pub title: String,
    /// `1080p`.
    pub quality: String,
    /// `mp4`.
    pub extension: String,
}

/// A download as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Its number in the API.
    pub id: DownloadId,
    /// What was asked for.
    pub of: NewDownload,
    /// What is to become of it.
    pub state: State,
    /// The file, once it is known.
    pub file: Option<WholeFile>,
    /// Bytes from the beginning on that are on the disk for certain.
    pub kept: u64,
    /// Why it has failed.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: i64,
    /// When it was completed, or has failed.
    pub ended_at: Option<i64>,
}

/// The file of a platform, in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeFile {
    /// Its bytes.
    pub length: u64,
    /// What tells this state of it from any other.
    pub tag: String,
}

/// What is to become of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It goes on.
    Active,
    /// Until somebody resumes it.
    Paused,
    /// All of it is there.
    Completed,
    /// No more of it comes by itself.
    Failed,
}

impl State {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Completed, Self::Failed]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// Adds a download that goes on at once.
pub fn insert(connection: &Connection, new: &NewDownload, now: i64) -> Result<Download, Error> {
    let sql = "INSERT INTO downloads (owner, page, format, title, quality, extension, state, created_at)
               VALUES (:owner, :page, :format, :title, :quality, :extension, 'active', :now)
               RETURNING *";
    let values = named_params! {
        ":owner": new.owner, ":page": new.page, ":format": new.format, ":title": new.title,
        ":quality": new.quality, ":extension": new.extension, ":now": now,
    };
    connection.query_row(sql, values, |row| Ok(read(row)))?
}

/// One download.
pub fn get(connection: &Connection, id: DownloadId) -> Result<Option<Download>, Error> {
    let sql = "SELECT * FROM downloads WHERE id = ?1";
    connection.query_row(sql, [id.0], |row| Ok(read(row))).optional()?.transpose()
}

/// All of one owner, the newest first.
pub fn of_owner(connection: &Connection, owner: &str) -> Result<Vec<Download>, Error> {
    let mut find = connection.prepare("SELECT * FROM downloads WHERE owner = ?1 ORDER BY id DESC")?;
    let rows = find.query_map([owner], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

/// The numbers of all.
pub fn all(connection: &Connection) -> Result<Vec<DownloadId>, Error> {
    ids(connection, "SELECT id FROM downloads ORDER BY id", [])
}

/// Those that are to go on and have no job of this kind: the server was killed between the two.
pub fn orphans(connection: &Connection, kind: &str) -> Result<Vec<DownloadId>, Error> {
    let sql = "SELECT id FROM downloads WHERE state = 'active' AND NOT EXISTS (
                   SELECT 1 FROM jobs WHERE kind = ?1
                       AND state IN ('waiting', 'delayed', 'running')
                       AND json_extract(args, '$.download') = downloads.id)
               ORDER BY id";
    ids(connection, sql, [kind])
}

/// Those that ended before this moment.
pub fn ended_before(connection: &Connection, before: i64) -> Result<Vec<DownloadId>, Error> {
    ids(connection, "SELECT id FROM downloads WHERE ended_at < ?1 ORDER BY id", [before])
}

fn ids(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<DownloadId>, Error> {
    let mut find = connection.prepare(sql)?;
    let rows = find.query_map(values, |row| row.get(0).map(DownloadId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Changes what is to become of a download, if it is one of `from`; `None` otherwise.
pub fn change(
    connection: &Connection,
    id: DownloadId,
    from: &[State],
    to: State,
) -> Result<Option<Download>, Error> {
    let states: Vec<String> = from.iter().map(|state| format!("'{}'", state.name())).collect();
    let sql = format!(
        "UPDATE downloads SET state = ?2, error = NULL, ended_at = NULL
         WHERE id = ?1 AND state IN ({}) RETURNING *",
        states.join(", ")
    );
    connection.query_row(&sql, (id.0, to.name()), |row| Ok(read(row))).optional()?.transpose()
}

/// Notes which file it is, of which nothing is there yet.
pub fn begin(connection: &Connection, id: DownloadId, file: &WholeFile) -> Result<(), Error> {
    let sql = "UPDATE downloads SET total = ?2, tag = ?3, kept = 0 WHERE id = ?1";
    connection.execute(sql, (id.0, file.length.cast_signed(), &file.tag))?;
    Ok(())
}

/// Bytes that all other files may come to take.
pub fn others(connection: &Connection, id: DownloadId) -> Result<u64, Error> {
    let sql = "SELECT coalesce(sum(total), 0) FROM downloads WHERE id <> ?1";
    Ok(connection.query_row(sql, [id.0], |row| row.get::<_, i64>(0))?.cast_unsigned())
}

/// So many bytes are on the disk for certain.
pub fn keep(connection: &Connection, id: DownloadId, kept: u64) -> Result<(), Error> {
    connection.execute("UPDATE downloads SET kept = ?2 WHERE id = ?1", (id.0, kept.cast_signed()))?;
    Ok(())
}

/// Ends a download that goes on: with an error, or because all of it is there.
pub fn end(
    connection: &Connection,
    id: DownloadId,
    error: Option<&str>,
    now: i64,
) -> Result<Option<Download>, Error> {
    let state = if error.is_some() { State::Failed } else { State::Completed };
    let sql = "UPDATE downloads SET state = ?2, error = ?3, ended_at = ?4
               WHERE id = ?1 AND state = 'active' RETURNING *";
    let values = (id.0, state.name(), error, now);
    connection.query_row(sql, values, |row| Ok(read(row))).optional()?.transpose()
}

/// Removes a download; says whether there was one.
pub fn remove(connection: &Connection, id: DownloadId) -> Result<bool, Error> {
    Ok(connection.execute("DELETE FROM downloads WHERE id = ?1", [id.0])? > 0)
}

fn read(row: &Row<'_>) -> Result<Download, Error> {
    let id: i64 = row.get("id")?;
    let state: String = row.get("state")?;
    let length: Option<i64> = row.get("total")?;
    let tag: Option<String> = row.get("tag")?;
    let state = State::named(&state);
    Ok(Download {
        id: DownloadId(id),
        of: NewDownload {
            owner: row.get("owner")?,
            page: row.get("page")?,
            format: row.get("format")?,
            title: row.get("title")?,
            quality: row.get("quality")?,
            extension: row.get("extension")?,
        },
        state: state.ok_or_else(|| Error::Damaged(format!("download {id}: its state is none")))?,
        file: length.zip(tag).map(|(length, tag)| WholeFile { length: length.cast_unsigned(), tag }),
        kept: row.get::<_, i64>("kept")?.cast_unsigned(),
        error: row.get("error")?,
        created_at: row.get("created_at")?,
        ended_at: row.get("ended_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;

    fn new(owner: &str) -> NewDownload {
        let text = |text: &str| text.to_owned();
        NewDownload {
            owner: text(owner),
            page: text("youtube/dQw4w9WgXcQ"),
            format: text("18"),
            title: text("A title"),
            quality: text("360p"),
            extension: text("mp4"),
        }
    }

    #[tokio::test]
    async fn a_download_is_what_its_row_says() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path()).unwrap();
        let work = |connection: &Connection| {
            let download = insert(connection, &new("user:1"), 5)?;
            let id = download.id;
            assert_eq!((download.state, download.kept, download.file), (State::Active, 0, None));
            assert_eq!(orphans(connection, "download")?, [id]);
            let file = WholeFile { length: 100, tag: "a".into() };
            begin(connection, id, &file)?;
            keep(connection, id, 40)?;
            let paused = change(connection, id, &[State::Active], State::Paused)?.unwrap();
            assert_eq!((paused.kept, paused.file), (40, Some(file)));
            // What is paused does not end.
            assert_eq!(end(connection, id, None, 9)?, None);
            assert_eq!(change(connection, id, &[State::Active], State::Paused)?, None);
            change(connection, id, &[State::Paused, State::Failed], State::Active)?.unwrap();
            let ended = end(connection, id, Some("no"), 9)?.unwrap();
            assert_eq!(
                (ended.state, ended.error.as_deref(), ended.ended_at),
                (State::Failed, Some("no"), Some(9))
            );
            assert_eq!((ended_before(connection, 9)?, ended_before(connection, 10)?), (vec![], vec![id]));
            let other = insert(connection, &new("user:2"), 6)?.id;
            assert_eq!((others(connection, other)?, others(connection, id)?), (100, 0));
            assert_eq!(of_owner(connection, "user:1")?.len(), 1);
            assert!(remove(connection, id)? && !remove(connection, id)?);
            assert_eq!((get(connection, id)?, all(connection)?), (None, vec![other]));
            Ok::<_, Error>(())
        };
        database.write(work).await.unwrap();
    }
}
