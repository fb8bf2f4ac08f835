//! Guides become files, and are read from them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use liblzma::write::XzEncoder;
use tempfile::TempDir;

use super::*;

const GUIDE: &str = "<tv><channel id=\"a\"><display-name>A</display-name><display-name>A1</display-name></channel>\
    <programme start=\"20260101100000 +0000\" channel=\"a\"><title>One</title></programme>\
    <programme start=\"20260101110000 +0000\" channel=\"a\"><title>Two</title></programme>\
    <programme start=\"20260101110000 +0000\" channel=\"a\"><title>Twice</title></programme>\
    <programme start=\"20260101100000 +0000\" stop=\"20260101103000 +0000\" channel=\"b\"><title>Élan</title></programme></tv>";

fn take(folder: &TempDir, bytes: &[u8]) -> Result<Info, Error> {
    let document = folder.path().join("document");
    std::fs::write(&document, bytes).unwrap();
    let info = Info { is_whole: true, digest: "d".to_owned(), ..Info::default() };
    let (path, cancelled) = (folder.path().join("one.guide"), CancellationToken::new());
    import(&document, Options::default(), info, &path, &cancelled, |_| Ok(()))
}

fn zip(method: u16, data: &[u8], length: usize) -> Vec<u8> {
    let mut head = b"PK\x03\x04\x14\0\0\0".to_vec();
    head.extend(method.to_le_bytes());
    head.extend([0; 8]);
    head.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    head.extend(u32::try_from(length).unwrap().to_le_bytes());
    head.extend(b"\x05\0\x02\0a.xmlxx");
    [&head, data, b"PK\x01\x02rest"].concat()
}

#[test]
fn a_guide_is_unpacked_by_its_first_bytes() {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(GUIDE.as_bytes()).unwrap();
    let mut xz = XzEncoder::new(Vec::new(), 1);
    xz.write_all(GUIDE.as_bytes()).unwrap();
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflated.write_all(GUIDE.as_bytes()).unwrap();
    let length = GUIDE.len();
    let gz = gz.finish().unwrap();
    let all = [
        GUIDE.as_bytes().to_vec(),
        gz.clone(),
        xz.finish().unwrap(),
        zip(8, &deflated.finish().unwrap(), length),
        zip(0, GUIDE.as_bytes(), length),
    ];
    let folder = TempDir::new().unwrap();
    for (at, packed) in all.iter().enumerate() {
        let info = take(&folder, packed).unwrap();
        assert_eq!((info.channels, info.programmes, info.is_whole), (1, 4, true), "{at}");
    }
    let half = take(&folder, &gz[..gz.len() - 20]);
    assert!(half.is_ok_and(|info| !info.is_whole), "half a guide is kept and said");
}

#[test]
fn what_is_no_guide_replaces_none() {
    let folder = TempDir::new().unwrap();
    take(&folder, GUIDE.as_bytes()).unwrap();
    let nothing = "<tv><channel id=\"a\"/></tv>";
    assert!(matches!(take(&folder, b"<html>gone</html>"), Err(Error::NoGuide)));
    assert!(matches!(take(&folder, nothing.as_bytes()), Err(Error::Empty)));
    let stored = Stored::open(&folder.path().join("one.guide")).unwrap();
    assert_eq!(stored.info().unwrap().programmes, 4);
}

#[test]
fn programmes_name_no_more_channels_than_a_guide_may_have() {
    let folder = TempDir::new().unwrap();
    let mut guide = b"<tv>".to_vec();
    for at in 0..=MAX_CHANNELS {
        write!(guide, "<programme start=\"2026\" channel=\"{at}\"><title>T</title></programme>").unwrap();
    }
    let info = take(&folder, &guide).unwrap();
    assert_eq!((info.channels, info.programmes, info.faults), (0, MAX_CHANNELS, 1));
}

