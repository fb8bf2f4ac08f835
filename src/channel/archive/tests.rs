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
use crate::config::Config;

/// A channel of 11 kB a second that keeps a minute, and of what is not on disk so many bytes.
fn settings(folder: &TempDir, max_bytes: u64) -> Config {
    let mut config = config(&format!(
        "[hls]\ndir = {:?}\nsegment = \"2s\"\nwindow = 3\n\
         [[channels]]\nid = \"one\"\nsources = [\"http://h/a\"]\ntimeshift = \"1m\"\nidle_timeout = \"1s\"\n",
        folder.path()
    ));
    // Less than can be typed, so that it takes no hour.
    Arc::get_mut(&mut config.channels[0]).expect("nobody else has it").policy.hls.max_bytes = max_bytes;
    config
}

fn house(config: &Config) -> House {
    House::new(config, &[("/a", &[endless()])])
}

impl House {
    fn archive(&self) -> Arc<Archive> {
        let table = self.channels.table();
        Arc::clone(table.archives.values().next().expect("a channel that keeps its past"))
    }

    fn set_disk(&self, wrap: impl FnOnce(Arc<dyn Disk>) -> Arc<dyn Disk>) {
        let archive = self.archive();
        let disk = archive.disk().expect("there is one");
        *archive.place() = Place::Disk(wrap(disk));
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
    let length = first.archive().past().length;
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
        let house = house(&settings(&folder, 400_000));
        let mut small = None;
        house.set_disk(|disk| {
            let new = Arc::new(Small { disk, room: Mutex::new(room), records: records.into() });
            small = Some(Arc::clone(&new));
            new
        });
        let mut viewer = house.join();
        let mut bytes = record(&mut viewer, 8 * SECOND).await;
        assert!(house.archive().past().is_on_disk, "{room} {records} {:?}", house.archive());
        bytes.extend(record(&mut viewer, 30 * SECOND).await);
        assert!(!house.archive().past().is_on_disk);
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
        assert!(house.archive().past().is_on_disk);
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
    house.channels.look_at_files();
    assert!(house.archive().past().is_on_disk);
    let before = house.segments().await;
    fs::remove_dir_all(folder.path()).unwrap();
    house.channels.look_at_files();
    assert!(!house.archive().past().is_on_disk, "nothing that is kept now would be found again");
    assert!(folder.path().join("numbers.json").exists(), "the numbers are kept again at once");
    bytes.extend(record(&mut viewer, 20 * SECOND).await);
    let after = house.segments().await;
    assert_same(&after, 0, &bytes);
    assert!(after.len() > before.len() && after[0].0 == before[0].0, "nobody who is in the past notices");
    assert!(!path.exists());
    drop(viewer);
    house.close().await;

    let mut viewer = house.join();
    let more = record(&mut viewer, 20 * SECOND).await;
    house.channels.look_at_files();
    assert!(house.archive().past().is_on_disk && path.join("index").exists());
    let segments = house.segments().await;
    assert_same(&segments, segments[0].0.start, &more);
    assert!(segments[0].0.number > after.last().unwrap().0.number, "no number comes again");
    house.channels.shutdown().await;
    drop(viewer);
    let again = self::house(&settings(&folder, 400_000));
    assert!(again.archive().past().length > 10 * SECOND, "{:?}", again.archive().past());
}

#[test]
fn one_file_that_was_removed_or_replaced_is_noticed() {
    let damages: [fn(&Path); 4] = [
        |folder| fs::remove_file(folder.join("stream.ts")).unwrap(),
        |folder| fs::remove_file(folder.join("index")).unwrap(),
        |folder| fs::rename(folder.join("stream.ts"), folder.join("elsewhere")).unwrap(),
        |folder| {
            // One that is no more than a copy.
            fs::copy(folder.join("index"), folder.join("copy")).unwrap();
            fs::rename(folder.join("copy"), folder.join("index")).unwrap();
        },
    ];
    for damage in damages {
        let folder = left_behind();
        let archive = archive(&folder);
        archive.look();
        assert!(archive.past().is_on_disk);
        damage(folder.path());
        archive.look();
        assert!(!archive.past().is_on_disk);
        assert!(archive.read_now(100 * P, 200 * P).unwrap().is_some(), "what was there is still read");
    }
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
    let house = house(&settings(&folder, 60_000));
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
    let (past, segments) = (house.archive().past(), house.segments().await);
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

const P: u64 = forebay_core::ts::PACKET_SIZE as u64;

fn segment(number: u64) -> Segment {
    let at = number * 100 * P;
    Segment {
        number,
        start: at,
        end: at + 100 * P,
        shown: MediaTime::new(number.cast_signed() * 90_000),
        wall: SystemTime::UNIX_EPOCH + Duration::from_micros(1_767_323_045_000_000 + number),
        ticks: 90_000,
        is_discontinuous: false,
        is_independent: true,
    }
}

/// A folder as it is left behind: five segments.
fn left_behind() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let segments: Vec<Segment> = (0..5).map(segment).collect();
    fs::write(folder.path().join("index"), disk::render(segments.iter())).unwrap();
    let packet = [&[0x47][..], &[0xff; 187]].concat();
    fs::write(folder.path().join("stream.ts"), packet.repeat(550)).unwrap();
    folder
}

fn found(folder: &TempDir) -> io::Result<Vec<u64>> {
    let (disk, segments) = Folder::open(folder.path())?;
    disk.tidy(&segments)?;
    let length = fs::metadata(folder.path().join("stream.ts"))?.len();
    assert_eq!(length, segments.last().map_or(0, |last| last.end), "what belongs to no segment is gone");
    let index = index::read(&fs::read(folder.path().join("index"))?).expect("it is ours");
    assert!(index.is_whole && index.segments == segments);
    Ok(segments.iter().map(|segment| segment.number).collect())
}

/// What was left behind, and an hour of it at most.
fn archive(folder: &TempDir) -> Arc<Archive> {
    let (disk, segments) = Folder::open(folder.path()).unwrap();
    let limits = Limits { window: 3600 * SECOND, bytes: u64::MAX };
    Arc::new(Archive::new(folder.path().into(), Place::Disk(Arc::new(disk)), History::new(limits, segments)))
}

/// One that begins so many seconds after the first.
fn of_second(number: u64) -> Segment {
    let wall = segment(0).wall + Duration::from_secs(number);
    Segment { wall, ..segment(number) }
}

#[test]
fn only_what_is_written_and_kept_is_read() {
    let folder = left_behind();
    let archive = archive(&folder);
    let read = |start, end| archive.read_now(start * P, end * P).unwrap().map(|bytes| bytes.len() as u64 / P);
    assert_eq!(read(100, 200), Some(100));
    assert_eq!(read(450, 550), None, "there are bytes, but nobody knows what they are");
    archive.release(200 * P);
    archive.release(100 * P);
    assert_eq!((read(199, 300), read(200, 300)), (None, Some(100)), "what may be freed is not read");
}

#[test]
fn what_is_let_go_of_is_freed() {
    let folder = left_behind();
    let (disk, segments) = Folder::open(folder.path()).unwrap();
    disk.tidy(&segments[2..]).unwrap();
    let bytes = fs::read(folder.path().join("stream.ts")).unwrap();
    assert_eq!(bytes.iter().position(|&byte| byte != 0), usize::try_from(200 * P).ok());
    // All of it was long ago when the process begins.
    let cache = tempfile::tempdir().unwrap();
    fs::rename(left_behind().keep(), cache.path().join("one")).unwrap();
    let archive = Archive::open(cache.path(), &settings(&cache, 0).channels[0]).unwrap();
    assert_eq!((archive.past().bytes, archive.past().is_on_disk), (0, true));
}

#[tokio::test]
async fn few_lists_are_kept_and_none_that_is_out_of_date() {
    let folder = left_behind();
    let archive = archive(&folder);
    (5..100).for_each(|number| archive.push(of_second(number)));
    for seconds in 1..20 {
        let list = archive.playlist((2 * seconds - 1) * SECOND / 2, 1, 1).await.unwrap();
        assert_eq!(list.tag, format!("{}-99-0-1", 100 - seconds));
    }
    assert_eq!(archive.rendered().len(), MAX_RENDERED);
    assert!(archive.playlist(SECOND, 1, 3).await.is_none(), "never less than everybody gets");
    archive.configure(&settings(&folder, 0).channels[0]);
    archive.push(of_second(100));
    assert!(archive.rendered().is_empty());
    assert_eq!(archive.past().length, 61 * SECOND, "a minute since the settings say so");
}

type Damage = fn(&Path);

#[test]
fn what_is_left_behind_is_used_as_far_as_it_is_there() {
    let cases: [(&str, Damage, &[u64]); 9] = [
        ("as it was", |_| (), &[0, 1, 2, 3, 4]),
        ("the end of the stream is missing", |folder| cut(&folder.join("stream.ts"), 450 * P), &[0, 1, 2, 3]),
        ("all of the stream is missing", |folder| fs::remove_file(folder.join("stream.ts")).unwrap(), &[]),
        ("the end of the index is torn", |folder| cut(&folder.join("index"), 64 * 5 - 10), &[0, 1, 2]),
        ("a part of the index is scribbled over", |folder| scribble(folder, 64 * 2 + 20, 40), &[0, 2, 3, 4]),
        ("the head of the index is scribbled over", |folder| scribble(folder, 0, 64), &[0, 1, 2, 3, 4]),
        ("the end never got to the disk", |folder| zero(folder, 330 * P, 500 * P), &[0, 1, 2]),
        ("the beginning was punched", |folder| zero(folder, 0, 200 * P), &[2, 3, 4]),
        (
            "there is nothing",
            |folder| ["index", "stream.ts"].iter().for_each(|f| fs::remove_file(folder.join(f)).unwrap()),
            &[],
        ),
    ];
    for (name, damage, expected) in cases {
        let folder = left_behind();
        damage(folder.path());
        assert_eq!(found(&folder).unwrap(), expected, "{name}");
        assert_eq!(found(&folder).unwrap(), expected, "{name}, a second time");
    }
}

fn cut(file: &Path, length: u64) {
    fs::File::options().write(true).open(file).unwrap().set_len(length).unwrap();
}

fn scribble(folder: &Path, start: usize, length: usize) {
    let mut bytes = fs::read(folder.join("index")).unwrap();
    bytes[start..start + length].fill(0xa5);
    fs::write(folder.join("index"), bytes).unwrap();
}

fn zero(folder: &Path, start: u64, end: u64) {
    let mut bytes = fs::read(folder.join("stream.ts")).unwrap();
    bytes[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()].fill(0);
    fs::write(folder.join("stream.ts"), bytes).unwrap();
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let strangers: [fn(&Path); 3] = [
        |folder| fs::write(folder.join("index"), "my index").unwrap(),
        |folder| fs::remove_file(folder.join("index")).unwrap(),
        |folder| {
            fs::remove_file(folder.join("stream.ts")).unwrap();
            fs::create_dir(folder.join("stream.ts")).unwrap();
        },
    ];
    for make in strangers {
        let folder = left_behind();
        make(folder.path());
        let before = listing(folder.path());
        assert!(Folder::open(folder.path()).is_err());
        assert_eq!(listing(folder.path()), before);
    }
    let folder = left_behind();
    let _first = Folder::open(folder.path()).unwrap();
    let error = Folder::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
}

/// What is there, and how long it is.
fn listing(folder: &Path) -> Vec<(String, u64)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    all.sort();
    all
}

#[test]
fn only_folders_of_ours_that_nobody_wants_are_removed() {
    let cache = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let folder = cache.path().join(name);
        fs::rename(left_behind().keep(), &folder).unwrap();
        folder
    };
    let (kept, unwanted, shared, stranger) =
        (make("kept"), make("unwanted"), make("shared"), make("stranger"));
    let of_another_process = Folder::open(&make("used")).unwrap();
    fs::write(shared.join("notes.txt"), "mine").unwrap();
    fs::write(stranger.join("index"), "my index").unwrap();
    fs::write(cache.path().join("numbers.json"), "{}").unwrap();
    std::os::unix::fs::symlink(&kept, cache.path().join("link")).unwrap();
    let id: ChannelId = "kept".parse().unwrap();
    clean(cache.path(), &HashSet::from([&id]));
    let names: Vec<String> = listing(cache.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["kept", "link", "numbers.json", "shared", "stranger", "used"]);
    drop(of_another_process);
    assert!(!unwanted.exists());
    assert_eq!(listing(&shared), [("notes.txt".to_owned(), 4)]);
    assert_eq!((listing(&kept).len(), listing(&stranger).len()), (2, 2));
}
