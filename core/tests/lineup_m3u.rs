//! Reading and writing lists of channels.

#[path = "support/lists.rs"]
mod lists;

use forebay_core::lineup::m3u::{Document, ExtraUrls, Faults, Header, Item, MAX_LINE_BYTES, Options, Parser};
use forebay_core::lineup::{Entry, Kind, Origin};
use proptest::prelude::*;
use url::Url;

use lists::{check, essence, read, write};

fn parse(text: impl AsRef<[u8]>) -> Vec<Entry> {
    read(text.as_ref(), &[], &Options::default()).0
}

fn only(text: impl AsRef<[u8]>) -> Entry {
    let entries = parse(text);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.into_iter().next().expect("there is one")
}

fn document(text: impl AsRef<[u8]>) -> Document {
    read(text.as_ref(), &[], &Options::default()).1.document
}

/// Name, group and address of each.
fn listed(entries: &[Entry]) -> Vec<(&str, &str, &str)> {
    entries.iter().map(|it| (it.name(), it.group().unwrap_or_default(), it.url())).collect()
}

#[test]
fn the_lists_of_other_projects() {
    macro_rules! list {
        ($name:literal) => {
            ($name, include_bytes!(concat!("data/m3u/", $name, ".m3u")).as_slice())
        };
    }
    // Entries, the last name, its group. `scripts/lineup/compare.mjs` has what other parsers say.
    let table = [
        (list!("iptv-playlist-parser_base"), 6, "The Good, the Bad and the Ugly", ""),
        (list!("iptv-playlist-parser_kodi"), 1, "RTP 1", "TV"),
        (list!("iptv-playlist-parser_pipe"), 2, "News channel", ""),
        (list!("iptv-playlist-parser_vlcopt"), 1, "Test Channel", "Entertainment"),
        (list!("iptv-playlist-parser_comment"), 1, "tamazight tv8", ""),
        (list!("iptv-playlist-parser_duplicate"), 2, "Agromais", "Entertainment"),
        (list!("iptv-playlist-parser_url_tvg"), 1, "Agromais", "Entertainment"),
        (list!("iptv-playlist-parser_user_agent"), 1, "Agromais", "Entertainment"),
        (list!("m3ufilter_pass"), 6, "extra spaces", ""),
        (list!("m3ufilter_quotes"), 4, "Channel 4", ""),
        (list!("m3ufilter_unicode"), 2, "Уссурийск, Некрасова - Чичерина", "Перекрестки"),
        (list!("iptv-checker_simple"), 2, "Pluto TV Top Gear", "Auto;Comedy;Entertainment"),
        (list!("threadfin_list"), 4, "Example Artist - Example title", ""),
        (list!("iptv-org_kr"), 90, "KBS World (576p)", ""),
    ];
    for ((name, bytes), count, last, group) in table {
        let (entries, summary) = read(bytes, &[7], &Options::default());
        assert_eq!(entries.len(), count, "{name}");
        assert_eq!(summary.document, Document::List, "{name}");
        let entry = entries.last().expect("it has entries");
        assert_eq!((entry.name(), entry.group().unwrap_or_default()), (last, group), "{name}");
        check(bytes, &[1, 50, 3]);
    }
}

#[test]
fn what_documents_are() {
    let table: [(&str, Document); 20] = [
        ("", Document::Nothing),
        ("\u{feff}\r\n \n", Document::Nothing),
        ("#EXTM3U\n", Document::EmptyList),
        ("#EXTM3U\n#EXTINF:-1,A\n", Document::EmptyList),
        ("#EXTM3U\n#EXTINF:-1,A\nhttp://h/1", Document::List),
        ("\u{feff}#EXTM3U\n#EXTINF:-1,A\nhttp://h/1", Document::List),
        ("#EXTINF:-1,A\nhttp://h/1", Document::List),
        ("http://h/1\nhttp://h/2", Document::List),
        ("<!DOCTYPE html><html>\nhttp://h/1\n</html>", Document::Html),
        ("  <?xml version=\"1.0\"?>\n<tv></tv>", Document::Html),
        ("{\"user_info\":{\"auth\":0}}", Document::Json),
        ("[]", Document::Json),
        ("[\n{\"a\":1}]", Document::Json),
        ("null", Document::Json),
        ("404 Not Found\nsee http://h/1", Document::Other),
        ("[playlist]\nFile1=http://h/1", Document::Other),
        ("\u{1f}\u{8b}\u{8}\0\0\0", Document::Other),
        // A panel's warning in front of a good list.
        ("<br />\n<b>Warning</b>: x\n#EXTM3U\n#EXTINF:-1,A\nhttp://h/1", Document::List),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nseg.ts\n", Document::HlsPlaylist),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n", Document::HlsPlaylist),
    ];
    for (text, expected) in table {
        assert_eq!(document(text), expected, "{text:?}");
    }
}

