//! Guides: reading what is really sent, and writing what every player reads.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::Read as _;

use flate2::read::GzDecoder;
use forebay_core::guide::details::Details;
use forebay_core::guide::matching::{GuideChannel, Index, Wanted};
use forebay_core::guide::suggest::{Scratch, Suggestions};
use forebay_core::guide::{Channel, Options, Programme, Summary, Tag, document};
use forebay_core::lineup::UnixTime;
use forebay_testkit::linear::processor_time;
use proptest::prelude::*;

#[path = "support/guides.rs"]
mod guides;

use guides::read as read_with;

fn read(bytes: &[u8]) -> (Vec<Channel>, Vec<Programme>, Summary) {
    read_with(Options::default(), bytes, 4096)
}

/// A guide of one channel with these programmes, each the inside of its element.
fn guide(insides: &[&str]) -> String {
    let mut programmes = String::new();
    for (day, inside) in (1..).zip(insides) {
        writeln!(
            programmes,
            "<programme start=\"202601{day:02}120000 +0000\" channel=\"a\">{inside}</programme>"
        )
        .expect("a string takes everything");
    }
    format!("<tv><channel id=\"a\"><display-name>A</display-name></channel>{programmes}</tv>")
}

fn titles(bytes: &[u8]) -> Vec<String> {
    read(bytes)
        .1
        .iter()
        .map(|it| it.details.texts(Tag::Title).next().expect("it has a title").to_owned())
        .collect()
}

fn written(details: &Details) -> String {
    let mut out = String::new();
    details.write_programme(&mut out);
    out
}

