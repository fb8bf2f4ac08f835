//! Heads of answers, sound, subtitles, RTMP, FLV, RTP and films are read in time that grows with
//! their length and no faster, however small the pieces in which they come.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "no input of a test is that long"
)]

#[path = "support/mkv.rs"]
mod mkv;
#[path = "support/movie.rs"]
mod movie;

use std::hint::black_box;
use std::time::Duration;

use forebay_core::flv::Muxer;
use forebay_core::http_challenge::Challenge;
use forebay_core::http_head::{HeadReader, MAX_HEAD};
use forebay_core::index::Indexer;
use forebay_core::remux::{AudioStream, find_frames};
use forebay_core::rtmp::{amf0, chunk};
use forebay_core::rtp::Reorder;
use forebay_core::subtitles;
use forebay_core::time::Moment;
use forebay_core::ts::stream::Codec;
use forebay_testkit::linear::assert_linear;

const STREAM: &[u8] = include_bytes!("data/h264_aac.ts");

const MP4: &[u8] = include_bytes!("data/h264_aac.mp4");

/// Sizes of the pieces in which bytes come.
const PIECES: [usize; 2] = [1, 1 << 16];

/// Makes so many bytes.
type Make = fn(usize) -> Vec<u8>;

/// So many bytes of these, over and over.
fn repeat(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes.iter().copied().cycle().take(length).collect()
}

/// `head`, and so many bytes of these.
fn behind(head: &[u8], bytes: &[u8], length: usize) -> Vec<u8> {
    [head, &repeat(bytes, length)].concat()
}

