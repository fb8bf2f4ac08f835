//! Input of others costs time that grows with its length and no faster: a parser that takes the
//! square of it stands still for minutes on a few megabytes, and all channels with it.

#![allow(clippy::cast_possible_truncation, reason = "a field is masked where it is cast")]

use std::fmt::Write as _;
use std::hint::black_box;

use forebay_core::health::{Inspector, Rules};
use forebay_core::lineup::m3u::{self, MAX_LINE_BYTES, Parser};
use forebay_core::playlist::follow::{Action, Answer, Follower, Options, Outcome};
use forebay_core::playlist::model::Variables;
use forebay_core::playlist::parse::parse;
use forebay_core::remux::{Remuxer, Rendition, sniff};
use forebay_core::time::Moment;
use forebay_core::timeshift::index;
use forebay_core::ts::packet::Bytes;
use forebay_core::ts::scout::Scout;
use forebay_core::ts::splice::Splice;
use forebay_core::ts::survey::Survey;
use forebay_core::ts::sync::{Item, Sync};
use forebay_core::ts::{PACKET_SIZE, Packet};
use forebay_testkit::linear::assert_linear;
use url::Url;

const STREAM: &[u8] = include_bytes!("data/h264_aac.ts");

const MP4: &[u8] = include_bytes!("data/h264_aac.mp4");

/// So many bytes of these, over and over.
fn repeat(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes.iter().copied().cycle().take(length).collect()
}

fn packets_of(bytes: &[u8]) -> Vec<Bytes> {
    let (mut sync, mut packets) = (Sync::new(), Vec::new());
    let mut items = sync.push(bytes);
    while let Some(item) = items.next() {
        if let Item::Packets(run) = item {
            packets.extend_from_slice(run);
        }
    }
    packets
}

/// Packets of a PID that a stream does not know, and that all start something.
fn starts(length: usize, pid: impl Fn(usize) -> u16, payload: &[u8]) -> Vec<u8> {
    let packet = |at: usize| {
        let [high, low] = pid(at).to_be_bytes();
        let mut packet = [0xff; PACKET_SIZE];
        packet[..4].copy_from_slice(&[0x47, 0x40 | high, low, 0x10 | (at % 16) as u8]);
        packet[4..4 + payload.len()].copy_from_slice(payload);
        packet
    };
    (0..length / PACKET_SIZE).flat_map(packet).collect()
}

/// Makes so many bytes of a stream.
type Make = fn(usize) -> Vec<u8>;

/// Makes so many characters of a playlist.
type MakeText = fn(usize) -> String;

/// Streams, good and bad.
fn streams() -> Vec<(&'static str, Make)> {
    vec![
        ("a real stream, over and over", |length| repeat(STREAM, length)),
        ("nothing but sync bytes", |length| vec![0x47; length]),
        ("no sync byte", |length| vec![0; length]),
        ("sync bytes that lead nowhere", |length| repeat(&[&[0x47][..], &[0; 186]].concat(), length)),
        ("packets that lose their place", |length| repeat(&STREAM[..STREAM.len() / 2 + 11], length)),
        ("a table in each packet", |length| repeat(&STREAM[..2 * PACKET_SIZE], length)),
        ("eight thousand PIDs", |length| starts(length, |at| (at % 8190) as u16, &[0, 0, 1, 0xe0, 0, 0])),
        ("PES packets without end", |length| {
            let head = STREAM.chunks(PACKET_SIZE).take(3).flatten().copied();
            head.chain(starts(length, |_| 0x100, &[0; 100])).collect()
        }),
        ("tables without end", |length| starts(length, |_| 0, &[0, 0, 0xbf, 0xff, 0, 1, 0xc1, 0, 0])),
        ("sections of one byte", |length| starts(length, |_| 0, &[0; 184])),
    ]
}