#[test]
fn a_stray_tag_of_hls_does_not_make_a_long_list_a_playlist() {
    let list = "#EXTM3U\n#EXTINF:-1,A\nhttp://h/1\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://h/2\n#EXTINF:-1,C\nhttp://h/3";
    assert_eq!(listed(&parse(list)), [("A", "", "http://h/1"), ("C", "", "http://h/3")]);
    assert_eq!(document(list), Document::List);
}

#[test]
fn directives_between_the_title_and_the_address() {
    let entry = only(
        "#EXTM3U\n#EXTINF:-1 tvg-id=\"a\",A\n#EXTGRP:News\n# a remark\n\n#EXTVLCOPT:http-user-agent=\"Agent 1\"\n\
         #EXTVLCOPT:http-referrer=http://r/?a=b\n#EXTVLCOPT:network-caching=1000\n\
         #KODIPROP:inputstream.adaptive.manifest_type=hls\n#KODIPROP:inputstream.adaptive.stream_headers=X-A=1%202\n\
         #EXTHTTP:{\"Cookie\":\"a=b\",\"X-N\":1}\n#EXTVLCOPT\nhttp://h/1|Referer=http://s/",
    );
    assert_eq!(entry.group(), Some("News"));
    let headers: Vec<(&str, String)> =
        entry.headers().into_iter().map(|(name, value)| (name, value.into_owned())).collect();
    let expected = [
        ("User-Agent", "Agent 1"),
        ("Referer", "http://s/"),
        ("X-A", "1 2"),
        ("Cookie", "a=b"),
        ("X-N", "1"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name, value.to_owned())));
    let of = |origin, key| entry.properties().get(origin, key);
    assert_eq!(of(Origin::Kodi, "inputstream.adaptive.manifest_type"), Some("hls"));
    assert_eq!(of(Origin::Vlc, "network-caching"), Some("1000"));
}

#[test]
fn groups_of_attributes_and_of_lines() {
    let list = "#EXTM3U\n#EXTGRP:First\n#EXTINF:-1,A\nhttp://h/1\n#EXTINF:-1 group-title=\"Own\",B\n#EXTGRP:Line\nhttp://h/2\n\
                #EXTINF:-1,C\n#EXTGRP:Only\nhttp://h/3\n#EXTINF:-1,D\nhttp://h/4\n#EXTGRP:\n#EXTINF:-1,E\nhttp://h/5";
    let groups: Vec<String> =
        parse(list).iter().map(|it| it.group().unwrap_or_default().to_owned()).collect();
    assert_eq!(groups, ["First", "Own", "Only", "First", ""]);
}

#[test]
fn names_and_numbers_come_from_wherever_they_are() {
    let table = [
        ("#EXTINF:-1 tvg-name=\"T\" tvg-id=\"i\",N", "N", "T"),
        ("#EXTINF:-1 tvg-name=\"T\" tvg-id=\"i\",", "T", "T"),
        ("#EXTINF:-1 tvg-id=\"i\",", "i", "i"),
        ("#EXTINF:-1,", "one.ts", "one.ts"),
        ("#EXTINF:-1 tvg-id=\"none\",", "one.ts", "one.ts"),
        ("#EXTINF:-1,N", "N", "N"),
    ];
    for (line, name, by_tvg_name) in table {
        let entry = only(format!("{line}\nhttp://h/a/one.ts?x=/2"));
        assert_eq!((entry.name(), entry.name_by_tvg_name()), (name, by_tvg_name), "{line}");
    }
    for key in ["tvg-chno", "channel-number", "ch-number", "TVG-CHNO", "tvh-chnum"] {
        assert_eq!(only(format!("#EXTINF:-1 {key}=\"5.1\",N\nhttp://h/1")).number(), Some("5.1"), "{key}");
    }
}

