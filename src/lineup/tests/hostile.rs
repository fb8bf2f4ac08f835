//! Lists that somebody made to do harm, or that a broken panel sends: bounded, and said.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use forebay_testkit::addresses::NOT_PUBLIC;
use rustix::fs::{FileType, Mode};
use serde_json::json;

use super::*;
use crate::db::lineup::Unusable;
use crate::lineup::spool::Spool;

/// Memory that a list may take besides what it leaves behind, in bytes.
const MAX_GROWTH: u64 = 32 << 20;

/// What the process has had resident at most, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

async fn push(
    house: &House,
    id: PlaylistId,
    pieces: impl Iterator<Item = Bytes> + Send + 'static,
) -> Result<Refreshed, Refusal> {
    house.lineup.upload(id, stream::iter(pieces.map(Ok::<_, InputError>)), &Actor::Console).await
}

/// What becomes of these bytes where a document may have 16 MiB, and what is left on the disk.
async fn spooled(pieces: impl Iterator<Item = Bytes> + Send + 'static) -> (String, usize) {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::limited(folder.path(), 16 << 20);
    let body = stream::iter(pieces.map(Ok::<_, InputError>));
    let error = fetch::upload(&spool, body, &Progress::default()).await.unwrap_err().to_string();
    (error, fs::read_dir(folder.path().join("playlists")).unwrap().count())
}

#[tokio::test]
async fn a_list_without_an_end_is_cut_off_and_leaves_nothing() {
    let before = peak();
    let entry = Bytes::from(entry("One", "", "G", "http://cdn.example/1.ts").repeat(1000));
    assert_eq!(spooled(std::iter::repeat(entry)).await, ("it has more than 16 MiB".to_owned(), 0));
    assert!(peak() - before < MAX_GROWTH);
}

#[tokio::test]
async fn a_file_that_is_a_pipe_is_refused_and_not_waited_for() {
    let house = House::configured("[server]\nallow_private_sources = true\n");
    let pipe = house.folder.path().join("pipe.m3u");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let id = house.add(json!({ "name": "A", "url": format!("file:{}", pipe.display()) })).await;
    let refusal = house.lineup.refresh(id).await.unwrap_err().to_string();
    assert!(refusal.contains("it is no regular file"), "{refusal}");
}

#[tokio::test]
async fn what_unpacks_to_a_thousand_times_as_much_is_cut_off() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    let entries = entry("One", "", "G", "http://cdn.example/1.ts").repeat(100);
    for _ in 0..3000 {
        packed.write_all(entries.as_bytes()).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 25 * 3000, "{}", packed.len());
    let (house, before) = (House::new(), peak());
    let id = house.add(json!({ "name": "A" })).await;
    let refusal = push(&house, id, std::iter::once(Bytes::from(packed))).await.unwrap_err();
    assert_eq!(refusal.to_string(), "the list is held: it broke off before its end");
    let kept = fs::metadata(house.folder.path().join("playlists/1.held")).unwrap().len();
    assert!(kept < 20 << 20, "{kept}");
    assert!(peak() - before < MAX_GROWTH);
}

#[tokio::test]
async fn a_line_of_a_hundred_megabytes_is_one_fault() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let (long, before) = (Bytes::from(vec![b'x'; 1 << 20]), peak());
    let name = std::iter::once(Bytes::from_static(b"#EXTM3U\n#EXTINF:-1,"));
    let last = entry("Last", "", "G", "http://cdn.example/2.ts");
    let rest = [Bytes::from_static(b"\nhttp://cdn.example/1.ts\n"), Bytes::from(last)];
    let pieces = name.chain(std::iter::repeat_n(long, 100)).chain(rest);
    let Ok(Refreshed::Applied(summary)) = push(&house, id, pieces).await else { panic!("it is a list") };
    assert_eq!((summary.added, summary.contents.faults), (2, 1));
    let rows = house.rows().await;
    assert_eq!(rows[1].name, "Last");
    assert!(rows[0].name.len() < 200_000, "{}", rows[0].name.len());
    assert!(peak() - before < MAX_GROWTH, "{}", peak() - before);
}

