//! Which channels offer an archive, and where their providers are asked for it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn rule_18_a_panel_is_asked_by_its_own_clock_for_what_it_offers() {
    let account = Account::new(1);
    let origin = panel(&account).await;
    origin.serve("/timeshift/*", file().account(&account));
    let guide = |id: &str, ago: i64| {
        let at = |at: i64| {
            Timestamp::from_second(at).expect("it is near").strftime("%Y%m%d%H%M%S +0000").to_string()
        };
        let (start, stop) = (at(now() - ago), at(now() - ago + HOUR));
        format!("<programme start=\"{start}\" stop=\"{stop}\" channel=\"{id}\"><title>T</title></programme>")
    };
    let programmes: String =
        ["one.uk", "two.uk"].iter().flat_map(|id| [2 * DAY, -DAY].map(|ago| guide(id, ago))).collect();
    origin.serve("/guide.xml", Behaviour::body("application/xml", format!("<tv>{programmes}</tv>")));
    let guides = format!("[[guides]]\nid = 'g'\nurl = {:?}\n", origin.url("/guide.xml"));
    let relay = Relay::start(&format!("{HOUSE}{guides}"));
    add_account(&relay, &origin).await;
    let ann = json!({ "name": "ann", "password": "correct horse" });
    assert_eq!(ask(&relay, "POST", "/api/users", Some(ann)).await.status, 201);

    // Offered where there is an archive, and nowhere else.
    let (one, two) = (listed(&relay, "One").await, listed(&relay, "Two").await);
    assert!(
        one.contains(
            " catchup=\"append\" catchup-type=\"append\" catchup-days=\"60\" \
             catchup-source=\"?utc={utc}&duration={duration}\""
        ),
        "{one}"
    );
    assert!(!two.contains("catchup"), "{two}");
    let of_one = ask(&relay, "GET", "/stream/one-1/channel.m3u", None).await.text();
    assert!(of_one.contains("catchup-days=\"60\""), "{of_one}");
    let login = "username=ann&password=correct%20horse";
    let api = async |more: &str| {
        ask(&relay, "GET", &format!("/player_api.php?{login}&action={more}"), None).await.json()
    };
    let streams = api("get_live_streams").await;
    let told =
        |at: usize| [&streams[at]["tv_archive"], &streams[at]["tv_archive_duration"]].map(Clone::clone);
    assert_eq!((told(0), told(1)), ([json!(1), json!(60)], [json!(0), json!(0)]), "{streams}");
    epg::until(&relay, |guides| guides[0]["matched"] == 2).await;
    let ids = [0, 1].map(|at| streams[at]["stream_id"].clone());
    for (id, expected) in ids.iter().zip([[1, 0], [0, 0]]) {
        let table = api(&format!("get_simple_data_table&stream_id={id}")).await;
        let flags = [0, 1].map(|at| table["epg_listings"][at]["has_archive"].clone());
        assert_eq!(flags, expected.map(Value::from), "{table}");
    }

    // START is what the clock in Toronto showed, whoever asks and however.
    let zone = TimeZone::get("America/Toronto").expect("it is known");
    for at in moments(&zone) {
        let shown = |zone: &TimeZone| {
            let at = Timestamp::from_second(at).expect("it is near");
            zone.to_datetime(at).strftime("%Y-%m-%d:%H-%M").to_string()
        };
        let in_utc = shown(&TimeZone::UTC);
        for path in [
            format!("/stream/one-1.ts?utc={at}&duration=3600"),
            format!("/timeshift/ann/correct%20horse/60/{in_utc}/{}.ts", ids[0]),
            format!("/streaming/timeshift.php?{login}&stream={}&start={in_utc}&duration=60", ids[0]),
        ] {
            let answer = ask(&relay, "GET", &path, None).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert_eq!(answer.body, Clip::get(Kind::H264Aac).bytes(), "{path}");
            let asked = origin.requests().last().expect("it was asked").path.clone();
            assert_eq!(asked, format!("/timeshift/joe/secret/60/{}/1.ts", shown(&zone)), "{path}");
        }
    }
    assert_eq!((account.most(), account.violations()), (1, 0));

    // Of what has not been, is too long ago, or is of a channel without an archive nobody is asked.
    let asked = origin.requests().len();
    for (channel, at) in [("one-1", now() + HOUR), ("one-1", now() - 62 * DAY), ("two-2", now() - HOUR)] {
        for method in ["GET", "HEAD"] {
            let answer =
                ask(&relay, method, &format!("/stream/{channel}.ts?utc={at}&duration=60"), None).await;
            assert_eq!(answer.status, 404, "{method} {channel} {at}");
        }
    }
    let head = ask(&relay, "HEAD", &format!("/stream/one-1.ts?utc={}", now() - HOUR), None).await;
    assert_eq!((head.status, head.header("Content-Type")), (200, Some("video/mp2t")));
    assert_eq!(origin.requests().len(), asked, "HEAD opens nothing either");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_lists_leads_to_the_address_that_its_players_ask_for() {
    let origin = Origin::start().await;
    let host = origin.url("");
    origin.serve("/*", file());
    for folder in ["/c", "/live/u/p", "/timeshift/u/p/61"] {
        origin.serve(&format!("{folder}/*"), file());
    }
    let at = minute_before(2 * HOUR) + 20;
    let (end, start) = (at + HOUR, Timestamp::from_second(at).expect("it is near"));
    let minute = start.strftime("%Y-%m-%d:%H-%M");
    let days = "catchup-days=\"3\"";
    let table = [
        (
            "append",
            "catchup-source=\"?from={utc}&for={duration}&to=${end}\"",
            "/1.ts",
            format!("/1.ts?from={at}&for=3600&to={end}"),
        ),
        ("shift", "", "/1.ts?a=b", format!("/1.ts?a=b&utc={at}&lutc=NOW")),
        ("flussonic", "", "/c/mpegts", format!("/c/timeshift_abs-{at}.ts")),
        ("xc", "", "/live/u/p/7.ts", format!("/timeshift/u/p/61/{minute}/7.ts")),
        (
            "default",
            &format!("catchup-source=\"{host}/a.ts?s={{Y}}{{m}}{{d}}&d={{duration:60}}\""),
            "/1.ts",
            format!("/a.ts?s={}&d=60", start.strftime("%Y%m%d")),
        ),
    ]
    .map(|(mode, more, live, expected)| (mode, more.to_owned(), live, expected));
    let mut list = String::new();
    for (mode, more, live, _) in &table {
        let player = "#EXTVLCOPT:http-user-agent=Player/1\n#EXTVLCOPT:http-referrer=http://r/\n";
        list += &entry(mode, &format!("catchup=\"{mode}\" {days} {more}"), &format!("{player}{host}{live}"));
    }
    let none =
        entry("none", "catchup=\"vod\" catchup-source=\"http://h/{catchup-id}\"", &origin.url("/2.ts"));
    let relay = Relay::start(HOUSE);
    add(relay.address(), "Mine", &(list + &none)).await;
    for (number, (mode, _, _, expected)) in table.iter().enumerate() {
        let line = listed(&relay, mode).await;
        assert!(line.contains("catchup=\"append\"") && line.contains(days), "{line}");
        let path = format!("/stream/{mode}-{}.ts?utc={at}&duration=3600", number + 1);
        let answer = ask(&relay, "GET", &path, None).await;
        assert_eq!(answer.status, 200, "{mode}: {}", answer.text());
        assert_eq!(answer.body, Clip::get(Kind::H264Aac).bytes(), "{mode}");
        let asked = origin.requests().last().expect("it was asked").clone();
        let (before, behind) = expected.split_once("NOW").unwrap_or((expected, ""));
        assert!(asked.path.starts_with(before) && asked.path.ends_with(behind), "{mode}: {}", asked.path);
        let sent = ["User-Agent", "Referer"].map(|name| asked.header(name));
        assert_eq!(sent, [Some("Player/1"), Some("http://r/")], "{mode}");
    }
    // Of a programme that is still on, what has been shown is asked for.
    let begun = now() - 600;
    ask(&relay, "GET", &format!("/stream/append-1.ts?utc={begun}&duration=3600"), None).await;
    let path = origin.requests().last().expect("it was asked").path.clone();
    let until: i64 = path.rsplit_once("to=").expect("it has an end").1.parse().expect("a number");
    assert!(until <= now(), "{path}");
    let line = listed(&relay, "none").await;
    assert!(!line.contains("catchup"), "{line}");
    assert_eq!(
        ask(&relay, "GET", &format!("/stream/none-6.ts?utc={at}&duration=60"), None).await.status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_second_provider_has_an_archive_and_the_channel_offers_it() {
    let (first, second) = (Origin::start().await, Origin::start().await);
    first.serve("/a.ts", clip());
    second.serve("/b.ts", file());
    let relay = Relay::start(HOUSE);
    add(relay.address(), "First", &entry("One", "tvg-id=\"one.uk\"", &first.url("/a.ts"))).await;
    assert!(!listed(&relay, "One").await.contains("catchup"));
    let with = entry("One", "tvg-id=\"one.uk\" catchup=\"shift\" catchup-days=\"2\"", &second.url("/b.ts"));
    let id = add(relay.address(), "Second", &with).await;
    let line = listed(&relay, "One").await;
    assert!(line.contains("catchup-days=\"2\""), "{line}");
    let path = format!("/stream/one-1.ts?utc={}&duration=3600", now() - HOUR);
    assert_eq!(ask(&relay, "GET", &path, None).await.status, 200);
    assert_eq!((first.opened("/a.ts"), second.opened("/b.ts")), (0, 1));

    assert_eq!(ask(&relay, "DELETE", &format!("/api/playlists/{id}"), None).await.status, 204);
    assert!(!listed(&relay, "One").await.contains("catchup"));
    let gone = ask(&relay, "GET", &path, None).await;
    assert_eq!((gone.status, &*code(&gone)), (404, "no_archive"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_a_list_of_the_api_names_leads_to_the_internet_only() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", file());
    let relay = Relay::start("");
    let template = origin.url("/a.ts?utc={utc}");
    let attributes = format!("catchup=\"default\" catchup-source=\"{template}\"");
    add(relay.address(), "Mine", &entry("One", &attributes, "http://203.0.113.7/1.ts")).await;
    let path = format!("/stream/one-1.ts?utc={}&duration=60", now() - HOUR);
    let answer = ask(&relay, "GET", &path, None).await;
    assert_eq!((answer.status, &*code(&answer)), (502, "archive_failed"));
    assert!(answer.text().contains("private_address"), "{}", answer.text());
    assert_eq!(origin.requests().len(), 0);
}