#[test]
fn catchup_in_all_spellings() {
    let table = [
        (
            "catchup=\"default\" catchup-source=\"http://h/{utc}\" catchup-days=\"7\"",
            Some(("default", "http://h/{utc}", Some("7"))),
        ),
        ("catchup-type=\"flussonic\"", Some(("flussonic", "", None))),
        ("timeshift=\"3\"", Some(("shift", "", Some("3")))),
        ("tvg-rec=\"3\"", Some(("shift", "", Some("3")))),
        ("timeshift=\"0\"", None),
        ("catchup=\"0\"", None),
        ("", None),
    ];
    for (attributes, expected) in table {
        let entry = only(format!("#EXTINF:-1 {attributes},N\nhttp://h/1"));
        assert_eq!(entry.catchup().map(|it| (it.mode, it.source, it.days)), expected, "{attributes}");
    }
}

#[test]
fn what_the_head_says_of_archives_holds_for_entries_that_say_nothing_themselves() {
    let of = |head: &str, attributes: &str| {
        let entry = only(format!("#EXTM3U {head}\n#EXTINF:-1 {attributes},N\nhttp://h/1"));
        entry.catchup().map(|it| {
            let [mode, source, days] = [it.mode, it.source, it.days.unwrap_or_default()];
            format!("{mode} {source} {days}")
        })
    };
    let head = "catchup=\"append\" catchup-source=\"?utc={utc}\" catchup-days=\"3\"";
    for (head, attributes, expected) in [
        (head, "", Some("append ?utc={utc} 3")),
        (head, "catchup-days=\"7\"", Some("append ?utc={utc} 7")),
        (head, "timeshift=\"7\"", Some("append ?utc={utc} 7")),
        (head, "catchup-type=\"xc\"", Some("xc ?utc={utc} 3")),
        (head, "catchup=\"none\"", None),
        // Alone, they say nothing of any channel.
        ("catchup-days=\"3\"", "", None),
        ("catchup-source=\"?utc={utc}\"", "", None),
        ("catchup-days=\"3\"", "catchup=\"shift\"", Some("shift  3")),
    ] {
        assert_eq!(of(head, attributes).as_deref(), expected, "{head} | {attributes}");
    }
}

#[test]
fn a_shift_of_the_guide_is_that_of_the_entry_else_that_of_the_head() {
    for (written, seconds) in [
        ("1", 3600),
        ("+1", 3600),
        ("-4.5", -16_200),
        ("1,5", 5400),
        ("5.75", 20_700),
        ("0", 0),
        ("", 0),
        ("25", 0),
        ("soon", 0),
        ("NaN", 0),
    ] {
        let entry = only(format!("#EXTINF:-1 tvg-shift=\"{written}\",N\nhttp://h/1"));
        assert_eq!(entry.guide_shift(), seconds, "{written}");
    }
    let entry = |attributes: &str| format!("#EXTINF:-1 {attributes},N\nhttp://h/1\n");
    let list = [
        "#EXTM3U tvg-shift=\"-2\"\n",
        &entry(""),
        &entry("tvg-shift=\"1\""),
        // It has none, and says so.
        &entry("tvg-shift=\"0\""),
        // Another list, which was joined to the first.
        "#EXTM3U\n",
        &entry(""),
    ];
    let shifts: Vec<i32> = parse(list.concat()).iter().map(Entry::guide_shift).collect();
    assert_eq!(shifts, [-7200, 3600, 0, 0]);
}

#[test]
fn guides_of_the_header() {
    let table: [(&str, &[&str]); 7] = [
        ("url-tvg=\"http://a\"", &["http://a"]),
        ("x-tvg-url=\"http://b\" url-tvg=\"http://a\"", &["http://b"]),
        ("url-tvg=\"http://a/?x=1,2, http://b;https://c\"", &["http://a/?x=1,2", "http://b", "https://c"]),
        ("url-tvg=\"http://a http://b\"", &["http://a", "http://b"]),
        ("url-tvg=\", http://b,\"", &["http://b"]),
        ("url-tvg=\"\"", &[]),
        ("", &[]),
    ];
    for (attributes, expected) in table {
        let (mut parser, mut found) = (Parser::new(Options::default()), Header::default());
        let mut take = |item: Item<'_>| {
            if let Item::Header(header) = item {
                found = header.clone();
            }
        };
        parser.push(format!("#EXTM3U {attributes}\n").as_bytes(), &mut take);
        parser.finish(&mut take);
        assert_eq!(found.guides(), expected, "{attributes}");
    }
}

