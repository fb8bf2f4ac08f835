//! What the database keeps, refuses and counts, in one process.

use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use rusqlite::params;
use tempfile::TempDir;

use super::migrations::{MIGRATIONS, Migration};
use super::open::open_with;
use super::*;

fn open() -> (TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).unwrap();
    (folder, database)
}

fn insert(connection: &Connection, path: &str, spec: &str) -> Result<i64, Error> {
    connection.execute(
        "INSERT INTO relays (path, name, spec, created_at, changed_at) VALUES (?1, ?1, ?2, 0, 0)",
        params![path, spec],
    )?;
    Ok(connection.last_insert_rowid())
}

async fn add(database: &Database, path: impl Into<String>) -> Result<i64, Error> {
    let path = path.into();
    database.write(move |connection| insert(connection, &path, "{}")).await
}

fn count_rows(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.query_row("SELECT count(*) FROM relays", [], |row| row.get(0))?)
}

async fn count(database: &Database) -> i64 {
    database.read(count_rows).await.unwrap()
}

/// Holds the writing thread until the sender is dropped; returns when it is held.
async fn hold(database: &Database) -> (mpsc::Sender<()>, impl Future<Output = Result<(), Error>>) {
    let (release, released) = mpsc::channel::<()>();
    let (held, holding) = tokio::sync::oneshot::channel();
    let (held, released) = (std::sync::Mutex::new(Some(held)), std::sync::Mutex::new(released));
    let database = database.clone();
    let write = tokio::spawn(async move {
        let work = move |_: &Connection| {
            if let Some(held) = held.lock().unwrap().take() {
                held.send(()).unwrap();
                let _ = released.lock().unwrap().recv();
            }
            Ok(())
        };
        database.write(work).await
    });
    holding.await.unwrap();
    (release, async { write.await.unwrap() })
}

#[tokio::test]
async fn what_is_written_is_there_after_it_was_closed_and_after_it_was_not() {
    let (folder, database) = open();
    assert_eq!(add(&database, "one").await, Ok(1));
    database.close().await;
    assert_eq!(add(&database, "late").await, Err(Error::Closed));
    assert_eq!(database.read(count_rows).await, Err(Error::Closed));
    let files = |name: &str| folder.path().join(name).exists();
    assert!(files("forebay.db") && !files("forebay.db-wal"), "all is in the file");

    let database = Database::open(folder.path()).unwrap();
    assert_eq!((add(&database, "two").await, count(&database).await), (Ok(2), 2));
    // As after a crash: what is not in the file yet is in its log.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["forebay.db", "forebay.db-wal"] {
        fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
    }
    assert_eq!(count(&Database::open(crashed.path()).unwrap()).await, 2);
}

#[tokio::test]
async fn what_waits_for_a_commit_is_the_next_one_together() {
    let (_folder, database) = open();
    let (release, held) = hold(&database).await;
    let mut writes = Box::pin(join_all((0..100).map(|at| add(&database, format!("{at}")))));
    assert!(writes.as_mut().now_or_never().is_none());
    assert_eq!(count(&database).await, 0, "reads wait for no writer");
    drop(release);
    held.await.unwrap();
    assert!(writes.await.iter().all(Result::is_ok));
    let counts = database.counts();
    assert_eq!((counts.written, counts.failed, count(&database).await), (101, 0, 100));
    assert!(counts.commits <= 3, "{counts:?}");
}

#[tokio::test]
async fn a_write_that_fails_takes_no_other_with_it() {
    let (_folder, database) = open();
    let (release, held) = hold(&database).await;
    let good = add(&database, "a");
    let half = database.write(|connection| {
        insert(connection, "half", "{}")?;
        insert(connection, "a", "{}")
    });
    let panicking = database.write(|connection| -> Result<(), Error> {
        insert(connection, "b", "{}")?;
        panic!("on purpose");
    });
    let panicking = AssertUnwindSafe(panicking).catch_unwind();
    let later = add(&database, "b");
    let all = async { tokio::join!(good, half, panicking, later) };
    let (all, ()) = tokio::join!(all, async { drop(release) });
    held.await.unwrap();
    let (good, half, panicking, later) = all;
    assert!(good.is_ok() && later.is_ok());
    assert!(matches!(half, Err(Error::Refused(text)) if text.contains("UNIQUE")));
    assert_eq!(*panicking.unwrap_err().downcast::<&str>().unwrap(), "on purpose");
    let counts = database.counts();
    // With the one that was held.
    assert_eq!((count(&database).await, counts.written, counts.failed), (2, 3, 0));
}

