//! A past on disk: that it is the stream, that it comes back, and what a bad disk does to it.

use std::sync::Condvar;
use std::sync::atomic::AtomicUsize;

use forebay_core::timeshift::index;
use rustix::io::Errno;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::*;
use crate::channel::Subscription;
use crate::channel::tests::{House, SECOND, config, endless};
use crate::fixture::Fixture;

mod files;

/// A channel of 11 kB a second that keeps a minute, and of what is not on disk so many bytes.
fn settings(folder: &TempDir, max_bytes: u64) -> Fixture {
    let mut config = config(&format!(
        "[hls]\ndir = {:?}\nsegment = \"2s\"\nwindow = 3\n\
         [[channels]]\nid = \"one\"\nsources = [\"http://h/a\"]\ntimeshift = \"1m\"\nidle_timeout = \"1s\"\n",
        folder.path()
    ));
    // Less than can be typed, so that it takes no hour.
    Arc::get_mut(&mut config.channels[0]).expect("nobody else has it").policy.hls.max_bytes = max_bytes;
    config
}

fn house(config: &Fixture) -> House {
    House::new(config, &[("/a", &[endless()])])
}

/// The same with a folder on disk from the start, so that its disk can be another one.
fn house_on_disk(config: &Fixture) -> House {
    Folder::open(&config.hls_dir().join("one")).expect("it can be made");
    house(config)
}

impl House {
    fn archive(&self) -> Arc<Archive> {
        let table = self.channels.table();
        Arc::clone(table.archives.values().next().expect("a channel with a time-shift"))
    }

    fn set_disk(&self, wrap: impl FnOnce(Arc<dyn Disk>) -> Arc<dyn Disk>) {
        let archive = self.archive();
        let disk = archive.disk().expect("there is one");
        *archive.placement() = Placement::Disk(wrap(disk));
    }

    async fn close(&self) {
        timeout(60 * SECOND, async {
            while self.phase().is_some() {
                sleep(SECOND / 10).await;
            }
        })
        .await
        .expect("it closes when nobody watches");
    }

    /// The segments that there are, each read as a player would.
    async fn segments(&self) -> Vec<(Segment, Vec<u8>)> {
        let id = "one".parse().unwrap();
        let all: Vec<Segment> = self.archive().history().segments().copied().collect();
        let mut read = Vec::new();
        for segment in all {
            let reader = self.channels.segment(&id, segment.number).expect("it is named");
            let mut bytes = Vec::new();
            while (bytes.len() as u64) < reader.size() {
                bytes.extend(reader.read(bytes.len() as u64, reader.size()).await.unwrap());
            }
            read.push((segment, bytes));
        }
        read
    }
}

/// Reads for a while; all of it.
async fn record(viewer: &mut Subscription, span: Duration) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = timeout(span, async {
        while let Some(piece) = viewer.next().await.unwrap() {
            bytes.extend(piece);
        }
    })
    .await;
    bytes
}

/// The segments are these bytes of the store, which began at `base`, one after the other.
fn assert_same(segments: &[(Segment, Vec<u8>)], base: u64, bytes: &[u8]) {
    for (segment, got) in segments.iter().filter(|(segment, _)| segment.start >= base) {
        let at = usize::try_from(segment.start - base).unwrap();
        assert!(bytes.get(at..at + got.len()) == Some(got), "{segment:?}");
    }
    for pair in segments.windows(2) {
        assert_eq!(pair[0].0.number + 1, pair[1].0.number);
    }
}

