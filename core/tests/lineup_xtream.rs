//! Answers of panels, as they really are.

#[path = "support/panels.rs"]
mod panels;

use forebay_core::lineup::Entry;
use forebay_core::lineup::m3u::Document;
use forebay_core::lineup::xtream::{Account, AccountInfo, Categories, LiveStreams, Output, StreamSummary};
use proptest::prelude::*;

fn account() -> Account {
    Account::new("http://h:8080", "u", "p").expect("it is one")
}

fn categories(answers: &[&str]) -> Categories {
    let mut categories = Categories::default();
    for answer in answers {
        categories.read(answer.as_bytes());
    }
    categories
}

fn read(answer: &[u8], size: usize) -> (Vec<Entry>, StreamSummary) {
    let (account, mut entries) = (account(), Vec::new());
    let categories = categories(&[
        r#"{"category_id":"1","category_name":"News","parent_id":0}"#,
        r#"{"category_id":2,"category_name":"XXX","is_adult":"1"}"#,
        r#"{"category_id":null}"#,
        "[]",
    ]);
    assert_eq!(categories.len(), 2);
    let mut streams = LiveStreams::new(&account, Output::Ts, &categories);
    for piece in answer.chunks(size) {
        streams.push(piece, &mut |entry| entries.push(entry.clone()));
    }
    (entries, streams.finish())
}

#[test]
fn a_stream_becomes_an_entry() {
    let answer = br#"[{"num":1,"name":"X","stream_type":"live","stream_id":101,"stream_icon":"https://l","epg_channel_id":"x.id",
        "added":"1735689600","is_adult":"0","category_id":"1","category_ids":[1],"custom_sid":"","tv_archive":1,
        "direct_source":"","tv_archive_duration":"7"}]"#;
    let (entries, summary) = read(answer, 5);
    let entry = &entries[0];
    assert_eq!((entry.name(), entry.url()), ("X", "http://h:8080/live/u/p/101.ts"));
    assert_eq!(
        (entry.guide_id(), entry.group(), entry.logo()),
        (Some("x.id"), Some("News"), Some("https://l"))
    );
    assert_eq!((entry.number(), entry.is_adult(), entry.is_radio()), (Some("1"), false, false));
    let catchup = entry.catchup().expect("it has an archive");
    assert_eq!((catchup.mode, catchup.days), ("xc", Some("7")));
    let expected = StreamSummary { document: Document::List, is_whole: true, live: 1, others: 0, bad: 0 };
    assert_eq!(summary, expected);
}

/// Rule 31: numbers as texts, texts as numbers, nothing in five spellings.
#[test]
fn rule_31_types_that_nobody_keeps_to() {
    // Name, group, and whether it is for adults.
    type Expected = Option<(&'static str, &'static str, bool)>;
    let table: [(&str, Expected); 11] = [
        (r#"{"stream_id":"101","name":"A","category_id":1}"#, Some(("A", "News", false))),
        (r#"{"stream_id":101.0,"name":7,"category_id":null,"category_ids":["2"]}"#, Some(("7", "XXX", true))),
        (
            r#"{"stream_id":1,"name":"A","category_id":"9","category_ids":[1,2],"is_adult":1}"#,
            Some(("A", "News", true)),
        ),
        (
            r#"{"stream_id":1,"name":null,"epg_channel_id":"a.b","tv_archive":"0","is_adult":null}"#,
            Some(("a.b", "", false)),
        ),
        (r#"{"stream_id":1,"name":[],"epg_channel_id":false,"num":null}"#, Some(("1.ts", "", false))),
        (r#"{"stream_id":1,"name":"A","num":5.5,"stream_type":"created_live"}"#, Some(("A", "", false))),
        (r#"{"stream_id":0,"name":"A"}"#, None),
        (r#"{"stream_id":"x","name":"A"}"#, None),
        (r#"{"stream_id":"22222222222222221","name":"A"}"#, None),
        (r#"{"name":"A"}"#, None),
        (r#"{"stream_id":1,"name":"A","stream_type":"movie"}"#, None),
    ];
    for (stream, expected) in table {
        let (entries, _) = read(format!("[{stream}]").as_bytes(), 1000);
        let found = entries.first().map(|it| (it.name(), it.group().unwrap_or_default(), it.is_adult()));
        assert_eq!(found, expected, "{stream}");
    }
}

#[test]
fn answers_that_are_no_list() {
    let table = [
        ("[]", Document::EmptyList),
        ("{}", Document::EmptyList),
        ("{\"user_info\":{\"auth\":0}}", Document::Json),
        ("null", Document::Json),
        ("<html></html>", Document::Html),
        ("", Document::Nothing),
        ("{\"0\":{\"stream_id\":1},\"4\":{\"stream_id\":2}}", Document::List),
        ("[{\"stream_id\":1},7,\"x\",{\"stream_id\":", Document::List),
    ];
    for (answer, document) in table {
        let (entries, summary) = read(answer.as_bytes(), 3);
        assert_eq!(summary.document, document, "{answer}");
        assert_eq!(summary.live, entries.len() as u64);
    }
    assert!(!read(b"[{\"stream_id\":1}", 1000).1.is_whole);
}

#[test]
fn bad_characters_cost_themselves() {
    let (entries, _) = read(b"[{\"stream_id\":1,\"name\":\"Caf\xe9\"},{\"stream_id\":2,\"name\":\"\\ud83d x\"},{\"stream_id\":3}]", 1000);
    assert_eq!(entries[0].name(), "Caf\u{fffd}");
    assert_eq!(entries.len(), 2);
}

#[test]
fn an_answer_of_another_client_s_tests() {
    let (entries, summary) = read(include_bytes!("data/xtream/channels.json"), 100);
    assert_eq!(summary.live, 4);
    assert_eq!(entries[1].name(), "Sports HD");
}

proptest! {
    #[test]
    fn any_bytes_are_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..500), sizes in prop::collection::vec(1_usize..50, 1..4)) {
        panels::check(&bytes, &sizes);
        let _ = AccountInfo::read(&bytes);
        panels::check_address(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_json_is_no_trouble(
        words in prop::collection::vec(prop::sample::select(vec![
            "[", "]", "{", "}", ",", ":", "\"", "\\", "\"stream_id\":1", "\"name\":\"A\"", "\"user_info\":", "{\"stream_id\":1}", "null", "1e9", "[]",
        ]), 0..60),
        sizes in prop::collection::vec(1_usize..20, 1..4),
    ) {
        panels::check(words.concat().as_bytes(), &sizes);
    }

    #[test]
    fn any_address_is_no_trouble(
        words in prop::collection::vec(prop::sample::select(vec![
            "http", "://", "h", ":8080", "/", "live", "get.php", "?", "username=", "password=", "&", "u", "p", " ", ";", "@", "%2F", "é", "Host:", "17", ".ts", "..",
        ]), 0..20),
    ) {
        panels::check_address(&words.concat());
    }
}