#[test]
fn rule_20_titles_in_twelve_scripts_come_through_byte_for_byte() {
    let all = [
        "L’Été & “Noël”",
        "Große Übertragung",
        "Новости дня",
        "Ειδήσεις",
        "חדשות",
        "أخبار اليوم",
        "समाचार",
        "ข่าวเช้า",
        "新闻联播",
        "ニュース",
        "뉴스",
        "Հայլուր",
        "🎬 Film 🎥",
    ];
    let insides: Vec<String> =
        all.iter().map(|it| format!("<title>{}</title>", it.replace('&', "&amp;"))).collect();
    let insides: Vec<&str> = insides.iter().map(String::as_str).collect();
    let document = guide(&insides);
    assert_eq!(titles(document.as_bytes()), all);
    let with_mark = [b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>", document.as_bytes()].concat();
    assert_eq!(titles(&with_mark), all);
    let utf16: Vec<u8> = "\u{feff}"
        .chars()
        .chain(document.chars())
        .collect::<String>()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(titles(&utf16), all);
}

#[test]
fn rule_20_only_what_is_wrong_is_lost() {
    let latin = [b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>", guide(&["<title>X</title>"]).as_bytes()]
        .concat()
        .iter()
        .flat_map(|&byte| if byte == b'X' { b"Caf\xe9".to_vec() } else { vec![byte] })
        .collect::<Vec<u8>>();
    assert_eq!(titles(&latin), ["Café"]);
    // It says what it is not, and the operator says what it is.
    let cyrillic = [b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><tv><programme start=\"2026\" channel=\"a\"><title>\xcf\xe5\xf0\xe2\xfb\xe9</title></programme></tv>".as_slice()].concat();
    let options = Options { charset: Some("windows-1251".to_owned()), ..Options::default() };
    assert_eq!(read_with(options, &cyrillic, 4096).1[0].details.texts(Tag::Title).next(), Some("Первый"));
    // It says UTF-8 and is: one bad byte is one bad character.
    let bad = [b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><tv><programme start=\"2026\" channel=\"a\"><title>\xc3\xa9t\xff\xc3\xa9</title></programme><programme start=\"2027\" channel=\"a\"><title>next</title></programme></tv>".as_slice()].concat();
    assert_eq!(titles(&bad), ["ét\u{fffd}é", "next"]);
    assert_eq!(read(&bad).2.faults.bad_characters, 1);
    let long = "x".repeat(100_000);
    let document = guide(&[
        "<title>Caf&eacute; &amp; Bar &#8211; it's</title>",
        "<title>Tom & Jerry <3</title>",
        "<title lang=\"en>Broken</title>",
        "<title>Not closed<desc>D</desc>",
        &format!("<title>{long}</title><desc>{long}</desc><desc>{long}</desc>"),
        "<title><![CDATA[<b>Bold</b>]]> end</title>",
        "<other><title>inner</title></other><title>T<br/>w<b>o <i>big</i></b></title>",
        "<title></title><desc>no title</desc>",
        "<title>last</title>",
    ]);
    let found = titles(document.as_bytes());
    assert_eq!(found.len(), 8);
    assert_eq!(found[..4], ["Café & Bar – it's", "Tom & Jerry <3", "Broken", "Not closed"]);
    assert_eq!(found[4].len(), 100_000, "long texts lose nobody");
    assert_eq!(found[5..], ["<b>Bold</b> end", "Two big", "last"]);
    let (_, _, summary) = read(document.as_bytes());
    assert_eq!((summary.faults.unnamed, summary.is_whole, summary.is_guide), (1, true, true));
    assert_ne!(summary.faults.too_long, 0, "the second description of 100,000 bytes has no room");
    let crowded = format!("<title>T</title>{}{}", "<category>C</category>".repeat(1_000), "<b>".repeat(40));
    let faults = read(guide(&[&crowded]).as_bytes()).2.faults;
    assert_eq!(faults.too_many_elements, 1 + 40);
}

#[test]
fn rule_22_half_a_guide_is_kept_and_said() {
    let document = guide(&["<title>one</title>", "<title>two</title>"]);
    let half = &document[..=document.find("two").unwrap()];
    let (channels, programmes, summary) = read(half.as_bytes());
    assert_eq!((channels.len(), programmes.len(), summary.is_whole), (1, 1, false));
    for no_guide in ["<html><body>404</body></html>", "", "{}", "#EXTM3U"] {
        assert!(!read(no_guide.as_bytes()).2.is_guide, "{no_guide}");
    }
}

#[test]
fn rule_20_every_element_of_the_format_comes_through() {
    let inside = "<title lang=\"en\">T</title><sub-title>S</sub-title><desc>D\nE</desc><credits>\
        <director>A</director><actor role=\"R\" guest=\"yes\">B<url system=\"x\">u</url><image type=\"person\">i</image></actor>\
        <guest>G</guest></credits><date>2020</date><category>C</category><keyword>k</keyword>\
        <language>en</language><orig-language>fr</orig-language><length units=\"minutes\">30</length>\
        <icon src=\"s\" width=\"1\" height=\"2\"/><url>u</url><country>GB</country>\
        <episode-num system=\"xmltv_ns\">1.2.0/1</episode-num><video><present>yes</present><colour>yes</colour>\
        <aspect>16:9</aspect><quality>HDTV</quality></video><audio><present>yes</present><stereo>stereo</stereo></audio>\
        <previously-shown start=\"2019\" channel=\"x\"/><premiere>p</premiere><last-chance/><new/>\
        <subtitles type=\"teletext\"><language>en</language></subtitles>\
        <rating system=\"MPAA\"><value>PG</value><icon src=\"p\"/></rating>\
        <star-rating><value>3/5</value></star-rating><review type=\"text\" source=\"s\">r</review>\
        <image type=\"poster\" size=\"1\" orient=\"P\" system=\"x\">i</image>";
    let document = format!(
        "<tv><programme start=\"2026\" channel=\"a\" pdc-start=\"1\" vps-start=\"2\" showview=\"3\" videoplus=\"4\" \
         clumpidx=\"0/2\">{inside}</programme></tv>"
    );
    let (_, programmes, _) = read(document.as_bytes());
    let out = written(&programmes[0].details);
    assert_eq!(
        out,
        format!(
            " pdc-start=\"1\" vps-start=\"2\" showview=\"3\" videoplus=\"4\" clumpidx=\"0/2\">{inside}</programme>\n"
        )
    );
    assert_eq!(Details::read_programme(&out), programmes[0].details);
    // In any order, with what the format does not have, and with what it does not allow.
    let wild = "<rating>PG</rating><foo>x</foo><desc>D</desc><length>5</length><icon/><title>T</title><new>\
                </new><date>1</date><date>2</date><actor>no</actor><subtitles type=\"odd\"/><credits></credits>";
    let (_, programmes, _) = read(guide(&[wild]).as_bytes());
    assert_eq!(
        written(&programmes[0].details),
        "><title>T</title><desc>D</desc><date>1</date><new/><subtitles/><rating><value>PG</value></rating></programme>\n"
    );
}

#[test]
fn rule_23_no_id_is_the_beginning_of_another_and_none_is_a_number() {
    let ids: Vec<String> = (0..2_000).chain([268_435_463, 26_843_546, u32::MAX]).map(document::id).collect();
    assert_eq!(ids[1], "c00000001.forebay");
    for (one, other) in ids.iter().zip(&ids[1..]) {
        assert!(!other.starts_with(&**one) && !one.starts_with(&**other));
    }
    assert!(!document::id(268_435_463).starts_with(&document::id(26_843_546)));
}

fn iptv_org() -> Vec<(String, String)> {
    let mut text = String::new();
    let packed = include_bytes!("data/m3u/iptv-org_names.tsv.gz");
    GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("it is good");
    let rows = text.lines().filter_map(|line| line.split_once('\t'));
    rows.filter(|(id, _)| !id.is_empty()).map(|(id, name)| (id.to_owned(), name.to_owned())).collect()
}

/// The channel of an id, which stands in front of `@`; its feed is behind.
fn channel_of(id: &str) -> &str {
    id.split('@').next().expect("it has a first part")
}

/// A name without what stands in brackets behind it.
fn spoken(name: &str) -> &str {
    name.split(['(', '[']).next().expect("it has a first part").trim()
}

/// The country of a channel, where it is known.
fn country_of(channel: &str, is_known: bool) -> Option<&str> {
    channel.rsplit_once('.').map(|(_, country)| country).filter(|_| is_known)
}

/// The first name of each channel of iptv-org is a guide's; the others are looked for in it, but
/// for those that iptv-org gives to two channels, of a country where that is known: nobody could
/// tell them apart.
#[test]
fn rule_14_matching_by_names_is_right_on_iptv_org() {
    let rows = iptv_org();
    let (mut index, mut ids, mut wanted) = (Index::default(), HashMap::new(), Vec::new());
    let mut channels: HashMap<_, HashSet<_>> = HashMap::new();
    for (id, name) in &rows {
        let channel = channel_of(id);
        for is_known in [true, false] {
            let named = (spoken(name), country_of(channel, is_known));
            channels.entry(named).or_default().insert(channel);
        }
        let next = u32::try_from(ids.len()).unwrap();
        if ids.contains_key(channel) {
            wanted.push((channel, name));
        } else {
            ids.insert(channel, next);
            index.add(GuideChannel { guide: 0, channel: next }, channel, [name.as_str()], true);
        }
    }
    for has_country in [true, false] {
        let (mut made, mut right, mut all) = (0_u32, 0_u32, 0_u32);
        for (channel, name) in &wanted {
            let group = country_of(channel, has_country);
            if channels[&(spoken(name), group)].len() > 1 {
                continue;
            }
            all += 1;
            if let Some((at, _)) = index.find(&Wanted { guide_id: None, name, group }) {
                made += 1;
                if at.channel == ids[channel] {
                    right += 1;
                } else if has_country {
                    println!("wrong: {name} of {channel}");
                }
            }
        }
        let precision = 100.0 * f64::from(right) / f64::from(made);
        let recall = 100.0 * f64::from(right) / f64::from(all);
        println!(
            "country {has_country}: precision {precision:.2} % of {made}, recall {recall:.2} % of {all}"
        );
        assert!(precision >= 99.7, "{precision}");
        // What finds nothing is never wrong.
        assert!(recall >= if has_country { 70.0 } else { 50.0 }, "{recall}");
    }
}

#[test]
fn rule_14_twenty_thousand_channels_and_as_many_of_a_guide_take_seconds() {
    let rows: Vec<String> = iptv_org().into_iter().map(|(_, name)| name).collect();
    let name = |at: usize| {
        let name = &rows[at % rows.len()];
        if at < rows.len() { name.clone() } else { format!("{name} {}", at / rows.len()) }
    };
    let begun = processor_time();
    let (mut index, mut names) = (Index::default(), Suggestions::default());
    for at in 0..20_000_u32 {
        let name = name(at as usize);
        index.add(GuideChannel { guide: 0, channel: at }, &format!("id{at}.tv"), [name.as_str()], true);
        names.add(&name);
    }
    let (mut found, mut suggested, mut scratch) = (0, HashSet::new(), Scratch::default());
    for at in 0..20_000 {
        let name = format!("{} Plus", name(at));
        match index.find(&Wanted { guide_id: None, name: &name, group: None }) {
            Some(_) => found += 1,
            None => suggested.extend(names.find(&name, 5, &mut scratch).into_iter().map(|it| it.name)),
        }
    }
    let took = processor_time().saturating_sub(begun);
    println!(
        "20,000 x 20,000 with suggestions for all: {took:?}, {found} found, {} suggested",
        suggested.len()
    );
    assert!(suggested.len() > 5_000);
    assert!(took.as_secs_f64() < 5.0 || cfg!(debug_assertions) && took.as_secs() < 30, "{took:?}");
}

proptest! {
    /// A guide that we write is read as it was. Any bytes, in pieces of any size, are read to their
    /// end.
    #[test]
    fn rule_20_what_is_written_is_read_as_it_was(text in "[^\r]{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..50) {
        let mut title = forebay_core::guide::details::Element::new(Tag::Title, "x");
        let kept: String = text.chars().filter(|it| !it.is_control() && !matches!(it, '\u{FFFE}' | '\u{FFFF}')).collect();
        title.text.push_str(&kept);
        title.text.truncate(title.text.trim_end().len());
        let details = Details { attributes: vec![("showview", "a\"<&b".to_owned())], elements: vec![title] };
        prop_assert_eq!(Details::read_programme(&written(&details)), details);
        let wild = [b"<tv><programme start=\"2026\" channel=\"a\"><title>T</title>".as_slice(), &bytes, b"</programme><programme start=\"2027\" channel=\"b\"><title>U</title></programme></tv>"].concat();
guides::check(&wild, &[piece]);
    }
}

#[test]
fn programmes_are_written_as_every_player_reads_them() {
    let mut out = document::HEAD.to_owned();
    let at = |seconds: i64| UnixTime::from_seconds(1_769_884_200 + seconds);
    let id = document::id(1);
    document::channel(&mut out, &id, "A & B", Some("5.1"), Some("http://h/?a&b"));
    document::programme(&mut out, &id, (at(0), at(1800)), "><title>T</title></programme>\n");
    out.push_str(document::TAIL);
    assert!(out.ends_with(
        "<channel id=\"c00000001.forebay\"><display-name>A &amp; B</display-name><display-name>5.1</display-name>\
         <icon src=\"http://h/?a&amp;b\"/></channel>\n<programme start=\"20260131183000 +0000\" \
         stop=\"20260131190000 +0000\" channel=\"c00000001.forebay\"><title>T</title></programme>\n</tv>\n"
    ));
    assert_eq!(read(out.as_bytes()).2.programmes, 1);
}