#[test]
fn encodings() {
    let list = "#EXTM3U\r\n#EXTINF:-1 group-title=\"央视\",CCTV-1 综合 Ünï\r\nhttp://h/1\r\n";
    let utf16 = |to_bytes: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}{list}").encode_utf16().flat_map(to_bytes).collect()
    };
    let documents = [
        list.as_bytes().to_vec(),
        format!("\u{feff}{list}").into_bytes(),
        utf16(u16::to_le_bytes, "\u{feff}"),
        utf16(u16::to_be_bytes, "\u{feff}"),
        utf16(u16::to_le_bytes, ""),
        utf16(u16::to_be_bytes, ""),
    ];
    for (at, bytes) in documents.iter().enumerate() {
        for size in [1, 3, 1000] {
            let (entries, _) = read(bytes, &[size], &Options::default());
            assert_eq!(listed(&entries), [("CCTV-1 综合 Ünï", "央视", "http://h/1")], "document {at}");
        }
    }
    let latin = only(b"#EXTINF:-1,Caf\xe9\nhttp://h/1");
    assert_eq!(latin.name(), "Café");
    let declared = only(b"#EXTM3U\n#EXTENC: windows-1251\n#EXTINF:-1,\xcf\xe5\xf0\nhttp://h/1");
    assert_eq!(declared.name(), "Пер");
}

#[test]
fn more_than_one_address() {
    let list = "#EXTM3U\n#EXTINF:-1 tvg-id=\"a\",A\nhttp://h/1\nhttp://h/2|Referer=x\njunk\n#EXTINF:-1,B\nhttp://h/3\n";
    let (ignored, summary) = read(list.as_bytes(), &[], &Options::default());
    assert_eq!(ignored.len(), 2);
    assert_eq!(summary.faults, Faults { stray_lines: 2, ..Faults::default() });
    let options = Options { extra_urls: ExtraUrls::Alternates, ..Options::default() };
    let (all, summary) = read(list.as_bytes(), &[], &options);
    assert_eq!(listed(&all), [("A", "", "http://h/1"), ("A", "", "http://h/2"), ("B", "", "http://h/3")]);
    assert_eq!(summary.faults.stray_lines, 1);
}

#[test]
fn faults_cost_what_they_touch() {
    let long = "x".repeat(MAX_LINE_BYTES);
    let list = format!(
        "#EXTM3U\n#EXTINF:-1,Lost\n#EXTINF:-1 A\nhttp://h/1\nstray\n#EXTINF:-1 tvg-id=\"b tvg-name=\"B\",B\nhttp://h/2\n\
         #EXTINF:-1 tvg-logo=\"{long}\",C\nhttp://h/3\n#EXTINF:-1,D\nhttp://h/4\n"
    );
    let (entries, summary) = read(list.as_bytes(), &[1000], &Options::default());
    assert_eq!(entries.iter().map(Entry::name).collect::<Vec<_>>(), ["A", "B", "3", "D"]);
    assert_eq!(summary.faults.long_lines, 1);
    assert_eq!(summary.faults.missing_urls, 1);
    assert_eq!(summary.faults.stray_lines, 1);
    assert_eq!(summary.faults.missing_commas, 2);
}

#[test]
fn relative_addresses() {
    let base = Url::parse("http://h/lists/all.m3u?token=1").expect("it is one");
    let options = Options { base: Some(base), ..Options::default() };
    let (entries, _) = read(b"#EXTINF:-1,A\nstream/1.m3u8\n#EXTINF:-1,B\n//o/2\n", &[], &options);
    assert_eq!(listed(&entries), [("A", "", "http://h/lists/stream/1.m3u8"), ("B", "", "http://o/2")]);
}

/// Rule 9: the name is the text behind the comma, then `tvg-name`; numbers have several attributes.
#[test]
fn rule_9_names_and_numbers() {
    names_and_numbers_come_from_wherever_they_are();
}

/// Rule 10: what makes other parsers lose attributes, groups and entries.
#[test]
fn rule_10_odd_lines() {
    let entry = only(
        "#EXTINF:-1 tvg-logo=\"http://l/?a=b&c=d\" tvg-id=\"x\" group-title=\"G\",- BBC, One -\nhttp://h/1",
    );
    assert_eq!(entry.logo(), Some("http://l/?a=b&c=d"));
    assert_eq!((entry.guide_id(), entry.group(), entry.name()), (Some("x"), Some("G"), "- BBC, One -"));
    let fritzbox = "#EXTM3U\n#EXTINF:0,Das Erste HD\n#EXTVLCOPT:network-caching=1000\nrtsp://192.168.178.1:554/?avm=1&freq=11494\n";
    assert_eq!(
        listed(&parse(fritzbox)),
        [("Das Erste HD", "", "rtsp://192.168.178.1:554/?avm=1&freq=11494")]
    );
}

