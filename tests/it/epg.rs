//! The guide: programmes that others list, for players and pages.

use std::io::{Read as _, Write as _};
use std::sync::LazyLock;
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use forebay_testkit::client::{Answer, Request};
use forebay_testkit::origin::{Behaviour, Origin};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::relay::Relay;
use crate::tokens::ask;

const DAY: i64 = 24 * 3600;

const CHANNELS: &str = "[auth]\nadult_groups = ['XXX']\n\
    [[channels]]\nid = 'one'\nname = 'One & Only'\nnumber = 5\ngroup = 'News'\ntvg_id = 'ONE.tv'\n\
    sources = ['testcard://']\n\
    [[channels]]\nid = 'two'\nname = 'Second Channel HD'\ngroup = 'Films'\nsources = ['testcard://']\n\
    [[channels]]\nid = 'none'\nname = 'Nobody'\nsources = ['testcard://']\n\
    [[channels]]\nid = 'late'\nname = 'Late'\ntvg_id = 'late.tv'\ngroup = 'XXX'\nsources = ['testcard://']\n";

/// When the hour began in which the test began, in seconds since 1970.
static HOUR: LazyLock<i64> = LazyLock::new(|| Timestamp::now().as_second() / 3600 * 3600);

/// The time so many seconds from then, as guides write it.
fn at(seconds: i64) -> String {
    let at = Timestamp::from_second(*HOUR + seconds).expect("it is near");
    at.strftime("%Y%m%d%H%M%S +0000").to_string()
}

fn programme(channel: &str, (start, stop): (i64, i64), title: &str) -> String {
    format!(
        "<programme start=\"{}\" stop=\"{}\" channel=\"{channel}\"><title lang=\"en\">{title}</title>\
         <category>C</category></programme>",
        at(start),
        at(stop)
    )
}

fn packed(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text.as_bytes()).expect("memory takes all");
    out.finish().expect("memory takes all")
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).expect("it is packed");
    text
}

/// The first guide; the programme that runs has this title.
fn first(title: &str) -> String {
    let programmes = [
        programme("one.TV", (-2 * DAY, -2 * DAY + 3600), "Long over"),
        programme("one.TV", (-1800, 2 * DAY), title),
        programme("one.TV", (2 * DAY, 2 * DAY + 3600), "Next"),
        programme("one.TV", (20 * DAY, 20 * DAY + 3600), "Far away"),
        programme("late.tv", (-1800, 2 * DAY), "For adults"),
        programme("other.tv", (-1800, 2 * DAY), "Elsewhere"),
    ];
    let channel = "<channel id=\"one.TV\"><display-name>Something else</display-name></channel>";
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><tv>{channel}{}</tv>", programmes.concat())
}

fn second() -> String {
    let programmes = [
        programme("one.tv", (-1800, 2 * DAY), "The second guide comes second"),
        programme("x2", (-1800, DAY), "A film"),
    ];
    let channel = "<channel id=\"x2\"><display-name>X2</display-name><display-name>Second Channel</display-name></channel>";
    format!("<tv>{channel}{}</tv>", programmes.concat())
}

async fn start(origin: &Origin) -> Relay {
    origin.serve("/first.xml.gz", Behaviour::body("application/gzip", packed(&first("News &amp; &eacute;"))));
    origin.serve("/second", Behaviour::body("text/plain", second()));
    let guides = ["/first.xml.gz", "/second"]
        .map(|path| format!("[[guides]]\nid = {path:?}\nurl = {:?}\nrefresh = '1h'\n", origin.url(path)));
    let relay = Relay::start(&format!("{CHANNELS}{}", guides.concat()));
    until(&relay, |guides| guides[0]["matched"] == 2 && guides[1]["matched"] == 1).await;
    relay
}

