//! Guides and the answers of panels are read in time that grows with their length and no faster,
//! however small the pieces in which they come.

use std::hint::black_box;

use forebay_core::guide::{Item, Options, Reader};
use forebay_core::lineup::xtream::{Account, AccountInfo, Categories, LiveStreams, Output};
use forebay_testkit::linear::assert_linear;

/// Sizes of the pieces in which bytes come.
const PIECES: [usize; 2] = [1, 1 << 16];

/// Makes so many bytes.
type Make = fn(usize) -> Vec<u8>;

/// `head`, and so many bytes of these, over and over.
fn behind(head: &str, text: &str, length: usize) -> Vec<u8> {
    head.bytes().chain(text.bytes().cycle().take(length)).collect()
}

#[test]
fn guides_are_read_in_linear_time() {
    const PROGRAMME: &str = "<tv><programme start=\"20260101120000 +0000\" channel=\"a\">";
    let guides: [(&str, Make); 18] = [
        ("programmes", |length| {
            behind(
                "<tv>",
                "<programme start=\"20260101120000 +0000\" channel=\"a\"><title>A</title></programme>",
                length,
            )
        }),
        ("channels", |length| {
            behind("<tv>", "<channel id=\"a\"><display-name>A</display-name></channel>", length)
        }),
        ("titles of one programme", |length| behind(PROGRAMME, "<title>A</title>", length)),
        ("a title without an end", |length| behind(&format!("{PROGRAMME}<title>"), "A ", length)),
        ("entities", |length| behind(&format!("{PROGRAMME}<title>"), "&amp;", length)),
        ("entities that do not end", |length| behind(&format!("{PROGRAMME}<title>"), "&", length)),
        ("brackets", |length| behind(PROGRAMME, "<", length)),
        ("closing brackets", |length| behind(PROGRAMME, ">", length)),
        ("elements in elements", |length| behind(PROGRAMME, "<a>", length)),
        ("ends without a beginning", |length| behind(PROGRAMME, "</a>", length)),
        ("attributes", |length| behind("<tv><programme ", "a=\"b\" ", length)),
        ("quotes", |length| behind("<tv><programme a=", "\"", length)),
        ("a name without an end", |length| behind("<tv><", "a", length)),
        ("a comment without an end", |length| behind("<tv><!--", "-", length)),
        ("comments", |length| behind("<tv>", "<!---->", length)),
        ("CDATA without an end", |length| behind("<tv><![CDATA[", "]", length)),
        ("declarations", |length| behind("<!DOCTYPE tv [", "<!ENTITY a \"b\">", length)),
        ("bytes of no encoding", |length| {
            [format!("{PROGRAMME}<title>").as_bytes(), &vec![0x81; length]].concat()
        }),
    ];
    for (name, make) in guides {
        for piece in PIECES {
            assert_linear(&format!("guide, {name} in pieces of {piece}"), 2 << 20, make, |bytes| {
                let mut take = |item: Item<'_>| {
                    black_box(item);
                };
                let mut reader = Reader::new(Options::default());
                bytes.chunks(piece).for_each(|piece| reader.push(piece, &mut take));
                black_box(reader.finish(&mut take));
            });
        }
    }
}

#[test]
fn answers_of_panels_are_read_in_linear_time() {
    let answers: [(&str, Make); 14] = [
        ("streams", |length| behind("[", "{\"stream_id\":1,\"name\":\"A\",\"category_id\":\"1\"},", length)),
        ("streams by number", |length| behind("{", "\"1\":{\"stream_id\":1},", length)),
        ("empty objects", |length| behind("[", "{},", length)),
        ("objects in objects", |length| behind("[", "{\"a\":", length)),
        ("lists in lists", |length| behind("", "[", length)),
        ("ends without a beginning", |length| behind("[", "}", length)),
        ("fields of one stream", |length| behind("[{", "\"a\":1,", length)),
        ("a name without an end", |length| behind("[{\"name\":\"", "A ", length)),
        ("escapes", |length| behind("[{\"name\":\"", "\\\"", length)),
        ("escaped characters", |length| behind("[{\"name\":\"", "\\u0041", length)),
        ("a number without an end", |length| behind("[{\"stream_id\":", "9", length)),
        ("commas", |length| behind("[", ",", length)),
        ("blanks", |length| behind("[", " ", length)),
        ("bytes of no encoding", |length| [&b"[{\"name\":\""[..], &vec![0x81; length]].concat()),
    ];
    let account = Account::new("http://panel.example:8080", "user", "password").expect("it is one");
    let categories = Categories::default();
    for (name, make) in answers {
        for piece in PIECES {
            assert_linear(&format!("streams, {name} in pieces of {piece}"), 2 << 20, make, |bytes| {
                let mut streams = LiveStreams::new(&account, Output::Ts, &categories);
                for piece in bytes.chunks(piece) {
                    streams.push(piece, &mut |entry| {
                        black_box(entry);
                    });
                }
                black_box(streams.finish());
            });
        }
        assert_linear(&format!("account, {name}"), 2 << 20, make, |bytes| {
            drop(black_box(AccountInfo::read(bytes)));
        });
        assert_linear(&format!("categories, {name}"), 2 << 20, make, |bytes| {
            black_box(Categories::default().read(bytes));
        });
    }
}
