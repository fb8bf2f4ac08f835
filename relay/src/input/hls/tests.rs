//! HLS upstreams against a server that answers in any words.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use aes::Aes128;
use cbc::Encryptor;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use forebay_testkit::clip::{Clip, Kind, Tracks};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::*;
use crate::input::agent::Client;
use crate::model::SourceUrl;
use crate::net::site::{Say, Site, Then, whole};

const PATIENCE: Duration = Duration::from_secs(20);

/// A complete list of segments, with these lines in front of each.
fn list(lines: &[&str]) -> Say {
    let segments: Vec<_> =
        lines.iter().enumerate().map(|(at, line)| format!("{line}#EXTINF:2,\n/{at}.ts\n")).collect();
    let list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{}#EXT-X-ENDLIST\n", segments.concat());
    whole("200 OK", list.as_bytes())
}

/// Packets of which each has this number in it.
fn packets(number: u8) -> Vec<u8> {
    (0..50).flat_map(|_| [&[0x47, 0, number][..], &[0xFF; PACKET_SIZE - 3]].concat()).collect()
}

/// What comes of a source until it ends, and why it ends.
async fn take(site: &Site) -> (Vec<u8>, Error) {
    take_again(site, &Context::default()).await
}

/// The same of a source that was open before.
async fn take_again(site: &Site, context: &Context) -> (Vec<u8>, Error) {
    let source = Source::new(SourceUrl::parse(&site.url("/list.m3u8"), Path::new("")).unwrap());
    let mut upstream =
        Client::over(site.connector()).open(&source, context, SocketGuard::default()).await.unwrap();
    let mut bytes = Vec::new();
    loop {
        match timeout(PATIENCE, upstream.pieces.next()).await.unwrap() {
            Some(Ok(Piece::Bytes(piece))) => bytes.extend_from_slice(&piece),
            Some(Ok(_)) => {}
            Some(Err(error)) => return (bytes, error),
            None => panic!("no reason"),
        }
    }
}

fn encrypt(bytes: &[u8], key: &[u8; 16]) -> Vec<u8> {
    let padding = 16 - bytes.len() % 16;
    let mut bytes = [bytes, &vec![u8::try_from(padding).unwrap(); padding]].concat();
    let mut cipher = Encryptor::<Aes128>::new(key.into(), &[0; 16].into());
    for block in bytes.as_chunks_mut::<16>().0 {
        cipher.encrypt_block(block.into());
    }
    bytes
}

/// The smallest GIF there is.
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02\x4C\x01\0\x3B";

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_sections_may_stand_in_their_addresses() {
    let key = "#EXT-X-KEY:METHOD=AES-128,IV=0x0,URI=\"data:;base64,BwcHBwcHBwcHBwcHBwcHBw==\"\n";
    let map = format!("#EXT-X-MAP:URI=\"data:,{}\"\n", "G%00%09".to_owned() + &"a".repeat(PACKET_SIZE - 3));
    let site = Site::start(false, move |path, _| match path {
        "/list.m3u8" => list(&[&(map.clone() + key)]),
        _ => whole("200 OK", &encrypt(&packets(1), &[7; 16])),
    })
    .await;
    let (bytes, end) = take(&site).await;
    assert_eq!((&bytes[..3], &bytes[PACKET_SIZE..]), (&[0x47, 0, 9][..], &packets(1)[..]), "{end}");
    assert_eq!((end, site.seen().heads.len()), (Error::Ended, 2), "nothing else is asked for");
}