#[tokio::test]
async fn what_finds_no_room_in_a_queue_is_refused_and_counted() {
    let (_folder, database) = open();
    let (release, held) = hold(&database).await;
    // One more than the queue holds.
    let mut writes = Box::pin(join_all((0..1025).map(|at| add(&database, format!("{at}")))));
    assert!(writes.as_mut().now_or_never().is_none());
    assert_eq!(database.counts().refused_writes, 1);
    drop(release);
    held.await.unwrap();
    let refused: Vec<_> = writes.await.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused, [Error::Busy("writes to the database")]);
    assert_eq!(count(&database).await, 1024);
}

#[tokio::test]
async fn a_disk_that_is_full_refuses_what_is_too_large_and_only_that() {
    let (_folder, database) = open();
    let pages = |limit: i64| {
        database.write(move |connection| {
            connection.pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()))?;
            Ok::<_, Error>(())
        })
    };
    let used: i64 = database
        .read(|connection| Ok::<_, Error>(connection.query_row("PRAGMA page_count", [], |row| row.get(0))?))
        .await
        .unwrap();
    pages(used + 2).await.unwrap();
    let (release, held) = hold(&database).await;
    let large = || database.write(|connection| insert(connection, "large", &"x".repeat(100_000)));
    let all = async { tokio::join!(add(&database, "a"), large(), add(&database, "b")) };
    let (all, ()) = tokio::join!(all, async { drop(release) });
    held.await.unwrap();
    assert_eq!(all, (Ok(1), Err(Error::Full), Ok(2)));
    assert_eq!(count(&database).await, 2);
    // And there is room again.
    pages(1_000_000).await.unwrap();
    assert_eq!((large().await, count(&database).await), (Ok(3), 3));
}

#[tokio::test]
async fn a_transaction_that_is_lost_as_a_whole_is_done_again_one_by_one() {
    let (_folder, database) = open();
    let (release, held) = hold(&database).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let good = database.write(move |connection| {
        counted.fetch_add(1, Ordering::Relaxed);
        insert(connection, "a", "{}")
    });
    // As SQLite does by itself where a disk fails.
    let fatal = database.write(|connection| -> Result<(), Error> {
        connection.execute_batch("ROLLBACK")?;
        Err(Error::Disk("gone".into()))
    });
    let all = async { tokio::join!(good, fatal) };
    let (all, ()) = tokio::join!(all, async { drop(release) });
    held.await.unwrap();
    assert_eq!(all, (Ok(1), Err(Error::Disk("gone".into()))));
    assert_eq!((runs.load(Ordering::Relaxed), count(&database).await), (2, 1));
    let counts = database.counts();
    assert_eq!((counts.written, counts.failed), (2, 1));
}

#[tokio::test]
async fn without_a_database_everything_says_why() {
    let database = Database::off("no disk".into());
    let off = Error::Off("no disk".into());
    assert_eq!(add(&database, "a").await, Err(off.clone()));
    assert_eq!(database.read(count_rows).await, Err(off));
    database.close().await;
    assert!(!database.is_on() && database.counts() == Counts::default());
}

/// How the program would refuse to start, without the folder's name.
fn refusal(folder: &Path) -> String {
    let error = Database::open(folder).expect_err("it cannot be opened").to_string();
    error.replace(&*folder.to_string_lossy(), "data")
}

#[tokio::test]
async fn one_process_at_a_time_has_it() {
    let (folder, database) = open();
    let id = std::process::id();
    assert_eq!(
        refusal(folder.path()),
        format!(
            "another Forebay (process {id}) uses data: stop it, or give this one a folder of its own by [data] dir"
        )
    );
    database.close().await;
    assert!(Database::open(folder.path()).is_ok());
}