#[test]
fn heads_of_answers_are_read_in_linear_time() {
    const STATUS: &[u8] = b"HTTP/1.1 200 OK\r\n";
    let heads: [(&str, Make); 9] = [
        ("fields", |length| behind(STATUS, b"A: b\r\n", length)),
        ("one long field", |length| behind(STATUS, b"x", length)),
        ("a long status line", |length| behind(b"HTTP/1.1 200 ", b" x", length)),
        ("lines that go on", |length| behind(b"HTTP/1.1 200 OK\r\nA: b\r\n", b" x\r\n", length)),
        ("empty lines", |length| repeat(b"\r\n", length)),
        ("blanks", |length| behind(STATUS, b" ", length)),
        ("lengths", |length| behind(STATUS, b"Content-Length: 1\r\n", length)),
        ("codings", |length| behind(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: ", b",", length)),
        ("interim answers", |length| repeat(b"HTTP/1.1 100 Continue\r\n\r\n", length)),
    ];
    for (name, make) in heads {
        let whole = |length| [&make(length)[..], b"\r\n\r\n"].concat();
        for piece in PIECES {
            assert_linear(&format!("{name} in pieces of {piece}"), MAX_HEAD - 100, whole, |bytes| {
                let mut reader = HeadReader::default();
                let mut pieces = bytes.chunks(piece);
                while let Some(Ok(None)) = pieces.next().map(|piece| black_box(reader.push(piece))) {}
            });
        }
    }
}

#[test]
fn challenges_are_read_in_linear_time() {
    let challenges: [(&str, Make); 7] = [
        ("challenges", |length| repeat(b"Digest realm=\"r\", nonce=\"1\", ", length)),
        ("parameters", |length| behind(b"Digest ", b"a=b,", length)),
        ("commas", |length| repeat(b",", length)),
        ("quotes", |length| behind(b"Digest realm=", b"\"", length)),
        ("escapes", |length| behind(b"Digest realm=\"", b"\\", length)),
        ("schemes", |length| repeat(b"Digest ", length)),
        ("equals signs", |length| repeat(b"=", length)),
    ];
    for (name, make) in challenges {
        assert_linear(&format!("challenges, {name}"), 1 << 20, make, |bytes| {
            black_box(Challenge::best([&bytes[..]]));
        });
    }
}

/// A tag of ID3 with this size in its head.
fn tag(size: usize) -> Vec<u8> {
    let size = [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8);
    [&b"ID3\x04\0\0"[..], &size].concat()
}

#[test]
fn sound_is_read_in_linear_time() {
    /// AAC at 48 kHz in stereo.
    const FRAME: &[u8] = &[0xff, 0xf1, 0x4c, 0x80, 0x01, 0x5f, 0xfc, 0x21, 0x25, 0x00];
    let sounds: [(&str, Make); 8] = [
        ("frames", |length| repeat(FRAME, length)),
        ("tags", |length| repeat(&tag(0), length)),
        ("a tag that is long", |length| behind(&tag(length), &[0], length)),
        ("a tag without an end", |length| behind(&tag((1 << 28) - 1), FRAME, length)),
        ("tags between frames", |length| repeat(&[&tag(0), FRAME].concat(), length)),
        ("heads that lead nowhere", |length| repeat(&FRAME[..4], length)),
        ("a frame that is cut", |length| repeat(&FRAME[..9], length)),
        ("no frames", |length| vec![0; length]),
    ];
    for (name, make) in sounds {
        for piece in PIECES {
            assert_linear(&format!("sound, {name} in pieces of {piece}"), 1 << 20, make, |bytes| {
                let mut stream = AudioStream::new(Codec::Aac);
                for piece in bytes.chunks(piece) {
                    black_box(stream.push(piece));
                }
            });
        }
        assert_linear(&format!("search for sound, {name}"), 1 << 20, make, |bytes| {
            black_box(find_frames(bytes));
        });
    }
}

#[test]
fn subtitles_are_read_in_linear_time() {
    const CUE: &[u8] = b"1\n00:00:01,000 --> 00:00:02,000\n";
    let texts: [(&str, Make); 15] = [
        ("cues", |length| repeat(&[CUE, b"text\n\n"].concat(), length)),
        ("cues without text", |length| repeat(CUE, length)),
        ("brackets", |length| behind(CUE, b"<", length)),
        ("brackets that are closed", |length| behind(CUE, b"<i>", length)),
        ("closing brackets", |length| behind(CUE, b">", length)),
        ("codes that do not end", |length| behind(CUE, b"{\\", length)),
        ("codes", |length| behind(CUE, b"{\\an8}", length)),
        ("lines", |length| behind(CUE, b"x\n", length)),
        ("numbers", |length| behind(CUE, b"1\n", length)),
        ("one long line", |length| behind(CUE, b"x", length)),
        ("arrows", |length| repeat(b"-->", length)),
        ("lines of arrows", |length| behind(CUE, b"--> x\n", length)),
        ("colons", |length| behind(b"00:00:01 --> ", b"0:", length)),
        ("empty lines", |length| behind(CUE, b"\r\n", length)),
        ("bytes of no encoding", |length| behind(CUE, &[0x81], length)),
    ];
    for (name, make) in texts {
        for head in ["", "WEBVTT\n\n"] {
            let make = |length| [head.as_bytes(), &make(length)].concat();
            assert_linear(&format!("subtitles, {head:?} and {name}"), 2 << 20, make, |bytes| {
                let cues = subtitles::parse(bytes);
                black_box(subtitles::whole(&cues, Duration::from_hours(1)));
            });
        }
        assert_linear(&format!("a line of a film, {name}"), 2 << 20, make, |bytes| {
            let text = format!(",,,,,,,,{}", String::from_utf8_lossy(bytes));
            black_box(subtitles::styled(Duration::ZERO, Duration::from_secs(1), &text));
        });
    }
}

/// The first chunk of a message of RTMP with this body.
fn message(kind: u8, length: usize) -> Vec<u8> {
    let length = (length as u32).to_be_bytes();
    [&[3, 0, 0, 0][..], &length[1..], &[kind, 0, 0, 0, 0]].concat()
}

#[test]
fn rtmp_is_read_in_linear_time() {
    const COMMAND: u8 = 20;
    const SIZE_ONE: &[u8] = &[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1];
    let streams: [(&str, Make); 7] = [
        ("short messages", |length| repeat(&[&message(COMMAND, 1)[..], &[5]].concat(), length)),
        ("messages of nothing", |length| repeat(&message(COMMAND, 0), length)),
        ("a message in small chunks", |length| {
            let head = [SIZE_ONE, &message(COMMAND, chunk::MAX_COMMAND)].concat();
            behind(&head, &[0, 0xc3], length)
        }),
        ("a message in one chunk", |length| {
            let size: &[u8] = &[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0x7f, 0, 0, 0];
            behind(&[size, &message(COMMAND, chunk::MAX_COMMAND)[..]].concat(), &[0], length)
        }),
        ("sizes of chunks", |length| repeat(SIZE_ONE, length)),
        ("aborts", |length| repeat(&[2, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 3], length)),
        ("many chunk streams", |length| {
            let head = |at: usize| [&[3 + (at % 60) as u8][..], &message(COMMAND, 200)[1..]].concat();
            (0..length / 140).flat_map(|at| [head(at % 8), vec![0; 128]].concat()).collect()
        }),
    ];
    for (name, make) in streams {
        for piece in PIECES {
            assert_linear(&format!("RTMP, {name} in pieces of {piece}"), 1 << 20, make, |bytes| {
                let mut reader = chunk::Reader::new(chunk::MAX_COMMAND);
                for piece in bytes.chunks(piece) {
                    reader.push(piece);
                    while let Ok(Some(message)) = reader.poll() {
                        black_box(message);
                    }
                }
            });
        }
    }
    let values: [(&str, Make); 6] = [
        ("nothing", |length| vec![5; length]),
        ("texts", |length| repeat(&[2, 0, 1, b'x'], length)),
        ("a long text", |length| behind(&[&[12][..], &(length as u32).to_be_bytes()].concat(), b"x", length)),
        ("objects in objects", |length| repeat(&[3, 0, 1, b'x'], length)),
        ("fields", |length| behind(&[3], &[0, 1, b'x', 5], length)),
        ("lists", |length| repeat(&[10, 0, 0, 0, 1], length)),
    ];
    for (name, make) in values {
        assert_linear(&format!("values of RTMP, {name}"), 1 << 20, make, |bytes| {
            drop(black_box(amf0::read(bytes)));
        });
    }
}

#[test]
fn flv_is_made_in_linear_time() {
    let streams: [(&str, Make); 4] = [
        ("a real stream", |length| repeat(STREAM, length / 188 * 188)),
        ("tables", |length| repeat(&STREAM[..2 * 188], length / 188 * 188)),
        ("a packet again and again", |length| {
            behind(&STREAM[..8 * 188], &STREAM[7 * 188..8 * 188], length / 188 * 188)
        }),
        ("pictures that go on for ever", |length| {
            let more = [&[0x47, 0x01, 0x00, 0x10][..], &[0, 0, 1, 0x41].repeat(46)].concat();
            behind(&STREAM[..8 * 188], &more, length / 188 * 188)
        }),
    ];
    for (name, make) in streams {
        assert_linear(&format!("FLV of {name}"), 8 << 20, make, |bytes| {
            let mut muxer = Muxer::new();
            for run in bytes.chunks(188 * 100) {
                muxer.push(run);
                while black_box(muxer.poll()).is_some() {}
            }
        });
    }
}

#[test]
fn rtp_is_put_in_order_in_linear_time() {
    /// The sender and the sequence number of the packet at each place.
    type Sent = fn(usize) -> (u32, u16);
    let orders: [(&str, Sent); 6] = [
        ("in order", |at| (1, at as u16)),
        ("each second one", |at| (1, (2 * at) as u16)),
        ("back to front", |at| (1, (at / 1000 * 1000 + 999 - at % 1000) as u16)),
        ("the same", |_| (1, 7)),
        ("of two senders", |at| ((at % 2) as u32, at as u16)),
        ("in steps", |at| (1, at.wrapping_mul(2999) as u16)),
    ];
    for (name, order) in orders {
        assert_linear(
            &format!("RTP, {name}"),
            1 << 20,
            |count| count,
            |&count| {
                let mut reorder = Reorder::new(Duration::from_millis(100));
                for at in 0..count {
                    // As they come with 100 Mbit/s.
                    let now = Moment::new(Duration::from_micros(100 * at as u64));
                    let (sender, number) = order(at);
                    reorder.push(now, sender, number, at);
                    while black_box(reorder.poll(now)).is_some() {}
                }
            },
        );
    }
}

fn mp4_box(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 8).expect("it is short").to_be_bytes();
    [&length[..], &kind, content].concat()
}

/// An MP4 file with so many pictures in a track, of which the tables are as long as they may be.
fn pictures(count: usize, edits: usize) -> Vec<u8> {
    let picture = |at: usize| movie::Sample {
        duration: 3600 + (at % 2) as u32,
        offset: 7200 - (at % 2) as i32,
        size: 1 + (at % 3) as u32,
        is_sync: at.is_multiple_of(2),
    };
    let track = movie::Track {
        is_video: true,
        timescale: 90_000,
        samples: (0..count).map(picture).collect(),
        per_chunk: 1,
        edits: vec![(1, 0); edits],
    };
    movie::Movie::write(&[track]).bytes()
}

/// A Matroska file with so many pictures.
fn clusters(count: usize, style: mkv::Style) -> Vec<u8> {
    let frame = |at: usize| {
        let time = 40 * at as i64;
        mkv::Frame { time, turn: time, is_key: at.is_multiple_of(2), size: 4 }
    };
    let frames: Vec<mkv::Frame> = (0..count).map(frame).collect();
    mkv::write(&frames, &frames, style)
}

/// An element of Matroska that says it has so many bytes.
fn element(id: &[u8], length: usize) -> Vec<u8> {
    [id, &(length as u64 | 1 << 56).to_be_bytes()].concat()
}

#[test]
fn films_are_indexed_in_linear_time() {
    const EBML: &[u8] = &[0x1a, 0x45, 0xdf, 0xa3, 0x80];
    const SEGMENT: &[u8] = &[0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let films: [(&str, Make); 15] = [
        ("pictures in MP4", |length| pictures(length / 40, 1)),
        ("edits", |length| pictures(100, length / 12)),
        ("fragments", |length| {
            let first = MP4.windows(4).position(|kind| kind == b"moof").expect("it has one") - 4;
            behind(&MP4[..first], &MP4[first..], length)
        }),
        ("empty boxes", |length| {
            behind(&mp4_box(*b"ftyp", b"isom\0\0\0\0"), &mp4_box(*b"free", &[]), length)
        }),
        ("tracks of nothing", |length| mp4_box(*b"moov", &repeat(&mp4_box(*b"trak", &[]), length))),
        ("boxes in boxes", |length| {
            let head = |at: usize| [&((length - 8 * at) as u32).to_be_bytes()[..], b"moov"].concat();
            (0..length / 8).flat_map(head).collect()
        }),
        ("pictures in Matroska", |length| clusters(length / 60, mkv::Style::default())),
        ("without cues", |length| {
            clusters(length / 60, mkv::Style { has_cues: false, ..mkv::Style::default() })
        }),
        ("clusters without a length", |length| {
            let style = mkv::Style { is_live: true, has_cues: false, cluster: 100, ..mkv::Style::default() };
            clusters(length / 60, style)
        }),
        ("groups of blocks", |length| {
            let style = mkv::Style { has_groups: true, lacing: mkv::Lacing::Xiph, ..mkv::Style::default() };
            clusters(length / 60, style)
        }),
        ("void elements", |length| behind(&[EBML, SEGMENT].concat(), &[0xec, 0x80], length)),
        ("elements that are not known", |length| {
            behind(&[EBML, SEGMENT].concat(), &[0x42, 0x42, 0x80], length)
        }),
        ("empty clusters", |length| {
            behind(&[EBML, SEGMENT].concat(), &[0x1f, 0x43, 0xb6, 0x75, 0x80], length)
        }),
        ("tracks of Matroska", |length| {
            let head = [EBML, SEGMENT, &element(&[0x16, 0x54, 0xae, 0x6b], length)].concat();
            behind(&head, &[0xae, 0x80], length)
        }),
        ("an MPEG transport stream", |length| repeat(STREAM, length)),
    ];
    for (name, make) in films {
        assert_linear(&format!("film, {name}"), 4 << 20, make, |bytes| {
            let mut indexer = Indexer::new(bytes.len() as u64, Duration::from_secs(6));
            while let Ok(Some(range)) = indexer.poll_read() {
                let range = range.start as usize..range.end as usize;
                indexer.handle_bytes(bytes[range].to_vec()).expect("they are as many as were asked for");
            }
            black_box(indexer.into_film());
        });
    }
}