/// Encoders that are started anew overwrite their initialisation section at the same address.
#[tokio::test(flavor = "multi_thread")]
async fn an_initialisation_section_is_asked_for_again_at_a_discontinuity() {
    let map = "#EXT-X-MAP:URI=\"/init\"\n";
    let sections = AtomicU8::new(0);
    let site = Site::start(false, move |path, _| match path {
        "/list.m3u8" => list(&[map, "", "#EXT-X-DISCONTINUITY\n", "", "#EXT-X-DISCONTINUITY\n"]),
        "/init" => match sections.fetch_add(1, Ordering::Relaxed) {
            // The last time it is away: what is known has to do.
            2 => whole("404 Not Found", b""),
            number => whole("200 OK", &packets(number)[..PACKET_SIZE]),
        },
        _ => whole("200 OK", &packets(100)),
    })
    .await;
    let (bytes, end) = take(&site).await;
    let sections: Vec<u8> = bytes.chunks(PACKET_SIZE).map(|packet| packet[2]).filter(|&n| n != 100).collect();
    assert_eq!((sections, end), (vec![0, 0, 1, 1, 1], Error::Ended));
    let asked = site.seen().heads.iter().filter(|head| head.contains("/init ")).count();
    assert_eq!(asked, 3);
}

/// A source that is opened again is asked for a newer one only, and goes on with what is known.
#[tokio::test(flavor = "multi_thread")]
async fn an_initialisation_section_outlives_the_upstream() {
    let openings = AtomicU8::new(0);
    let site = Site::start(false, move |path, _| match path {
        "/list.m3u8" => list(&["#EXT-X-MAP:URI=\"/init\"\n", ""]),
        "/init" => match openings.fetch_add(1, Ordering::Relaxed) {
            0 => whole("200 OK\r\nETag: \"one\"", &packets(1)[..PACKET_SIZE]),
            1 => whole("304 Not Modified", b""),
            2 => whole("200 OK\r\nETag: \"two\"", &packets(2)[..PACKET_SIZE]),
            _ => whole("503 Service Unavailable", b""),
        },
        _ => whole("200 OK", &packets(100)),
    })
    .await;
    let context = Context::default();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (bytes, end) = take_again(&site, &context).await;
        assert_eq!(end, Error::Ended);
        seen.push(bytes[2]);
    }
    assert_eq!(seen, [1, 1, 2, 2]);
    let heads = site.seen().heads;
    let asked: Vec<_> = heads.iter().filter(|head| head.contains("/init ")).collect();
    let has_tag = |head: &&String, tag: &str| head.to_lowercase().contains(&format!("if-none-match: {tag}"));
    assert!(asked.len() == 4 && has_tag(&asked[1], "\"one\"") && has_tag(&asked[3], "\"two\""), "{asked:?}");
}