#[test]
fn what_cannot_be_used_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forebay.db");
    let write = |bytes: &[u8]| fs::write(&file, bytes).unwrap();

    write(&b"this is no database".repeat(100));
    let foreign =
        "data/forebay.db is no database of Forebay: move it away, or name another folder by [data] dir";
    assert_eq!(refusal(folder.path()), foreign);

    fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE other (a)").unwrap();
    assert_eq!(refusal(folder.path()), foreign);

    fs::remove_file(&file).unwrap();
    drop(Database::open(folder.path()).unwrap());
    wait_for_lock(folder.path());
    let set = |version: i32| {
        Connection::open(&file).unwrap().pragma_update(None, "user_version", version).unwrap();
    };
    set(99);
    let known = MIGRATIONS.len();
    assert_eq!(
        refusal(folder.path()),
        format!(
            "data/forebay.db is of a newer Forebay: its schema is 99, and this one knows those up to {known}: run the \
             newer one, or restore a backup that was made before"
        )
    );
    set(i32::try_from(known).unwrap());

    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[4096..end].fill(0x55);
    write(&bytes);
    let damaged = refusal(folder.path());
    assert!(damaged.starts_with("data/forebay.db is damaged: "), "{damaged}");
    assert!(damaged.ends_with("or move the file away to begin anew"), "{damaged}");
    assert_eq!(fs::read(&file).unwrap(), bytes, "nothing was changed");
}

/// The thread that writes ends behind its last owner.
fn wait_for_lock(folder: &Path) {
    while folder::lock(folder).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_if_somebody_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    // Not even root can make a folder there.
    let path = PathBuf::from("/proc/self/forebay");
    let data = |is_configured| DataDir { path: path.clone(), is_configured };
    let error = Database::start(&data(true)).unwrap_err().to_string();
    assert!(error.starts_with("cannot write /proc/self/forebay: "), "{error}");
    assert!(!Database::start(&data(false)).unwrap().is_on());
    let inside = DataDir { path: folder.path().join("a/b"), is_configured: false };
    assert!(Database::start(&inside).unwrap().is_on(), "folders are made");
}

/// A database of the first schema with a row in it, closed.
async fn old() -> (TempDir, PathBuf) {
    let (folder, database) = open();
    add(&database, "one").await.unwrap();
    database.close().await;
    let file = folder.path().join("forebay.db");
    (folder, file)
}

