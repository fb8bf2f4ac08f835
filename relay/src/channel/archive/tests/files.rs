//! What is on disk, without a channel: what is found of it, kept, and let go of.

use super::*;

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
    Arc::new(Archive::new(
        folder.path().into(),
        Placement::Disk(Arc::new(disk)),
        History::new(limits, segments),
    ))
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
    assert_eq!((archive.status().bytes, archive.status().is_on_disk), (0, true));
}

#[tokio::test]
async fn few_lists_are_kept_and_none_that_is_out_of_date() {
    let folder = left_behind();
    let archive = archive(&folder);
    (5..100).for_each(|number| archive.push(of_second(number)));
    for seconds in 1..20 {
        let list = archive.playlist((2 * seconds - 1) * SECOND / 2, 1, 1).await.unwrap();
        assert_eq!(list.etag, format!("{}-99-0-1", 100 - seconds));
    }
    assert_eq!(archive.rendered().len(), MAX_RENDERED);
    assert!(archive.playlist(SECOND, 1, 3).await.is_none(), "never less than everybody gets");
    archive.configure(&settings(&folder, 0).channels[0]);
    archive.push(of_second(100));
    assert!(archive.rendered().is_empty());
    assert_eq!(archive.status().length, 61 * SECOND, "a minute since the settings say so");
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
    let keeps = "[[channels]]\nid = 'kept'\nsources = ['http://h/']\ntimeshift = '1h'\n";
    let archives = open_all(cache.path(), &*Fixture::parse(keeps).lookup());
    assert_eq!(archives.keys().map(ChannelId::as_str).collect::<Vec<_>>(), ["kept"]);
    let names: Vec<String> = listing(cache.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["kept", "link", "numbers.json", "shared", "stranger", "used"]);
    drop(of_another_process);
    assert!(!unwanted.exists());
    assert_eq!(listing(&shared), [("notes.txt".to_owned(), 4)]);
    assert_eq!((listing(&kept).len(), listing(&stranger).len()), (2, 2));
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
        archive.check_files();
        assert!(archive.status().is_on_disk);
        damage(folder.path());
        archive.check_files();
        assert!(!archive.status().is_on_disk);
        assert!(archive.read_now(100 * P, 200 * P).unwrap().is_some(), "what was there is still read");
    }
}
