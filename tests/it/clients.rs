//! Programs and libraries of others that list channels, read guides, check addresses and play,
//! beside a server as a reader has it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use forebay_testkit::client::{self, Request};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player::{self, Player};
use forebay_testkit::ts::Checker;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::relay::Relay;

/// Each of them takes seconds; on a busy machine, some more.
const PATIENCE: Duration = Duration::from_mins(2);

const CHANNELS: &str = "[auth]\nstreams = 'open'\n[hls]\nsegment = '1s'\n\
    [[channels]]\nid = 'one'\nname = 'Ünï & \"One\"'\nnumber = 5\ngroup = 'News'\ntvg_id = 'one.tv'\nsources = ['testcard://']\n\
    [[channels]]\nid = 'two'\nname = 'Two, HD'\nnumber = 7\ngroup = 'Films'\ntvg_id = 'two.tv'\nsources = ['testcard://']\n\
    [[channels]]\nid = 'three'\nname = 'Three'\nnumber = 12\ngroup = 'News'\ntvg_id = 'three.tv'\nsources = ['testcard://']\n";

/// A server with three channels, a guide for them, and the user `ann`.
struct House {
    relay: Relay,
    _origin: Origin,
}

/// What a guide may say of a programme, in an order that the format does not have.
const EVERYTHING: &str = "<rating system='MPAA'><value>PG</value><icon src='http://h/pg.png'/></rating>\
    <star-rating><value>3/5</value></star-rating><new/><url>http://h/</url><country>GB</country>\
    <category lang='en'>Films &amp; more</category><episode-num system='xmltv_ns'>1.2.0/1</episode-num>\
    <credits><guest>G</guest><actor role='R'>A</actor><director>D</director></credits><date>2020</date>\
    <subtitles type='teletext'><language>en</language></subtitles><keyword>k</keyword><language>en</language>\
    <length units='minutes'>60</length><premiere>first</premiere><last-chance/><icon src='http://h/i.png' width='10'/>\
    <video><quality>HDTV</quality><aspect>16:9</aspect><present>yes</present></video>\
    <audio><stereo>stereo</stereo><present>yes</present></audio><previously-shown start='20200101'/>\
    <review type='text' source='S'>good</review><orig-language>de</orig-language>\
    <desc lang='en'>All &lt; of it</desc><sub-title>Sub</sub-title>";

impl House {
    async fn start() -> Self {
        let origin = Origin::start().await;
        let hour = Timestamp::now().as_second() / 3600 * 3600;
        let at = |hours: i64| {
            let at = Timestamp::from_second(hour + hours * 3600).expect("it is near");
            at.strftime("%Y%m%d%H%M%S +0000").to_string()
        };
        let programme = |channel: &str, (from, until): (i64, i64), title: &str, more: &str| {
            format!(
                "<programme start='{}' stop='{}' channel='{channel}'>{more}<title>{title}</title></programme>",
                at(from),
                at(until)
            )
        };
        let programmes = [
            programme("one.tv", (-1, 2), "Now &amp; here", EVERYTHING),
            programme("one.tv", (2, 4), "Next", ""),
            programme("two.tv", (-1, 3), "A film", ""),
            programme("three.tv", (-1, 3), "Third", ""),
        ];
        origin.serve("/guide", Behaviour::body("text/xml", format!("<tv>{}</tv>", programmes.concat())));
        let guide = format!("[[guides]]\nid = 'g'\nurl = '{}'\n", origin.url("/guide"));
        let relay = Relay::start(&format!("{CHANNELS}{guide}"));
        let user = json!({ "name": "ann", "password": "correct-horse", "max_streams": 3 });
        let made = Request::new("POST", relay.address(), "/api/users").json(&user).send().await;
        assert_eq!(made.expect("the relay answers").status, 201);
        crate::epg::until(&relay, |guides| guides[0]["matched"] == 3).await;
        Self { relay, _origin: origin }
    }