/// The migrations that there are, and more.
fn and(more: &[&'static str]) -> Vec<Migration> {
    MIGRATIONS.iter().copied().chain(more.iter().map(|step| Migration(step))).collect()
}

fn version(file: &Path) -> i32 {
    let connection = Connection::open(file).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn an_upgrade_makes_a_copy_first() {
    let (folder, file) = old().await;
    let before = version(&file);
    let migrations = and(&["CREATE TABLE a (a);", "INSERT INTO a VALUES (7);"]);
    let opened = open_with(folder.path(), &migrations).unwrap();
    let a: i64 = opened.connection.query_row("SELECT a FROM a", [], |row| row.get(0)).unwrap();
    assert_eq!((a, count_rows(&opened.connection)), (7, Ok(1)));
    drop(opened);
    assert_eq!(version(&file), before + 2);
    let copy = folder.path().join(format!("forebay-schema-{before}.db"));
    assert_eq!((version(&copy), count_rows(&Connection::open(&copy).unwrap())), (before, Ok(1)));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn an_upgrade_that_fails_leaves_the_file_byte_for_byte() {
    let (folder, file) = old().await;
    let (before, bytes) = (version(&file), fs::read(&file).unwrap());
    let steps = ["CREATE TABLE a (a); DELETE FROM relays;", "INSERT INTO nowhere VALUES (1);"];
    let error = open_with(folder.path(), &and(&steps)).unwrap_err().to_string();
    let (to, path) = (before + 2, file.display());
    assert_eq!(
        error,
        format!(
            "cannot upgrade {path} from schema {before} to {to}: no such table: nowhere: nothing of it was changed, and \
             the older Forebay can still use it"
        )
    );
    assert!(fs::read(&file).unwrap() == bytes, "the file is as it was");
    assert_eq!(count(&Database::open(folder.path()).unwrap()).await, 1);
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_upgraded_with_all_that_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    drop(
        open_with(folder.path(), &MIGRATIONS[..1])
            .map(|opened| insert(&opened.connection, "one", "{}"))
            .unwrap(),
    );
    let file = folder.path().join("forebay.db");
    assert_eq!(version(&file), 1);
    let database = Database::open(folder.path()).unwrap();
    assert_eq!(database.read(count_rows).await, Ok(1));
    assert_eq!(database.read(lineup::count).await, Ok(0));
    let known = i32::try_from(MIGRATIONS.len()).unwrap();
    assert_eq!((version(&file), version(&folder.path().join("forebay-schema-1.db"))), (known, 1));
}

#[tokio::test]
async fn what_playlists_have_brought_outlives_the_upgrade_to_archives_of_providers() {
    let folder = tempfile::tempdir().unwrap();
    let before = open_with(folder.path(), &MIGRATIONS[..12]).unwrap();
    insert(&before.connection, "one", "{}").unwrap();
    let filled = before.connection.execute_batch(
        "INSERT INTO playlists (id, name, settings, created_at, changed_at, is_of_host, reaches_private)
             VALUES (1, 'Mine', '{\"a\": 1}', 5, 6, 0, 1);
         INSERT INTO refreshes (playlist_id, taken_at, digest, etag, last_modified, summary)
             VALUES (1, 7, x'0102', 'tag', 'date', '{\"live\": 2}');
         INSERT INTO channel_groups (id, playlist_id, key, name, position) VALUES (1, 1, 1, 'News', 1);
         INSERT INTO sources (id, playlist_id, key, content, address, name, entry)
             VALUES (1, 1, x'01', 1, 1, 1, '[1]'), (2, 1, x'02', 2, 2, 2, '[2]');
         INSERT INTO channels (id, playlist_id, path, rank, number, number_minor, name, group_id, group_title,
                 logo, guide_id, gracenote_id, search, is_adult, is_hidden, is_absent, merge_guide_id,
                 merge_name, merge_source, leader, is_duplicate, is_shown, unusable, guide_shift)
             VALUES (1, 1, 'c-1', 1, 5, 1, 'One', 1, 'News', '', 'one.uk', '9', 'one', 0, 0, 0, 1, 1, 1, NULL, 0, 1,
                     0, 3600),
                    (2, 1, 'c-2', 2, NULL, 0, 'Two', 1, 'News', '', '', '', 'two', 0, 0, 0, 2, 2, 2, 1, 0, 1, 0, 0);",
    );
    filled.unwrap();
    drop(before);
    let database = Database::open(folder.path()).unwrap();
    assert_eq!(database.read(count_rows).await, Ok(1));
    let kept = |sql: &'static str| {
        database.read(move |connection| -> Result<String, Error> {
            Ok(connection.query_row(sql, [], |row| row.get(0))?)
        })
    };
    for (sql, expected) in [
        ("SELECT group_concat(entry) FROM sources", "[1],[2]"),
        (
            "SELECT group_concat(concat_ws('/', path, name, leader, archive_days)) FROM channels",
            "c-1/One/0,c-2/Two/1/0",
        ),
        (
            "SELECT concat_ws('/', path, number, number_minor, tvg_id, guide_shift, archive_days) FROM lineup_channels",
            "c-1/5/1/one.uk/3600/0",
        ),
        (
            "SELECT concat_ws('/', name, settings, created_at, reaches_private) FROM playlists",
            "Mine/{\"a\": 1}/5",
        ),
        // It is read anew at the next refresh.
        (
            "SELECT concat_ws('/', taken_at, length(digest), etag, last_modified, summary) FROM refreshes",
            "7/32/{\"live\": 2}",
        ),
    ] {
        assert_eq!(kept(sql).await.as_deref(), Ok(expected), "{sql}");
    }
}