#[tokio::test]
async fn texts_are_texts_whatever_is_in_them() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let names = ["=HYPERLINK(\"http://evil\")", "<script>alert(1)</script>", "'; DROP TABLE channels; --"];
    let mut list = "#EXTM3U\n".to_owned();
    for (at, name) in names.iter().enumerate() {
        list += &entry(name, "../../etc/passwd", name, &format!("http://cdn.example/{at}.ts"));
    }
    list += &entry("Nul\0in\0it", "a\0b", "G\0", "http://cdn.example/9.ts");
    list += &entry("../../../etc/passwd", "%2e%2e/x", "..", "http://cdn.example/10.ts");
    assert_eq!(house.applied(id, &list).await.added, 5);
    let rows = house.rows().await;
    assert_eq!(rows[..3].iter().map(|row| &*row.name).collect::<Vec<_>>(), names);
    for row in &rows {
        assert!(row.path.parse::<forebay_relay::model::ChannelId>().is_ok(), "{}", row.path);
        let path = row.path.clone();
        let found = house.database.read(move |it| lineup::find(it, &path)).await.unwrap().unwrap();
        let channel = found.channel(&house.lineup.0.config.get()).unwrap();
        assert!(!channel.name.chars().any(char::is_control), "{:?}", channel.name);
    }
}

#[tokio::test]
async fn groups_beyond_the_limit_are_counted_and_their_channels_stay() {
    take_groups(10_500).await;
}

#[tokio::test]
#[ignore = "a million entries: make test-long"]
async fn a_million_groups_are_ten_thousand_and_a_count() {
    take_groups(1_000_000).await;
}

/// Takes a list whose channels have a group each.
async fn take_groups(count: u64) {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let before = peak();
    let of = |at| entry("C", "", &format!("G{at}"), &format!("http://h.example/{at}"));
    let piece = move |at: u64| (at..count.min(at + 1000)).map(of).collect::<String>();
    let pieces = (0..count).step_by(1000).map(move |at| Bytes::from(piece(at)));
    let Ok(Refreshed::Applied(summary)) = push(&house, id, pieces).await else { panic!("it is a list") };
    assert_eq!((summary.added, summary.without_group), (count, count - 10_000));
    let grown = peak() - before;
    println!("{count} groups: {} MiB at most", grown >> 20);
    // 46 MiB were measured for a million. A group of a hundred bytes for each would be twice that.
    assert!(grown < 2 * MAX_GROWTH, "{} MiB", grown >> 20);
    let groups = house.database.read(move |connection| lineup::groups(connection, id)).await.unwrap();
    // One of them is for channels without a group.
    assert_eq!(groups.len(), 10_001);
    let first = house.database.read(|connection| lineup::list(connection, None, 10_000)).await.unwrap();
    assert!(first.iter().all(|row| !row.group_title.is_empty()), "those within the limit have theirs");
}

/// Names that networks give to their own machines.
const PRIVATE_NAMES: &[&str] = &["localhost", "LOCALHOST.", "tv.local", "nas", "router.home.arpa"];

#[tokio::test]
async fn no_spelling_of_a_private_address_is_listed_or_played() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let of = |(at, host): (usize, &&str)| {
        let user = if at % 2 == 0 { "" } else { "user:secret@" };
        entry(&format!("C{at}"), "", "G", &format!("http://{user}{host}:8080/{at}.ts"))
    };
    let private = [NOT_PUBLIC, PRIVATE_NAMES].concat();
    let list: String = private.iter().enumerate().map(of).collect();
    let (summary, count) = (house.applied(id, &list).await, private.len() as u64);
    assert_eq!((summary.added, summary.unplayable, house.rows().await.len()), (count, count, 0));
    let all = house.all().await;
    assert!(all.iter().all(|it| it.unusable == Some(Unusable::Private)), "{all:?}");
    for channel in all {
        let found = house.database.read(move |it| lineup::find(it, &channel.row.path)).await;
        assert_eq!(found, Ok(None));
    }
    // As the address of a list, too.
    for host in private {
        let fields = json!({ "name": host, "url": format!("http://{host}/list.m3u") });
        let document = Document::new(fields.as_object().unwrap().clone()).unwrap();
        let refused = house.lineup.create(document, &Actor::Console).await;
        assert!(matches!(refused, Err(Refusal::Fields(_))), "{host}");
    }
}