    /// The ids of the channels in our guide, in their order.
    async fn guide_ids(&self) -> Vec<String> {
        let list = client::get(self.relay.address(), "/playlist.m3u").await.text();
        let ids = list.split("tvg-id=\"").skip(1).filter_map(|part| part.split('"').next());
        ids.map(str::to_owned).collect()
    }

    /// Waits until somebody watches whose program calls itself so.
    async fn watched_by(&self, agent: &str) {
        let is_so = async {
            loop {
                let viewers = client::get_json(self.relay.address(), "/api/viewers").await.1;
                let all = viewers["viewers"].as_array().expect("a list");
                if all.iter().any(|it| it["agent"].as_str().is_some_and(|it| it.starts_with(agent))) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, is_so).await.unwrap_or_else(|_| panic!("{agent} does not watch"));
    }
}

/// A folder of the testkit's.
fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "testkit", "clients", name].iter().collect()
}

/// Runs a program to its end.
async fn run(program: &Path, arguments: &[&str]) -> Output {
    let running = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output =
        timeout(PATIENCE, running).await.unwrap_or_else(|_| panic!("{} does not end", program.display()));
    output.unwrap_or_else(|error| panic!("{}: {error}: make setup", program.display()))
}

/// What it wrote, if it was content.
fn told(output: &Output) -> String {
    let (out, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{wrong}");
    out.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_of_node_read_the_panel_the_list_and_the_guide_and_open_the_streams() {
    let house = House::start().await;
    let ids = house.guide_ids().await;
    let (list, guide) = (house.relay.url("/playlist.m3u"), house.relay.url("/epg.xml"));
    let script = folder("node").join("read.mjs");
    let script = script.to_str().expect("it has a plain name");
    let arguments = [script, &house.relay.url(""), "ann", "correct-horse", &list, &guide];
    let read: Value =
        serde_json::from_str(&told(&run(Path::new("node"), &arguments).await)).expect("it is JSON");
    assert_eq!(read["begun"], json!(["47", "47"]), "packets of MPEG-TS");
    assert_eq!(read["categories"], json!(["News", "Films"]));
    let shown = read["channels"].as_array().expect("a list");
    let names: Vec<_> = shown.iter().map(|it| (&it[0], &it[1], &it[3])).collect();
    let expected = [("Ünï & \"One\"", 5), ("Two, HD", 7), ("Three", 12)];
    for ((name, number, guide), ((expected, at), id)) in names.into_iter().zip(expected.into_iter().zip(&ids))
    {
        assert_eq!((name, number, guide), (&json!(expected), &json!(at), &json!(id)));
    }
    assert_eq!(
        (shown.len(), shown[0][2] == shown[2][2], shown[0][2] == shown[1][2]),
        (3, true, false),
        "{read}"
    );
    let address = |id: &str| house.relay.url(&format!("/stream/{id}.ts"));
    let list = json!([
        ["Ünï & \"One\"", ids[0], "5", "News", address("one")],
        ["Two, HD", ids[1], "7", "Films", address("two")],
        ["Three", ids[2], "12", "News", address("three")],
    ]);
    assert_eq!(read["list"], list);
    assert_eq!((&read["profile"]["username"], &read["profile"]["auth"]), (&json!("ann"), &json!(1)));
    assert_eq!(read["server"]["port"], json!(house.relay.address().port().to_string()));
    assert_eq!(read["others"], json!([0, 0]));
    // In Base64.
    assert_eq!(read["titles"]["short"], json!(["Tm93ICYgaGVyZQ==", "TmV4dA=="]));
    assert_eq!(read["titles"]["full"], read["titles"]["short"]);
    let channels = read["guide"]["channels"].as_array().expect("a list");
    assert_eq!(channels.iter().map(|it| &it["id"]).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    let programmes = read["guide"]["programmes"].as_array().expect("a list");
    let titles: Vec<_> = programmes.iter().map(|it| (&it["channel"], &it["title"][0]["_value"])).collect();
    let title = |at: usize, text: &str| (json!(ids[at]), json!(text));
    // It leaves entities as they are.
    let expected = [title(0, "Now &amp; here"), title(0, "Next"), title(1, "A film"), title(2, "Third")];
    assert_eq!(titles, expected.iter().map(|(id, text)| (id, text)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn pyxtream_lists_the_panel() {
    let house = House::start().await;
    let cache = tempfile::tempdir().unwrap();
    let script = folder("python").join("list.py");
    let arguments = [
        script.to_str().unwrap(),
        &house.relay.url(""),
        "ann",
        "correct-horse",
        cache.path().to_str().unwrap(),
    ];
    let python = folder("python").join(".venv/bin/python");
    let read: Value = serde_json::from_str(&told(&run(&python, &arguments).await)).unwrap();
    assert_eq!((&read["auth"], &read["loaded"], &read["movies"]), (&json!(1), &json!(true), &json!([])));
    let channels = read["channels"].as_array().unwrap();
    let named: Vec<_> =
        channels.iter().map(|it| (it[0].as_str().unwrap(), it[1].as_str().unwrap())).collect();
    assert_eq!(named, [("Ünï & \"One\"", "News"), ("Two, HD", "Films"), ("Three", "News")], "{read}");
    let groups = read["groups"].as_array().unwrap();
    assert!(groups.contains(&json!("Films")) && groups.contains(&json!("News")), "{read}");
    // What it would play.
    for channel in channels {
        let url = channel[2].as_str().unwrap();
        let path = url.strip_prefix(&house.relay.url("")).unwrap_or_else(|| panic!("{url} is not ours"));
        let mut viewer = client::Viewer::get(house.relay.address(), path).await;
        assert_eq!(viewer.status(), 200, "{url}");
        assert_eq!(viewer.read_until(188).await[0], 0x47, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_is_valid_by_its_format_and_by_the_programs_of_its_makers() {
    let house = House::start().await;
    let guide = client::get(house.relay.address(), "/epg.xml").await;
    let text = guide.text();
    for element in ["<credits>", "<rating ", "<previously-shown ", "<video>", "<review ", "<star-rating>"] {
        assert!(text.contains(element), "{element} got lost: {text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("guide.xml");
    std::fs::write(&file, &guide.body).unwrap();
    let file = file.to_str().unwrap();
    // Beside it, where the guide says that its format is.
    let format = folder.path().join("xmltv.dtd");
    std::fs::copy("/usr/share/xmltv/xmltv.dtd", &format).expect("xmltv-util is installed: make setup");
    let dtd = format.to_str().unwrap();
    let valid = run(Path::new("xmllint"), &["--noout", "--nonet", "--dtdvalid", dtd, file]).await;
    assert_eq!(told(&valid), "");
    assert!(valid.stderr.is_empty(), "{}", String::from_utf8_lossy(&valid.stderr));
    // It would ask the internet for the format.
    let checked = Command::new("tv_validate_file")
        .arg(file)
        .env("XMLTV_SUPPLEMENT", "/usr/share/xmltv")
        .kill_on_drop(true)
        .output();
    let checked =
        timeout(PATIENCE, checked).await.expect("it ends").expect("xmltv-util is installed: make setup");
    told(&checked);
    // Both would say so.
    let broken = text.replacen("<title", "<titel", 1);
    std::fs::write(file, broken).unwrap();
    assert!(
        !run(Path::new("xmllint"), &["--noout", "--nonet", "--dtdvalid", dtd, file]).await.status.success()
    );
}

/// Those that play, in a module of their own: few of them run at a time.
mod players {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn iptv_checker_finds_every_address_of_the_list_online() {
        let house = House::start().await;
        let out = tempfile::tempdir().unwrap();
        let program = folder("node").join("node_modules/.bin/iptv-checker");
        let list = house.relay.url("/playlist.m3u");
        let arguments = ["-t", "60000", "-o", out.path().to_str().unwrap(), &list];
        let told = told(&run(&program, &arguments).await);
        let entries = |name: &str| {
            let text = std::fs::read_to_string(out.path().join(name)).unwrap_or_default();
            text.matches("#EXTINF").count()
        };
        assert_eq!((entries("online.m3u"), entries("failed.m3u")), (3, 0), "{told}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn streamlink_gets_what_was_sent_by_both_ways() {
        let house = House::start().await;
        let out = tempfile::tempdir().unwrap();
        let program = folder("python").join(".venv/bin/streamlink");
        for (at, address) in [
            format!("httpstream://{}", house.relay.url("/stream/one.ts")),
            format!("hls://{}", house.relay.url("/stream/one/index.m3u8")),
        ]
        .iter()
        .enumerate()
        {
            let file = out.path().join(at.to_string());
            let name = file.to_str().unwrap().to_owned();
            let mut running = Command::new(&program)
                .args(["--no-config", "--force", "--output", &name, address, "best"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .expect("streamlink is installed: make setup");
            // It goes on for ever: six seconds of the test card are more than this.
            let has_come = async {
                while std::fs::metadata(&file).map_or(0, |it| it.len()) < 400_000 {
                    assert!(running.try_wait().unwrap().is_none(), "{address}: it has ended");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            timeout(PATIENCE, has_come).await.unwrap_or_else(|_| panic!("{address}: nothing comes"));
            running.kill().await.unwrap();
            let bytes = std::fs::read(&file).unwrap();
            Checker::check(&bytes[..bytes.len() / 188 * 188]).assert_clean();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn vlc_and_mpv_play_what_the_list_names_first() {
        let house = House::start().await;
        let list = house.relay.url("/playlist.m3u");
        let vlc = player::vlc(&list, 5).await;
        vlc.assert_ok();
        assert!(vlc.frames > 4 * 25, "{} pictures", vlc.frames);
        let mut mpv = Player::Mpv.start(&list);
        house.watched_by(Player::Mpv.agent()).await;
        assert!(!mpv.has_ended());
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "Kodi is large, and takes a minute: make test-long"]
    async fn kodi_shows_groups_numbers_and_what_is_on_and_plays() {
        let house = House::start().await;
        let kodi = player::Kodi::start(&house.relay.url("/playlist.m3u"), &house.relay.url("/epg.xml")).await;
        let properties = ["channelnumber", "uniqueid", "broadcastnow", "broadcastnext"];
        let wanted = json!({ "channelgroupid": "alltv", "properties": properties });
        let has_guide = |answer: &Value| answer["channels"][0]["broadcastnext"].is_object();
        let channels = kodi.until("PVR.GetChannels", &wanted, has_guide).await["channels"].clone();
        let all: Vec<_> = channels.as_array().unwrap().iter().collect();
        let shown: Vec<_> = all.iter().map(|it| (&it["label"], &it["channelnumber"])).collect();
        let named =
            [("Ünï & \"One\"", 5), ("Two, HD", 7), ("Three", 12)].map(|(name, at)| (json!(name), json!(at)));
        assert_eq!(shown, named.iter().map(|(name, at)| (name, at)).collect::<Vec<_>>());
        let title = |at: usize, what: &str| all[at][what]["title"].clone();
        assert_eq!(
            (title(0, "broadcastnow"), title(0, "broadcastnext")),
            (json!("Now & here"), json!("Next"))
        );
        assert_eq!((title(1, "broadcastnow"), title(2, "broadcastnow")), (json!("A film"), json!("Third")));
        let groups = kodi.ask("PVR.GetChannelGroups", &json!({ "channeltype": "tv" })).await;
        let groups: Vec<_> =
            groups["channelgroups"].as_array().unwrap().iter().map(|it| &it["label"]).collect();
        assert!(groups.contains(&&json!("News")) && groups.contains(&&json!("Films")), "{groups:?}");
        let first = json!({ "item": { "channelid": all[0]["channelid"] } });
        assert_eq!(kodi.ask("Player.Open", &first).await, json!("OK"), "{}", kodi.log());
        house.watched_by("Kodi").await;
        let has_video = json!({ "booleans": ["Player.HasVideo", "Player.Playing"] });
        let plays = |answer: &Value| answer["Player.HasVideo"] == true && answer["Player.Playing"] == true;
        kodi.until("XBMC.GetInfoBooleans", &has_video, plays).await;
    }
}