#[tokio::test(start_paused = true)]
async fn the_past_is_the_stream_and_outlives_feed_and_process() {
    let folder = tempfile::tempdir().unwrap();
    let config = settings(&folder, 200_000);
    let first = house(&config);
    let mut viewer = first.join();
    let bytes = record(&mut viewer, 100 * SECOND).await;
    let segments = first.segments().await;
    assert_same(&segments, 0, &bytes);
    let length = first.archive().status().length;
    assert!((60 * SECOND..66 * SECOND).contains(&length), "{length:?}");
    let report = first.channels.report("one").unwrap();
    assert!(report.store_bytes < 900_000, "of 1.1 MB, a part is in memory: {}", report.store_bytes);
    drop(viewer);
    first.close().await;

    // It opens again: another presentation.
    let mut viewer = first.join();
    let more = record(&mut viewer, 10 * SECOND).await;
    let segments = first.segments().await;
    let base = segments.iter().find(|(segment, _)| segment.is_discontinuous).unwrap().0.start;
    assert_same(&segments, base, &more);
    assert_eq!(segments.iter().filter(|(segment, _)| segment.is_discontinuous).count(), 1);
    assert!(segments.iter().filter(|(segment, _)| segment.start < base).count() > 10, "{}", segments.len());
    drop(viewer);
    first.close().await;
    let before: Vec<_> = first.archive().history().segments().copied().collect();
    first.channels.shutdown().await;

    // And so does the process. What was read from memory until now comes from the disk.
    let second = house(&config);
    let after: Vec<_> = second.archive().history().segments().copied().collect();
    // It is the same to the microsecond; and on the wall, less time went by than here.
    let places =
        |segments: &[Segment]| segments.iter().map(|s| (s.number, s.start, s.end)).collect::<Vec<_>>();
    assert!(places(&after).ends_with(&places(&before)), "{before:?} {after:?}");
    let mut viewer = second.join();
    record(&mut viewer, 10 * SECOND).await;
    let again = second.segments().await;
    for (segment, bytes) in &segments {
        let same = again.iter().find(|(other, _)| other.start == segment.start);
        assert!(same.is_none_or(|(_, other)| other == bytes), "{segment:?}");
    }
    assert_eq!(again.iter().filter(|(segment, _)| segment.is_discontinuous).count(), 2);
    let numbers: Vec<u64> = again.iter().map(|(segment, _)| segment.number).collect();
    assert_eq!(numbers[numbers.len() - 1] - numbers[0], numbers.len() as u64 - 1);
}

/// A disk that takes no more than so many bytes.
#[derive(Debug)]
struct Small {
    disk: Arc<dyn Disk>,
    room: Mutex<usize>,
    records: AtomicUsize,
}

impl Small {
    fn take(&self, bytes: &[u8]) -> io::Result<()> {
        let mut room = self.room.lock().unwrap();
        *room = room.checked_sub(bytes.len()).ok_or(Errno::NOSPC)?;
        Ok(())
    }
}