/// Neither waits for the other.
#[tokio::test(flavor = "multi_thread")]
async fn an_initialisation_section_is_asked_for_beside_its_segment() {
    let site = Site::start(false, move |path, _| match path {
        "/list.m3u8" => list(&["#EXT-X-MAP:URI=\"/init\"\n"]),
        _ => Say(Vec::new(), Then::Wait),
    })
    .await;
    let taking = take(&site);
    let both = site.wait(|seen| {
        ["/init ", "/0.ts "].iter().all(|path| seen.heads.iter().any(|head| head.contains(path)))
    });
    tokio::select! {
        (_, end) = taking => panic!("{end}"),
        () = both => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_hide_segments_before_and_after_they_are_encrypted() {
    let long = [&b"\xFF\xD8\xFF\xDA\0\x02"[..], &vec![7; 150_000], b"\xFF\xD9"].concat();
    let outside = [&long[..], &encrypt(&packets(1), &[7; 16])].concat();
    let inside = encrypt(&[&long[..], &packets(2)].concat(), &[7; 16]);
    let key = "#EXT-X-KEY:METHOD=AES-128,IV=0x0,URI=\"/key\"\n";
    let site = Site::start(false, move |path, _| match path {
        "/list.m3u8" => list(&[key, "", "#EXT-X-KEY:METHOD=NONE\n"]),
        "/key" => whole("200 OK", &[7; 16]),
        "/0.ts" => whole("200 OK", &outside),
        "/1.ts" => whole("200 OK", &inside),
        _ => whole("200 OK", &[&long[..], &packets(3)].concat()),
    })
    .await;
    let (bytes, end) = take(&site).await;
    assert_eq!(end, Error::Ended);
    assert!(bytes == [packets(1), packets(2), packets(3)].concat(), "{} bytes", bytes.len());
}

/// Lists and segments, whether or not that was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_may_be_compressed_in_any_way() {
    type Encode<'a> = &'a (dyn Fn(&[u8]) -> Vec<u8> + Sync);
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zlib = |bytes: &[u8]| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let deflate = |bytes: &[u8]| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let codings: [(&str, Encode<'_>); 4] =
        [("gzip", &gzip), ("x-gzip", &gzip), ("deflate", &zlib), ("deflate", &deflate)];
    for (coding, encode) in codings {
        let head = format!("200 OK\r\nContent-Encoding: {coding}");
        let list = encode(b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/0.ts\n#EXT-X-ENDLIST\n");
        let segment = encode(&packets(1));
        let site = Site::start(false, move |path, _| match path {
            "/list.m3u8" => whole(&head, &list),
            _ => whole(&head, &segment),
        })
        .await;
        let (bytes, end) = take(&site).await;
        assert!((bytes == packets(1), end) == (true, Error::Ended), "{coding}");
    }
}

/// Servers of old name files in Latin-1, and lists hold the bare bytes.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_hold_bytes_of_any_encoding() {
    let site = Site::start(false, move |path, _| match path {
        "/list.m3u8" => {
            whole("200 OK", b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/caf\xE9.ts\n#EXT-X-ENDLIST\n")
        }
        "/caf%E9.ts" => whole("200 OK", &packets(1)),
        _ => whole("404 Not Found", b""),
    })
    .await;
    let (bytes, end) = take(&site).await;
    assert!((bytes == packets(1), &end) == (true, &Error::Ended), "{end}: {:?}", site.seen().heads);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_segments_is_said() {
    let cases = [
        ("404 Not Found", &b""[..], "the HLS segments do not come: the source answered HTTP 404"),
        ("200 OK", GIF, "the HLS segments do not come: they are GIF pictures"),
        ("200 OK", b"<html>sorry", "the HLS segments do not come: one is an HTML page"),
        (
            "200 OK\r\nContent-Encoding: br",
            b"\x21\x2C\0\x04abc\x03",
            "the HLS segments do not come: it is encoded with br, which was not asked for",
        ),
    ];
    // Each takes the patience that a source has.
    join_all(cases.map(|(head, body, words)| async move {
        let site = Site::start(false, move |path, _| match path {
            "/list.m3u8" => whole("200 OK", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/0.ts\n"),
            _ => whole(head, body),
        })
        .await;
        let (_, end) = take(&site).await;
        assert_eq!(end.to_string(), words);
    }))
    .await;
}

/// Without a discontinuity it is seen by fragments that do not fit the section.
#[tokio::test(flavor = "multi_thread")]
async fn an_initialisation_section_is_asked_for_again_when_a_segment_does_not_fit_it() {
    let file = Clip::get(Kind::ShortGop).fragmented(Tracks::All);
    let find = |name: &[u8; 4]| file.windows(4).position(|window| window == name).unwrap();
    let (section, fragments) = file.split_at(find(b"moof") - 4);
    let (section, fragments) = (section.to_vec(), fragments.to_vec());
    // The same with other numbers of the tracks: behind the kind stand version, flags and two
    // times.
    let mut other = section.clone();
    for at in 0..section.len() - 20 {
        if section[at..].starts_with(b"tkhd") {
            other[at + 19] = 77;
        }
    }
    let is_first = AtomicBool::new(true);
    let site = Site::start(false, move |path, _| match path {
        "/list.m3u8" => list(&["#EXT-X-MAP:URI=\"/init\"\n"]),
        "/init" if is_first.swap(false, Ordering::Relaxed) => whole("200 OK", &other),
        "/init" => whole("200 OK", &section),
        _ => whole("200 OK", &fragments),
    })
    .await;
    let (bytes, end) = take(&site).await;
    assert_eq!(end, Error::Ended);
    assert!(bytes.len() > file.len() / 2, "{} of {} bytes", bytes.len(), file.len());
    let asked = site.seen().heads.iter().filter(|head| head.contains("/init ")).count();
    assert_eq!(asked, 2);
}