#[test]
fn rule_19_the_programme_that_runs_is_there_and_ends_where_the_next_begins() {
    let folder = TempDir::new().unwrap();
    take(&folder, GUIDE.as_bytes()).unwrap();
    let stored = Stored::open(&folder.path().join("one.guide")).unwrap();
    let ten = 1_767_261_600;
    let titles = |channel, window| {
        let mut found = Vec::new();
        let take = |it: Airing| {
            found.push((it.start.seconds() - ten, it.stop.seconds() - ten, it.body));
            true
        };
        stored.programmes(channel, window, take).unwrap();
        found
    };
    let one = (0, 3600, "><title>One</title></programme>\n".to_owned());
    let two = (3600, 7200, "><title>Two</title></programme>\n".to_owned());
    assert_eq!(titles(0, (ten + 1800, ten + 1801)), std::slice::from_ref(&one), "in its middle");
    assert_eq!(titles(0, (ten, ten + 86_400)), [one, two.clone()]);
    assert_eq!(titles(0, (ten + 3600, ten + 86_400)), [two]);
    let mut channels = Vec::new();
    let take = |it: StoredChannel| {
        channels.push((it.id, it.names, it.has_programmes));
        true
    };
    // At the end of the only programme of `b` it has none any more.
    stored.channels(ten + 1800, take).unwrap();
    assert_eq!(
        channels,
        [("a".to_owned(), vec!["A".to_owned(), "A1".to_owned()], true), ("b".to_owned(), vec![], false)]
    );
    let mut found = Vec::new();
    let take = |it: Title<'_>| {
        if it.folded == b"elan" {
            found.push((it.channel, it.row));
        }
        true
    };
    stored.titles(ten, take).unwrap();
    let [(1, row)] = found[..] else { panic!("{found:?}") };
    assert!(stored.programme(row).unwrap().body.contains("Élan"));
    assert_eq!(stored.running(0, ten + 1800).unwrap(), Some(ten));
    assert_eq!(stored.running(1, ten + 1800).unwrap(), None);
}

/// The checksum of xz, which is that of gzip.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn xz_in_several_streams_is_read_to_its_end_and_takes_no_more_memory_than_it_may() {
    let xz = |text: &str| {
        let mut out = XzEncoder::new(Vec::new(), 1);
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    };
    let folder = TempDir::new().unwrap();
    let middle = GUIDE.len() / 2;
    let two = [xz(&GUIDE[..middle]), xz(&GUIDE[middle..])].concat();
    let info = take(&folder, &two).unwrap();
    assert_eq!((info.programmes, info.is_whole), (4, true));
    // A dictionary of 1.5 GiB costs the sender a byte, and the reader the memory.
    let small = xz(GUIDE);
    let mut greedy = small.clone();
    // The byte behind the filter's id (0x21) and its length (1) is the dictionary's size.
    let at = small.windows(2).position(|it| it == [0x21, 1]).unwrap() + 2;
    greedy[at] = 37;
    // The head of the block (xz file format 1.2, section 3.1) begins behind that of the stream,
    // says its length in words, and ends with its checksum.
    let end = 12 + usize::from(greedy[12]) * 4;
    let checksum = crc32(&greedy[12..end]).to_le_bytes();
    greedy[end..end + 4].copy_from_slice(&checksum);
    let error = take(&folder, &greedy).unwrap_err().to_string();
    assert!(error.contains("80 MiB"), "{error}");
}

#[test]
fn half_a_guide_has_no_marks_and_replaces_no_whole_one() {
    let folder = TempDir::new().unwrap();
    let whole = take(&folder, GUIDE.as_bytes()).unwrap();
    let half = take(&folder, &GUIDE.as_bytes()[..GUIDE.len() - 20]).unwrap();
    assert_eq!((whole.is_whole, half.is_whole, half.programmes), (true, false, 3));
    let now = 1_767_261_600;
    assert!(whole.may_replace(&half, now) && whole.may_replace(&whole, now));
    assert!(!half.may_replace(&whole, now) && half.may_replace(&whole, whole.ends_at));
    assert!(half.may_replace(&half, now));
    let document = folder.path().join("half");
    std::fs::write(&document, &GUIDE.as_bytes()[..GUIDE.len() - 20]).unwrap();
    let marks = Marks { etag: Some("\"1\"".to_owned()), last_modified: None };
    let info = Info { is_whole: true, marks, ..Info::default() };
    let path = folder.path().join("half.guide");
    let taken =
        import(&document, Options::default(), info, &path, &CancellationToken::new(), |_| Ok(())).unwrap();
    assert_eq!(taken.marks, Marks::default());
    assert_eq!(Stored::open(&path).unwrap().info().unwrap(), taken);
}