impl Disk for Small {
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.take(bytes)?;
        self.disk.write(at, bytes)
    }
    fn read(&self, start: u64, end: u64) -> io::Result<Bytes> {
        self.disk.read(start, end)
    }
    fn punch(&self, start: u64, end: u64) -> io::Result<()> {
        self.disk.punch(start, end)
    }
    fn append(&self, records: &[u8]) -> io::Result<()> {
        let room = self.records.load(Ordering::SeqCst);
        let left = room.checked_sub(records.len()).ok_or(Errno::IO)?;
        self.records.store(left, Ordering::SeqCst);
        self.disk.append(records)
    }
    fn replace(&self, index: &[u8]) -> io::Result<()> {
        self.disk.replace(index)
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_loses_nothing_that_was_served() {
    // The disk is full, or what is written to the index comes to nothing.
    for (room, records) in [(150_000, usize::MAX), (usize::MAX, 700)] {
        let folder = tempfile::tempdir().unwrap();
        let house = house_on_disk(&settings(&folder, 400_000));
        let mut small = None;
        house.set_disk(|disk| {
            let new = Arc::new(Small { disk, room: Mutex::new(room), records: records.into() });
            small = Some(Arc::clone(&new));
            new
        });
        let mut viewer = house.join();
        let mut bytes = record(&mut viewer, 8 * SECOND).await;
        assert!(house.archive().status().is_on_disk, "{room} {records} {:?}", house.archive());
        bytes.extend(record(&mut viewer, 30 * SECOND).await);
        assert!(!house.archive().status().is_on_disk);
        let written = house.archive().written();
        assert!(written < 300_000, "{written}");
        let segments = house.segments().await;
        assert_eq!(segments[0].0.start, 0, "all of it is there");
        assert_same(&segments, 0, &bytes);
        let end = segments.last().unwrap().0.end;
        assert!(end > 380_000, "what is not on disk is in memory: {end}");

        // Memory is no disk: when it has as much as it may, what is older goes.
        bytes.extend(record(&mut viewer, 60 * SECOND).await);
        let segments = house.segments().await;
        assert_same(&segments, 0, &bytes);
        assert!(segments[0].0.start > written, "{:?}", segments[0]);
        let report = house.channels.report("one").unwrap();
        assert!(report.store_bytes < 1_000_000, "{}", report.store_bytes);

        // With room, the next presentation is on disk; what was not is gone.
        drop(viewer);
        house.close().await;
        let small = small.unwrap();
        *small.room.lock().unwrap() = usize::MAX;
        small.records.store(usize::MAX, Ordering::SeqCst);
        drop(small);
        let mut viewer = house.join();
        let more = record(&mut viewer, 30 * SECOND).await;
        assert!(house.archive().status().is_on_disk);
        let segments = house.segments().await;
        assert_same(&segments, segments[0].0.start, &more);
        house.channels.shutdown().await;
        drop(viewer);
        let after = self::house(&settings(&folder, 400_000));
        let kept: Vec<_> = after.archive().history().segments().copied().collect();
        let place = |segment: &Segment| (segment.number, segment.start);
        let is_kept = |segment: &Segment| kept.iter().any(|kept| place(kept) == place(segment));
        assert!(segments.iter().all(|(segment, _)| is_kept(segment)), "the index is whole again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_was_removed_is_noticed_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one");
    let house = house(&settings(&folder, 400_000));
    let mut viewer = house.join();
    let mut bytes = record(&mut viewer, 20 * SECOND).await;
    house.channels.check_files();
    assert!(house.archive().status().is_on_disk);
    let before = house.segments().await;
    fs::remove_dir_all(folder.path()).unwrap();
    house.channels.check_files();
    assert!(!house.archive().status().is_on_disk, "nothing that is kept now would be found again");
    assert!(folder.path().join("numbers.json").exists(), "the numbers are kept again at once");
    bytes.extend(record(&mut viewer, 20 * SECOND).await);
    let after = house.segments().await;
    assert_same(&after, 0, &bytes);
    assert!(after.len() > before.len() && after[0].0 == before[0].0, "no viewer of the time-shift notices");
    assert!(!path.exists());
    drop(viewer);
    house.close().await;

    let mut viewer = house.join();
    let more = record(&mut viewer, 20 * SECOND).await;
    house.channels.check_files();
    assert!(house.archive().status().is_on_disk && path.join("index").exists());
    let segments = house.segments().await;
    assert_same(&segments, segments[0].0.start, &more);
    assert!(segments[0].0.number > after.last().unwrap().0.number, "no number comes again");
    house.channels.shutdown().await;
    drop(viewer);
    let again = self::house(&settings(&folder, 400_000));
    assert!(again.archive().status().length > 10 * SECOND, "{:?}", again.archive().status());
}

/// A disk on which nothing moves until it is let.
#[derive(Debug)]
struct Stuck {
    disk: Arc<dyn Disk>,
    is_free: Mutex<bool>,
    freed: Condvar,
}

impl Disk for Stuck {
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        drop(self.freed.wait_while(self.is_free.lock().unwrap(), |free| !*free).unwrap());
        self.disk.write(at, bytes)
    }
    fn read(&self, start: u64, end: u64) -> io::Result<Bytes> {
        self.disk.read(start, end)
    }
    fn punch(&self, start: u64, end: u64) -> io::Result<()> {
        self.disk.punch(start, end)
    }
    fn append(&self, records: &[u8]) -> io::Result<()> {
        self.disk.append(records)
    }
    fn replace(&self, index: &[u8]) -> io::Result<()> {
        self.disk.replace(index)
    }
}

#[tokio::test]
async fn a_disk_that_stands_still_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    // Five seconds of the stream: there is always a whole segment among them.
    let house = house_on_disk(&settings(&folder, 60_000));
    let mut stuck = None;
    house.set_disk(|disk| {
        let new = Arc::new(Stuck { disk, is_free: Mutex::new(false), freed: Condvar::new() });
        stuck = Some(Arc::clone(&new));
        new
    });
    let mut viewer = house.join();
    // More than memory keeps of what is not on disk.
    let mut bytes = Vec::new();
    while bytes.len() < 72_000 {
        let more = record(&mut viewer, SECOND).await;
        assert!(!more.is_empty(), "it goes on: {} bytes", bytes.len());
        bytes.extend(more);
    }
    let (past, segments) = (house.archive().status(), house.segments().await);
    let stuck = stuck.unwrap();
    *stuck.is_free.lock().unwrap() = true;
    stuck.freed.notify_all();
    house.channels.shutdown().await;
    assert!(!past.is_on_disk && past.bytes <= 60_000, "{past:?}");
    assert!(!segments.is_empty());
    assert_same(&segments, 0, &bytes);
    assert!(house.archive_is_gone());
}

impl House {
    fn archive_is_gone(&self) -> bool {
        self.channels.table().archives.is_empty()
    }
}