#[test]
fn streams_are_read_in_linear_time() {
    for (name, make) in streams() {
        assert_linear(&format!("sync, {name}"), 32 << 20, make, |bytes| {
            let mut sync = Sync::new();
            for piece in bytes.chunks(1 << 16) {
                let mut items = sync.push(piece);
                while black_box(items.next()).is_some() {}
            }
        });
        let packets = |length| packets_of(&make(length));
        assert_linear(&format!("splice, {name}"), 16 << 20, packets, |packets| {
            let mut splice = Splice::new(None);
            for run in packets.chunks(350) {
                splice.push(run);
                splice.clear(1 << 20);
            }
        });
        assert_linear(&format!("scout, {name}"), 16 << 20, packets, |packets| {
            let mut scout = Scout::new(None);
            for run in packets.chunks(350) {
                black_box(scout.push(run));
            }
        });
        assert_linear(&format!("health, {name}"), 16 << 20, packets, |packets| {
            let mut inspector = Inspector::new(Rules::default(), None);
            for (at, run) in (0..).zip(packets.chunks(350)) {
                inspector.push(Moment::from_millis(at * 100), run);
                while black_box(inspector.poll_fault()).is_some() {}
            }
        });
        assert_linear(&format!("survey, {name}"), 16 << 20, make, |bytes| {
            let mut survey = Survey::new(None);
            bytes.chunks(1 << 16).for_each(|piece| survey.push(piece));
            black_box(survey.report());
        });
    }
    assert!(packets_of(STREAM).iter().any(|packet| Packet::new(packet).starts_unit()));
}

/// Playlists of about so many bytes.
fn playlists() -> Vec<(&'static str, MakeText)> {
    const HEAD: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
    const DEFINED: &str = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n";
    fn many(head: &str, line: &str, length: usize) -> String {
        head.to_owned() + &line.repeat(length / line.len())
    }
    vec![
        ("segments", |length| {
            (0..length / 20).fold(HEAD.to_owned(), |mut list, name| {
                write!(list, "#EXTINF:2,\n{name}.ts\n").expect("it is text");
                list
            })
        }),
        ("variables that are not closed", |length| many(DEFINED, "{$", length)),
        ("variables within variables", |length| many(DEFINED, "{$a{$", length)),
        ("variables that are not defined", |length| many(DEFINED, "{$c}", length)),
        ("variables", |length| many(DEFINED, "{$a}", length)),
        ("lines of variables", |length| many(DEFINED, "#EXTINF:2,\n{$a}{$a}{$\n", length)),
        ("definitions", |length| {
            (0..length / 40).fold("#EXTM3U\n".to_owned(), |mut list, name| {
                writeln!(list, "#EXT-X-DEFINE:NAME=\"n{name}\",VALUE=\"{name}\"").expect("it is text");
                list
            })
        }),
        ("attributes", |length| many("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1", ",A=b", length) + "\nx\n"),
        ("quotes", |length| many("#EXTM3U\n#EXT-X-STREAM-INF:A=", "\"", length) + "\nx\n"),
        ("quotes that are not closed", |length| many("#EXTM3U\n#EXT-X-STREAM-INF:A=", "\"x,A=", length)),
        ("keys", |length| many(HEAD, "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:2,\ns\n", length)),
        ("codecs", |length| many("#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"", "avc1,", length) + "\"\nx\n"),
        ("variants", |length| many("#EXTM3U\n", "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nv\n", length)),
        ("renditions", |length| {
            let list =
                many("#EXTM3U\n", "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"u\"\n", length);
            list + "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nv\n"
        }),
        ("tags that are not known", |length| many(HEAD, "#EXT-X-WHAT:EVER\n", length)),
        ("one long line", |length| many("#EXTM3U\n", "x", length)),
        ("empty lines", |length| many("#EXTM3U\n", "\r\n \n", length)),
        ("dates", |length| {
            many(HEAD, "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n#EXTINF:2,\ns\n", length)
        }),
        ("parts", |length| many(HEAD, "#EXT-X-PART:DURATION=0.3,URI=\"p\"\n", length)),
    ]
}

#[test]
fn playlists_are_read_and_followed_in_linear_time() {
    let base = Url::parse("http://h/live/index.m3u8").expect("it is an address");
    for (name, make) in playlists() {
        assert_linear(&format!("playlist, {name}"), 2 << 20, make, |text| {
            drop(black_box(parse(text.as_bytes(), &base, &Variables::default())));
        });
        // The same list again and again, and one that has moved on.
        assert_linear(&format!("follow, {name}"), 1 << 20, make, |text| {
            let mut follower = Follower::new(Moment::ZERO, base.clone(), Options::default());
            for step in 0..18 {
                // Six things a second are done, playlists among them.
                let now = Moment::from_millis(step / 6 * 1000);
                match black_box(follower.poll_action(now)) {
                    Some(Action::FetchPlaylist { of, url, inherited, .. }) => {
                        let playlist = parse(text.as_bytes(), &url, &inherited);
                        follower.handle_playlist(now, of, Answer::Playlist { url, playlist, etag: None });
                    }
                    Some(Action::FetchSegment(fetch)) => {
                        follower.handle_segment(now, fetch.rendition, Outcome::Done);
                    }
                    _ => {}
                }
            }
        });
    }
}

fn mp4_box(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 8).expect("it is short").to_be_bytes();
    [&length[..], &kind, content].concat()
}

