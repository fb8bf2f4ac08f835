//! Disks that are full or may not be written. They are mounted where nobody else sees them.

use std::path::Path;

use forebay::config::DataDir;
use forebay::db::{Database, Error, relays};

use super::{all, card, fill, integrity, processes};

/// Runs a test of this file as a process with a disk of its own in a folder.
fn run(script: &str, test: &str) {
    let folder = tempfile::tempdir().expect("there is room");
    let script = format!("{script} && exec \"$0\" \"$@\"").replace("DISK", "\"$STORE_TEST_FOLDER\"");
    let Some(before) = processes::unshared(&script) else {
        // What holds whoever mounts it is tested within the room, too.
        println!("left out: this system lets nobody mount a disk for a process");
        return;
    };
    let output = processes::process(&before, test, folder.path()).output().expect("it can be run");
    let [told, wrong] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success() && told.contains("1 passed"), "{told}{wrong}");
}

const SMALL_DISK: &str = "mount -t tmpfs -o size=2m none DISK";

#[test]
fn a_full_disk_refuses_writes_only_and_only_as_long_as_it_is_full() {
    run(SMALL_DISK, "store::disks::full");
}

async fn add(database: &Database, id: &str) -> Result<(), Error> {
    let document = card(id);
    let write = database.write(move |connection| relays::insert(connection, &document)).await;
    write.map(drop).map_err(|error| match error {
        relays::RelayError::Database(error) => error,
        other => panic!("{other}"),
    })
}

#[tokio::test]
#[ignore = "a process that other tests start"]
async fn full() {
    let Some(folder) = processes::folder() else { return };
    let database = Database::open(&folder).unwrap();
    add(&database, "first").await.unwrap();
    let filler = folder.join("filler");
    let _ = std::fs::write(&filler, vec![0; 4 << 20]);
    // What the log has room for already is taken.
    let mut taken = 1;
    let error = loop {
        match add(&database, &format!("more-{taken}")).await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100_000, "the disk has two megabytes");
    };
    assert_eq!(error, Error::Full);
    assert_eq!(all(&database).await.len(), taken, "what can be read is what was answered");
    assert_eq!(add(&database, "still").await, Err(Error::Full));
    let counts = database.counts();
    assert_eq!((counts.written, counts.failed), (taken as u64, 2));

    std::fs::remove_file(filler).unwrap();
    add(&database, "again").await.unwrap();
    assert_eq!((all(&database).await.len(), integrity(&database).await), (taken + 1, "ok".into()));
    database.close().await;
    let database = Database::open(&folder).unwrap();
    assert_eq!(all(&database).await.len(), taken + 1);
}

#[test]
fn a_disk_that_is_full_at_the_start_is_refused() {
    run(
        "mount -t tmpfs -o size=64k none DISK && { head -c 1m /dev/zero > DISK/filler; true; }",
        "store::disks::full_at_the_start",
    );
}

#[tokio::test]
#[ignore = "a process that other tests start"]
async fn full_at_the_start() {
    let Some(folder) = processes::folder() else { return };
    let error = Database::open(&folder).unwrap_err().to_string();
    assert!(error.starts_with("cannot write ") && error.contains("full"), "{error}");
}

#[test]
fn a_folder_that_may_not_be_written_is_refused_unless_nobody_wants_it() {
    let read_only = "mount --bind DISK DISK && mount -o remount,bind,ro DISK";
    run(read_only, "store::disks::read_only");
}

#[tokio::test]
#[ignore = "a process that other tests start"]
async fn read_only() {
    let Some(folder) = processes::folder() else { return };
    let start = |path: &Path, is_configured| Database::start(&DataDir { path: path.into(), is_configured });
    let inside = folder.join("data");
    assert!(!start(&inside, false).unwrap().is_on(), "nobody has asked for one");
    let error = start(&inside, true).unwrap_err().to_string();
    let expected = format!("cannot write {}: Read-only file system: make room, let", inside.display());
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn a_database_that_may_not_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(fill(folder.path(), &["one"]));
    let here = folder.path().display();
    run(
        &format!("cp {here}/* DISK && mount --bind DISK DISK && mount -o remount,bind,ro DISK"),
        "store::disks::read_only_database",
    );
}

#[tokio::test]
#[ignore = "a process that other tests start"]
async fn read_only_database() {
    let Some(folder) = processes::folder() else { return };
    let error = Database::start(&DataDir { path: folder.clone(), is_configured: false }).unwrap_err();
    assert!(error.to_string().contains("Read-only file system"), "{error}");
}