/// Rule 11: a library of films among the channels; the live count is exact.
#[test]
fn rule_11_films_and_series_are_counted_apart() {
    let (mut parser, mut counts) = (Parser::new(Options::default()), [0_u64; 3]);
    let mut take = |item: Item<'_>| {
        if let Item::Entry { kind, .. } = item {
            counts[match kind {
                Kind::Live => 0,
                Kind::Movie => 1,
                Kind::Series => 2,
            }] += 1;
        }
    };
    for at in 0..60_000 {
        let entry = match at % 6 {
            0 => format!("#EXTINF:-1 group-title=\"Live\",Channel {at}\nhttp://h/live/u/p/{at}.ts\n"),
            1 | 2 => format!("#EXTINF:-1,Film {at}\nhttp://h/movie/u/p/{at}.mkv\n"),
            _ => format!("#EXTINF:-1,Show {at} S01 E{at}\nhttp://h/series/u/p/{at}.mp4\n"),
        };
        parser.push(entry.as_bytes(), &mut take);
    }
    let summary = parser.finish(&mut take);
    assert_eq!(counts, [10_000, 20_000, 30_000]);
    assert_eq!([summary.live, summary.movies, summary.episodes], counts);
}

/// Texts with the characters that matter, more often than chance gives.
fn dirty_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        3 => "[a-zA-Z0-9 ]{0,8}",
        2 => prop::sample::select(vec![
            "\"", "'", ",", "=", " ", "|", "$", ";", "tvg-id=\"", "\" tvg-name=\"", "#EXTINF:", "http://h/", "&a=b", "\\", "é", "央视", "\u{feff}",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(word, 0..8).prop_map(|words| words.concat())
}

fn lines() -> impl Strategy<Value = String> {
    let start = prop::sample::select(vec![
        "#EXTM3U ",
        "#EXTINF:-1 ",
        "#EXTINF:-1 tvg-id=\"a\" ",
        "#EXTINF:-1,",
        "#EXTGRP:",
        "#EXTVLCOPT:",
        "#KODIPROP:",
        "#EXTHTTP:",
        "#EXTENC:",
        "#EXT-X-STREAM-INF:",
        "#",
        "http://h/",
        "",
        "<",
        "{",
    ]);
    let end = prop::sample::select(vec!["\n", "\r\n", "\n\n", "\r", ""]);
    let line = (start, dirty_text(), end).prop_map(|(start, text, end)| format!("{start}{text}{end}"));
    prop::collection::vec(line, 0..30).prop_map(|lines| lines.concat())
}

fn entries() -> impl Strategy<Value = Entry> {
    let key =
        prop::sample::select(vec!["tvg-id", "tvg-name", "group-title", "tvg-logo", "catchup-source", "x"]);
    // What a list can hold: no line ends, no quotes in attributes, no blanks at the ends.
    let clean = |text: String| {
        text.chars().filter(|it| !it.is_control() && *it != '\u{feff}').collect::<String>().trim().to_owned()
    };
    let value = dirty_text().prop_map(move |text| clean(text).replace(['"', '\''], "’").trim().to_owned());
    (dirty_text().prop_map(clean), prop::collection::vec((key, value), 0..6), "[a-z0-9/]{0,12}").prop_map(
        |(title, attributes, path)| {
            let mut entry = Entry::default();
            entry.set_title(&title);
            entry.set_url(&format!("http://h/{path}"));
            for (key, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
                entry.push(Origin::Attribute, key, value);
            }
            entry
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_are_read_alike_however_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        sizes in prop::collection::vec(1_usize..100, 1..5),
    ) {
        check(&bytes, &sizes);
    }

    #[test]
    fn any_lines_are_read_alike_however_they_are_cut(text in lines(), sizes in prop::collection::vec(1_usize..100, 1..5)) {
        check(text.as_bytes(), &sizes);
    }

    #[test]
    fn what_is_written_is_read_back(entries in prop::collection::vec(entries(), 1..5)) {
        let again = parse(write(&entries));
        prop_assert_eq!(again.len(), entries.len());
        for (entry, again) in entries.iter().zip(&again) {
            prop_assert_eq!(essence(entry), essence(again));
        }
    }
}