/// One tag of ID3, with this much in it.
fn id3(content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let size = [length >> 21 & 0x7f, length >> 14 & 0x7f, length >> 7 & 0x7f, length & 0x7f];
    [&b"ID3\x04\0\0"[..], &size.map(|part| part as u8), content].concat()
}

/// Segments of about so many bytes.
fn segments() -> Vec<(&'static str, Make)> {
    vec![
        ("empty boxes", |length| repeat(&mp4_box(*b"free", &[]), length)),
        ("boxes in boxes", |length| {
            (0..length / 8).flat_map(|at| mp4_box_head(*b"moof", length - at * 8)).collect()
        }),
        ("boxes of nothing in a fragment", |length| {
            mp4_box(*b"moof", &repeat(&mp4_box(*b"traf", &[]), length))
        }),
        ("runs of samples", |length| {
            let run = mp4_box(*b"trun", &[&[0, 0, 0x01, 0, 0, 0, 0, 1][..], &[0; 4]].concat());
            let header = mp4_box(*b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 1]);
            mp4_box(*b"moof", &mp4_box(*b"traf", &[header, repeat(&run, length)].concat()))
        }),
        ("a long run of samples", |length| {
            let count = u32::try_from(length / 4).expect("it is short").to_be_bytes();
            let run = mp4_box(*b"trun", &[&[0, 0, 0x01, 0][..], &count, &vec![0; length]].concat());
            let header = mp4_box(*b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 1]);
            mp4_box(*b"moof", &mp4_box(*b"traf", &[header, run].concat()))
        }),
        ("tags", |length| repeat(&id3(&[]), length)),
        ("frames in a tag", |length| id3(&repeat(b"TXXX\0\0\0\0\0\0", length))),
        ("private frames", |length| {
            let frame = [&b"PRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0"[..], &[0; 8]];
            id3(&repeat(&frame.concat(), length))
        }),
        ("frames of sound", |length| repeat(&[0xff, 0xf1, 0x50, 0x80, 0x01, 0x1f, 0xfc, 0], length)),
        ("heads of sound that lead nowhere", |length| repeat(&[0xff, 0xf1], length)),
        ("sync bytes", |length| vec![0x47; length]),
        ("a real stream", |length| repeat(STREAM, length)),
        ("text", |length| repeat(b"#EXTM3U\n", length)),
    ]
}

/// The head of a box of this length.
fn mp4_box_head(kind: [u8; 4], length: usize) -> Vec<u8> {
    [&u32::try_from(length).expect("it is short").to_be_bytes()[..], &kind].concat()
}