/// Waits until the guides are so.
pub(crate) async fn until(relay: &Relay, is_so: impl Fn(&Value) -> bool) -> Value {
    loop {
        let guides = get(relay, "/api/guides").await.json()["guides"].clone();
        if is_so(&guides) {
            return guides;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn get(relay: &Relay, path: &str) -> Answer {
    let answer = ask(relay, "GET", path, None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer
}

async fn with(relay: &Relay, path: &str, name: &str, value: &str) -> Answer {
    Request::get(relay.address(), path).header(name, value).send().await.expect("the relay answers")
}

/// A user who may watch these groups, by the path below which he or she asks.
async fn user(relay: &Relay, name: &str, fields: Value) -> String {
    let mut user = json!({ "name": name, "password": "correct horse" });
    let fields = fields.as_object().expect("they are fields").clone();
    user.as_object_mut().expect("it is an object").extend(fields);
    let answer = ask(relay, "POST", "/api/users", Some(user)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let url = answer.json()["playlist_url"].as_str().expect("an address").to_owned();
    let path = url.strip_prefix(&relay.url("")).and_then(|path| path.strip_suffix("/playlist.m3u"));
    path.expect("it is ours").to_owned()
}

/// The ids of the channels that the list at this path names, and the address of its guide.
async fn list(relay: &Relay, path: &str) -> (Vec<String>, String) {
    let list = get(relay, path).await.text();
    let between = |text: &str, start: &str| {
        let (_, rest) = text.split_once(start)?;
        rest.split('"').next().map(str::to_owned)
    };
    let guide = between(&list, "#EXTM3U url-tvg=\"").expect("it names its guide");
    assert_eq!(between(&list, " x-tvg-url=\"").as_deref(), Some(&*guide));
    (list.lines().filter_map(|line| between(line, "tvg-id=\"")).collect(), guide)
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_19_21_22_and_23_the_guide_has_the_channels_of_the_list_and_a_window_in_every_form() {
    let origin = Origin::start().await;
    let relay = start(&origin).await;
    let plain = get(&relay, "/epg.xml").await;
    assert_eq!(plain.header("Content-Type"), Some("application/xml; charset=utf-8"));
    assert_eq!(plain.header("Content-Encoding"), None);
    let text = plain.text();
    let (ids, address) = list(&relay, "/playlist.m3u").await;
    assert_eq!(address, relay.url("/epg.xml"));
    assert_eq!(ids.len(), 3, "nobody in particular sees none for adults");
    let channel =
        format!("<channel id=\"{}\"><display-name>One &amp; Only</display-name><display-name>5<", ids[0]);
    assert!(text.contains(&channel), "{text}");
    assert_eq!(text.matches("<channel ").count(), 3, "{text}");
    let one = format!(
        "<programme start=\"{}\" stop=\"{}\" channel=\"{}\"><title lang=\"en\">News &amp; é</title>\
         <category>C</category></programme>\n",
        at(-1800),
        at(2 * DAY),
        ids[0]
    );
    assert!(text.contains(&one), "{one} in {text}");
    assert!(text.contains(&format!("channel=\"{}\"><title lang=\"en\">A film<", ids[1])), "{text}");
    assert_eq!(text.matches("<programme ").count(), 3, "only ours, and only those of the window: {text}");
    for id in &ids {
        let digits = id.strip_prefix('c').and_then(|id| id.strip_suffix(".forebay")).expect(id);
        assert!(digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    }
    let encoded = with(&relay, "/epg.xml", "Accept-Encoding", "gzip, br").await;
    assert_eq!(encoded.header("Content-Encoding"), Some("gzip"));
    assert_eq!(unpacked(&encoded.body), text);
    for accepts in ["gzip", "identity"] {
        let file = with(&relay, "/epg.xml.gz", "Accept-Encoding", accepts).await;
        assert_eq!((file.header("Content-Encoding"), &file.body[..2]), (None, &b"\x1f\x8b"[..]));
        assert_eq!(unpacked(&file.body), text);
    }
    let head = ask(&relay, "HEAD", "/epg.xml", None).await;
    assert_eq!(head.header("Content-Length"), Some(&*text.len().to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_24_whoever_has_the_guide_is_not_sent_it_again_until_it_is_another() {
    let origin = Origin::start().await;
    let relay = start(&origin).await;
    let tag = |answer: &Answer| answer.header("ETag").expect("it has one").to_owned();
    for path in ["/epg.xml", "/epg.xml.gz"] {
        let answer = get(&relay, path).await;
        let same = with(&relay, path, "If-None-Match", &tag(&answer)).await;
        assert_eq!((same.status, same.body.len()), (304, 0), "{path}");
        let date = answer.header("Last-Modified").expect("it has one").to_owned();
        assert_eq!(with(&relay, path, "If-Modified-Since", &date).await.status, 304, "{path}");
        assert_eq!(with(&relay, path, "If-None-Match", "\"another\"").await.status, 200, "{path}");
    }
    let before = tag(&get(&relay, "/epg.xml").await);
    origin.serve("/first.xml.gz", Behaviour::body("text/html", "<html>gone</html>"));
    ask(&relay, "POST", "/api/guides/refresh", None).await;
    let guides = until(&relay, |guides| guides[0]["error"].is_string()).await;
    assert_eq!((&guides[0]["error"], &guides[0]["matched"]), (&"it is no guide in XMLTV".into(), &2.into()));
    assert_eq!(tag(&get(&relay, "/epg.xml").await), before, "what is no guide replaces none");
    origin.serve("/first.xml.gz", Behaviour::body("text/xml", first("Something new")));
    ask(&relay, "POST", "/api/guides/refresh", None).await;
    until(&relay, |guides| guides[0]["error"].is_null()).await;
    while !get(&relay, "/epg.xml").await.text().contains("Something new") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_ne!(tag(&get(&relay, "/epg.xml").await), before);
    let metrics = get(&relay, "/metrics").await.text();
    for line in [
        "forebay_guides 2.0",
        "forebay_guide_channels 3.0",
        "forebay_guide_readings_total{result=\"failed\"} 1",
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_has_the_guide_of_what_he_or_she_may_watch() {
    let origin = Origin::start().await;
    let relay = start(&origin).await;
    let news = user(&relay, "ann", json!({ "groups": ["News"] })).await;
    let all = user(&relay, "ben", json!({ "adult": true })).await;
    for (user, titles) in [(news, vec!["News &amp; é"]), (all, vec!["News &amp; é", "A film", "For adults"])]
    {
        let (ids, address) = list(&relay, &format!("{user}/playlist.m3u")).await;
        let path = address.strip_prefix(&relay.url("")).expect("it is ours");
        assert_eq!(path, format!("{user}/epg.xml"));
        let text = get(&relay, path).await.text();
        assert_eq!(text.matches("<channel ").count(), ids.len(), "{text}");
        assert!(ids.iter().all(|id| text.contains(&format!("<channel id=\"{id}\">"))), "{text}");
        for title in ["News &amp; é", "A film", "For adults"] {
            assert_eq!(text.contains(title), titles.contains(&title), "{title}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_is_told_by_the_api() {
    let origin = Origin::start().await;
    let relay = start(&origin).await;
    let now = get(&relay, "/api/epg/now").await.json();
    assert_eq!((&now["total"], &now["channels"][2]["now"]), (&3.into(), &Value::Null), "{now}");
    let one = &now["channels"][0];
    let shown =
        [&one["channel"], &one["name"], &one["now"]["title"], &one["now"]["categories"][0], &one["next"]];
    assert_eq!(shown, [&json!("one"), &json!("One & Only"), &json!("News & é"), &json!("C"), &Value::Null]);
    assert_eq!(one["guide_id"], json!(list(&relay, "/playlist.m3u").await.0[0]));
    let found = get(&relay, "/api/epg/now?search=second").await.json();
    assert_eq!((&found["total"], &found["channels"][0]["now"]["title"]), (&1.into(), &"A film".into()));
    let titles = async |path: &str| {
        let document = get(&relay, path).await.json();
        let all = document["programmes"].as_array().expect("a list").iter();
        all.map(|it| it["title"].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(titles("/api/epg/one").await, ["News & é"]);
    let from = *HOUR - 3 * DAY;
    let all = format!("/api/epg/one?from={from}&to={}", from + 30 * DAY);
    assert_eq!(titles(&all).await, ["Long over", "News & é", "Next", "Far away"]);
    assert_eq!(titles("/api/epg/none").await, [""; 0]);
    assert_eq!(titles("/api/epg/search?text=FILM").await, ["A film"]);
    assert_eq!(titles("/api/epg/search?text=elsewhere").await, [""; 0], "it is on no channel of ours");
    assert_eq!(titles("/api/epg/search?text=adults").await, [""; 0]);
    assert_eq!(ask(&relay, "GET", "/api/epg/late", None).await.status, 403);
    assert_eq!(ask(&relay, "GET", "/api/epg/nothing", None).await.status, 404);
    let like = get(&relay, "/api/epg/two/suggestions").await.json()["suggestions"][0].clone();
    assert_eq!((&like["guide"], &like["id"], &like["score"]), (&"/second".into(), &"x2".into(), &100.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn players_of_xtream_codes_are_told_what_is_on() {
    let origin = Origin::start().await;
    let relay = start(&origin).await;
    user(&relay, "ann", json!({ "groups": ["News"] })).await;
    let login = "username=ann&password=correct%20horse";
    let api = async |more: &str| get(&relay, &format!("/player_api.php?{login}{more}")).await.json();
    let stream = api("&action=get_live_streams").await[0].clone();
    let (id, guide_id) = (&stream["stream_id"], stream["epg_channel_id"].as_str().expect("a text"));
    let titles = |document: &Value| -> Vec<String> {
        let all = document["epg_listings"].as_array().expect("a list").iter();
        all.map(|it| it["title"].as_str().expect("a text").to_owned()).collect()
    };
    let short = api(&format!("&action=get_short_epg&stream_id={id}")).await;
    // "News & é" and "Next", in Base64.
    assert_eq!(titles(&short), ["TmV3cyAmIMOp", "TmV4dA=="]);
    let first = &short["epg_listings"][0];
    let shown = [&first["now_playing"], &first["channel_id"], &first["epg_id"]];
    assert_eq!(shown, [&json!(1), &json!(guide_id), &json!(id.to_string())], "{first}");
    let one = api(&format!("&action=get_short_epg&limit=1&stream_id={id}")).await;
    assert_eq!(titles(&one), ["TmV3cyAmIMOp"]);
    let table = api(&format!("&action=get_simple_data_table&stream_id={id}")).await;
    assert_eq!(titles(&table).len(), 3, "what is over, too: {table}");
    for nothing in ["two", "late", "nothing", ""] {
        let table = api(&format!("&action=get_short_epg&stream_id={nothing}")).await;
        assert_eq!(table, json!({ "epg_listings": [] }), "{nothing}");
    }
    let text = get(&relay, &format!("/xmltv.php?{login}")).await.text();
    assert!(text.contains(&format!("channel=\"{guide_id}\"><title")) && !text.contains("A film"), "{text}");
    let (ids, address) = list(&relay, &format!("/get.php?{login}")).await;
    assert_eq!(ids, [guide_id]);
    let path = address.strip_prefix(&relay.url("")).expect("it is ours").to_owned();
    assert_eq!(get(&relay, &path).await.text(), text);
    let file = get(&relay, &format!("/xmltv.php?{login}&gzip=1")).await;
    assert_eq!(unpacked(&file.body), text);
}

/// What the relay tells of a reading that was asked for.
async fn refreshed(relay: &Relay, is_so: impl Fn(&Value) -> bool) -> Value {
    ask(relay, "POST", "/api/guides/refresh", None).await;
    until(relay, is_so).await
}

async fn title_of_one(relay: &Relay) -> Value {
    get(relay, "/api/epg/one").await.json()["programmes"][0]["title"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_22_a_guide_that_breaks_off_takes_no_place_of_a_whole_one() {
    let origin = Origin::start().await;
    let serve = |text: &str, tag: &str, missing: u64| {
        let behaviour = Behaviour::body("text/xml", text).header("ETag", tag);
        let length = text.len() as u64 + missing;
        origin.serve("/one", behaviour.claim_length(length));
    };
    serve(&first("Whole"), "\"1\"", 0);
    let guide = format!("[[guides]]\nid = 'one'\nurl = '{}'\n", origin.url("/one"));
    let relay = Relay::start(&format!("{CHANNELS}{guide}"));
    until(&relay, |guides| guides[0]["matched"] == 2).await;
    let half = first("Half");
    let end = half.rfind("<programme").expect("it has one");
    serve(&half[..end], "\"2\"", 1000);
    let guides = refreshed(&relay, |guides| guides[0]["error"].is_string()).await;
    assert_eq!(guides[0]["error"], "it broke off, and the one of before stays");
    assert_eq!((&guides[0]["is_whole"], &guides[0]["programmes"]), (&true.into(), &6.into()));
    assert_eq!(title_of_one(&relay).await, "Whole");
    serve(&first("Whole again"), "\"3\"", 0);
    refreshed(&relay, |guides| guides[0]["error"].is_null()).await;
    while title_of_one(&relay).await != "Whole again" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = origin.requests_for("/one");
    let tags: Vec<_> = asked.iter().map(|it| it.header("If-None-Match")).collect();
    assert_eq!(tags, [None, Some("\"1\""), Some("\"1\"")], "half a guide has no marks");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_22_half_a_guide_is_better_than_none_and_is_asked_for_again() {
    let origin = Origin::start().await;
    let half = first("Half");
    let end = half.rfind("<programme").expect("it has one");
    let behaviour = Behaviour::body("text/xml", &half[..end]).header("ETag", "\"1\"");
    origin.serve("/one", behaviour.claim_length(half.len() as u64));
    let guide = format!("[[guides]]\nid = 'one'\nurl = '{}'\n", origin.url("/one"));
    let relay = Relay::start(&format!("{CHANNELS}{guide}"));
    let guides = until(&relay, |guides| guides[0]["matched"] == 2).await;
    assert_eq!((&guides[0]["is_whole"], guides[0]["error"].is_string()), (&false.into(), true), "{guides}");
    assert_eq!(title_of_one(&relay).await, "Half");
    origin.serve("/one", Behaviour::body("text/xml", first("Whole")));
    refreshed(&relay, |guides| guides[0]["is_whole"] == true).await;
    assert_eq!(origin.requests_for("/one").last().and_then(|it| it.header("If-None-Match")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_takes_one_guide_away_and_no_other() {
    let origin = Origin::start().await;
    let relay = start(&origin).await;
    let guides = get(&relay, "/api/guides").await.json()["guides"].clone();
    let key = guides[0]["key"].as_str().expect("a text");
    let folder = relay.data().join("guides");
    let files = std::fs::read_dir(folder).expect("it has guides");
    let damaged = files.flatten().map(|it| it.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(key) && name.ends_with(".guide")
    });
    // As a disk does it that has lost what it held.
    std::fs::write(damaged.expect("the first guide has a file"), "lost".repeat(4096)).expect("it is ours");
    let now = get(&relay, "/api/epg/now").await.json();
    assert_eq!(
        (&now["channels"][0]["now"], &now["channels"][1]["now"]["title"]),
        (&Value::Null, &"A film".into())
    );
    refreshed(&relay, |guides| matched(guides) == [2, 1] && guides[0]["error"].is_null()).await;
    while title_of_one(&relay).await != "News & é" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn matched(guides: &Value) -> Vec<u64> {
    guides.as_array().expect("a list").iter().filter_map(|it| it["matched"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_programme_does_not_run_yet() {
    let origin = Origin::start().await;
    let programmes = [
        programme("one.TV", (-1800, 2 * DAY), "Says that it never ends"),
        programme("one.TV", (-900, 2 * DAY), "Runs"),
        programme("one.TV", (DAY / 2, 2 * DAY), "Comes"),
    ];
    origin.serve("/one", Behaviour::body("text/xml", format!("<tv>{}</tv>", programmes.concat())));
    let guide = format!("[[guides]]\nid = 'one'\nurl = '{}'\n", origin.url("/one"));
    let relay = Relay::start(&format!("{CHANNELS}{guide}"));
    until(&relay, |guides| guides[0]["matched"] == 1).await;
    let now = get(&relay, "/api/epg/now").await.json()["channels"][0].clone();
    assert_eq!((&now["now"]["title"], &now["next"]["title"]), (&"Runs".into(), &"Comes".into()), "{now}");
    user(&relay, "ann", json!({ "groups": ["News"] })).await;
    let login = "username=ann&password=correct%20horse";
    let api = async |more: &str| get(&relay, &format!("/player_api.php?{login}{more}")).await.json();
    let id = api("&action=get_live_streams").await[0]["stream_id"].clone();
    for (action, expected) in [("get_short_epg", vec![1, 0]), ("get_simple_data_table", vec![0, 1, 0])] {
        let answer = api(&format!("&action={action}&stream_id={id}")).await;
        let flags = answer["epg_listings"].as_array().expect("a list").iter();
        let flags: Vec<_> = flags.map(|it| it["now_playing"].clone()).collect();
        assert_eq!(flags, expected, "{action}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guide_with_nothing_to_come_leaves_the_channel_to_the_next_one() {
    let origin = Origin::start().await;
    let over = programme("one.TV", (-2 * DAY, -2 * DAY + 3600), "Long over");
    let (over, late) = (format!("<tv>{over}</tv>"), programme("one.tv", (-1800, DAY), "Goes on"));
    origin.serve("/over", Behaviour::body("text/xml", over));
    origin.serve("/on", Behaviour::body("text/xml", format!("<tv>{late}</tv>")));
    let guides = ["/over", "/on"]
        .map(|path| format!("[[guides]]\nid = {path:?}\nurl = {:?}\nrefresh = '1h'\n", origin.url(path)));
    let relay = Relay::start(&format!("{CHANNELS}{}", guides.concat()));
    until(&relay, |guides| guides[1]["matched"] == 1 && guides[0]["taken_at"].is_string()).await;
    assert_eq!(title_of_one(&relay).await, "Goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_16_a_lists_shift_moves_the_guide_of_a_channel_and_is_not_told_again() {
    let origin = Origin::start().await;
    let programmes = ["a.tv", "b.tv", "c.tv"].map(|id| programme(id, (0, 3600), &format!("On {id}")));
    origin.serve("/guide", Behaviour::body("text/xml", format!("<tv>{}</tv>", programmes.concat())));
    let entry = |name: &str, attributes: &str| {
        format!("#EXTINF:-1 {attributes},{name}\nhttp://provider.example/live/{name}.ts\n")
    };
    let list = [
        format!("#EXTM3U url-tvg=\"{}\" tvg-shift=\"-2\"\n", origin.url("/guide")),
        entry("a", "tvg-id=\"a.tv\""),
        entry("b", "tvg-id=\"b.tv\" tvg-shift=\"1.5\""),
        entry("c", "tvg-id=\"c.tv\" tvg-shift=\"0\""),
        entry("a later", "tvg-id=\"a.tv\" tvg-shift=\"3\""),
    ];
    origin.serve("/list", Behaviour::body("audio/x-mpegurl", list.concat()));
    let relay = Relay::start(&format!("[[playlists]]\nid = 'p'\nurl = '{}'\n", origin.url("/list")));
    until(&relay, |guides| guides[0]["matched"] == 4).await;
    let told = |seconds: i64| {
        let at = |seconds| Timestamp::from_second(*HOUR + seconds).expect("it is near").to_string();
        (at(seconds), at(seconds + 3600))
    };
    let times = |it: &Value| ["start", "stop"].map(|key| it[key].as_str().expect("a time").to_owned()).into();
    let range = format!("?from={}&to={}", *HOUR - DAY, *HOUR + DAY);
    let guide = get(&relay, "/epg.xml").await.text();
    for (id, shift) in [("a-1", -7200), ("b-2", 5400), ("c-3", 0), ("a-later-4", 10_800)] {
        let document = get(&relay, &format!("/api/epg/{id}{range}")).await.json();
        let all: Vec<(String, String)> =
            document["programmes"].as_array().expect("a list").iter().map(times).collect();
        assert_eq!(all, [told(shift)], "{id}");
        let written = format!("<programme start=\"{}\" stop=\"{}\"", at(shift), at(shift + 3600));
        assert!(guide.contains(&written), "{id}: {guide}");
    }
    // What was on two hours ago is over.
    let now = get(&relay, "/api/epg/now").await.json()["channels"].clone();
    let titles: Vec<_> = now.as_array().expect("a list").iter().map(|it| &it["now"]["title"]).collect();
    assert_eq!(titles, [&Value::Null, &Value::Null, &"On c.tv".into(), &Value::Null]);
    let found = get(&relay, "/api/epg/search?text=on").await.json();
    let found: Vec<_> =
        found["programmes"].as_array().expect("a list").iter().map(|it| &it["channel"]).collect();
    assert_eq!(found, ["c-3", "b-2", "a-later-4"], "those that are not over, in the order of time");
    // Whoever reads our list has our guide, which is right.
    assert!(!get(&relay, "/playlist.m3u").await.text().contains("tvg-shift"));
    // What a user chooses instead is another guide.
    let mapped = json!({ "tvg_id": "a.tv" });
    assert_eq!(ask(&relay, "PATCH", "/api/lineup/channels/2", Some(mapped)).await.status, 200);
    let moved = async {
        loop {
            let document = get(&relay, &format!("/api/epg/b-2{range}")).await.json();
            let all = document["programmes"].as_array().expect("a list");
            if all.first().is_some_and(|it| it["title"] == "On a.tv") {
                return times(&all[0]);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let moved: (String, String) = moved.await;
    assert_eq!(moved, told(0));
}