#[test]
fn segments_are_remuxed_in_linear_time() {
    let first_fragment = MP4.windows(4).position(|kind| kind == b"moof").expect("it has one") - 4;
    let (init, fragments) = MP4.split_at(first_fragment);
    let push = |bytes: &[u8]| {
        let mut remuxer = Remuxer::new();
        remuxer.set_init(Rendition::Main, init).expect("it is good");
        drop(black_box(remuxer.push(Rendition::Main, bytes)));
        remuxer.finish();
    };
    assert_linear("remux, real fragments", 8 << 20, |length| repeat(fragments, length), |bytes| push(bytes));
    for (name, make) in segments() {
        assert_linear(&format!("remux behind an initialisation, {name}"), 8 << 20, make, |bytes| push(bytes));
        assert_linear(&format!("sniff, {name}"), 8 << 20, make, |bytes| {
            black_box(sniff(bytes));
        });
        assert_linear(&format!("remux, {name}"), 8 << 20, make, |bytes| {
            let mut remuxer = Remuxer::new();
            drop(black_box(remuxer.push(Rendition::Main, bytes)));
            remuxer.finish();
        });
        assert_linear(&format!("initialisation, {name}"), 8 << 20, make, |bytes| {
            drop(black_box(Remuxer::new().set_init(Rendition::Main, bytes)));
        });
    }
}

#[test]
fn a_damaged_index_is_read_in_linear_time() {
    let inputs: [(&str, Make); 3] = [
        ("zeros", |length| vec![0; length]),
        ("ones", |length| vec![0xff; length]),
        ("shifted", |length| repeat(&[1, 0, 0, 0, 0, 0, 0, 0, 188, 0, 0], length)),
    ];
    for (name, make) in inputs {
        assert_linear(&format!("index, {name}"), 4 << 20, make, |bytes| {
            drop(black_box(index::read(&[&index::head()[..], bytes].concat())));
        });
    }
}

/// Lists of channels with what is hard to read.
fn lists() -> Vec<(&'static str, MakeText)> {
    macro_rules! lines {
        ($line:literal) => {
            |length| {
                let line: &str = $line;
                format!("#EXTM3U\n{}", line.repeat(length / line.len()))
            }
        };
    }
    macro_rules! one_line {
        ($part:literal) => {
            |length| {
                let part: &str = $part;
                format!(
                    "#EXTINF:-1 {},A\nhttp://h/1\n",
                    part.repeat(length.min(MAX_LINE_BYTES - 100) / part.len())
                )
            }
        };
    }
    vec![
        ("entries", lines!("#EXTINF:-1 tvg-id=\"a\" group-title=\"b\",A\nhttp://h/1|User-Agent=x\n")),
        ("no lines", |length| "x".repeat(length)),
        ("options", lines!("#EXTVLCOPT:a=b\n")),
        ("quotes", one_line!("\"")),
        ("quotes and blanks", one_line!("\" ")),
        ("keys", one_line!("a=")),
        ("values that do not end", one_line!("tvg-id=\"a ")),
        ("long keys", one_line!("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\"")),
        ("blanks", one_line!("a=                                                  ")),
        ("pipes", |length| {
            format!("#EXTINF:-1,A\nhttp://h/{}", "|a=b?".repeat(length.min(MAX_LINE_BYTES - 100) / 5))
        }),
        ("bare addresses", lines!("http://h/1\n")),
        ("titles without addresses", lines!("#EXTINF:-1,A\n")),
    ]
}

#[test]
fn lists_are_read_in_linear_time() {
    for (name, make) in lists() {
        assert_linear(&format!("a list of channels, {name}"), 8 << 20, make, |text| {
            let mut parser = Parser::new(m3u::Options::default());
            let mut take = |item: m3u::Item<'_>| {
                black_box(item);
            };
            parser.push(text.as_bytes(), &mut take);
            black_box(parser.finish(&mut take));
        });
    }
}
