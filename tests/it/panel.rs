//! What players of Xtream Codes ask of us, with the types that they need.

use forebay_testkit::client::{Request, Viewer};
use forebay_testkit::ts::PACKET_SIZE;
use serde_json::{Value, json};

use crate::relay::Relay;
use crate::tokens::ask;

const CHANNELS: &str = "[auth]\nstreams = 'user'\nadult_groups = ['XXX']\n\
    [[channels]]\nid = 'one'\nname = 'The \"One\"'\nnumber = 5\ngroup = 'News'\ntvg_id = 'one.tv'\n\
    logo = 'http://h/1.png'\nsources = ['testcard://']\n\
    [[channels]]\nid = 'two'\nsources = ['testcard://']\n\
    [[channels]]\nid = 'late'\ngroup = 'XXX'\nsources = ['testcard://']\n";

async fn start() -> Relay {
    let relay = Relay::start(CHANNELS);
    for user in [
        json!({ "name": "ann", "password": "correct horse", "max_streams": 2 }),
        json!({ "name": "ben", "password": "correct horse", "groups": ["News"] }),
    ] {
        let request = Request::new("POST", relay.address(), "/api/users").json(&user);
        let answer = request.send().await.expect("the relay answers");
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    relay
}

async fn api(relay: &Relay, name: &str, more: &str) -> Value {
    let path = format!("/player_api.php?username={name}&password=correct%20horse{more}");
    let answer = ask(relay, "GET", &path, None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_as_panels_answer_it() {
    let relay = start().await;
    for action in ["", "&action=get_profile", "&action=get_server_info"] {
        let document = api(&relay, "ann", action).await;
        let (user, server) = (&document["user_info"], &document["server_info"]);
        assert_eq!(user["auth"], json!(1));
        for (key, value) in [
            ("username", "ann"),
            ("status", "Active"),
            ("exp_date", "4102444800"),
            ("is_trial", "0"),
            ("active_cons", "0"),
            ("max_connections", "2"),
        ] {
            assert_eq!(user[key], json!(value), "{key}");
        }
        assert!(user["created_at"].as_str().is_some_and(|text| text.parse::<u32>().is_ok()));
        let (host, port) = (relay.address().ip().to_string(), relay.address().port().to_string());
        for (key, value) in [
            ("url", &*host),
            ("port", &*port),
            ("https_port", "443"),
            ("server_protocol", "http"),
            ("timezone", "UTC"),
        ] {
            assert_eq!(server[key], json!(value), "{key}");
        }
        assert!(server["timestamp_now"].is_u64() && server["process"].is_boolean());
    }
    let wrong = ask(&relay, "GET", "/player_api.php?username=ann&password=x", None).await;
    assert_eq!((wrong.status, wrong.json()), (200, json!({ "user_info": { "auth": 0 } })));
    for path in ["/get.php", "/xmltv.php"] {
        let wrong = ask(&relay, "GET", &format!("{path}?username=ann&password=x"), None).await;
        assert_eq!(wrong.status, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_may_not_watch_is_on_no_surface_and_the_rest_plays() {
    let relay = start().await;
    let categories = api(&relay, "ann", "&action=get_live_categories").await;
    let news = categories[0]["category_id"].as_str().expect("a text").to_owned();
    let expected = json!([
        { "category_id": news, "category_name": "News", "parent_id": 0 },
        { "category_id": categories[1]["category_id"], "category_name": "Other", "parent_id": 0 },
    ]);
    assert_eq!(categories, expected);
    let streams = api(&relay, "ann", "&action=get_live_streams").await;
    let id = streams[0]["stream_id"].as_u64().filter(|&id| id < 1 << 31).expect("a number");
    let guide_id = format!("c{id:08}.forebay");
    // At our address, which opens by itself and shows nothing of where the logo is.
    let icon = streams[0]["stream_icon"].as_str().expect("a text").to_owned();
    let (prefix, path) = (format!("http://{}/t/", relay.address()), "/logo/one/");
    assert!(icon.starts_with(&prefix) && icon.contains(path) && !icon.contains("h/1.png"), "{icon}");
    let expected = json!({
        "num": 5, "name": "The \"One\"", "stream_type": "live", "stream_id": id,
        "stream_icon": icon, "epg_channel_id": guide_id, "added": "0", "is_adult": "0",
        "category_id": news, "category_ids": [news.parse::<u32>().expect("a number")],
        "custom_sid": "", "tv_archive": 0, "direct_source": "", "tv_archive_duration": 0,
    });
    assert_eq!(streams[0], expected);
    assert_eq!(streams.as_array().map(Vec::len), Some(2), "no channel for adults: {streams}");
    assert_eq!(
        api(&relay, "ann", &format!("&action=get_live_streams&category_id={news}")).await,
        json!([expected])
    );
    assert_eq!(api(&relay, "ann", "&action=get_live_streams&category_id=1").await, json!([]));
    let of_ben = api(&relay, "ben", "&action=get_live_streams").await;
    let icon = of_ben[0]["stream_icon"].as_str().expect("a text").to_owned();
    let file = |icon: &Value| icon.as_str().and_then(|icon| Some(icon.split_once("/logo/")?.1.to_owned()));
    assert_eq!(file(&of_ben[0]["stream_icon"]), file(&expected["stream_icon"]), "ben's has ben's key");
    let mut expected = expected;
    expected["stream_icon"] = json!(icon);
    assert_eq!(of_ben, json!([expected]));
    for action in ["get_vod_categories", "get_vod_streams", "get_series", "get_series_categories"] {
        assert_eq!(api(&relay, "ann", &format!("&action={action}")).await, json!([]), "{action}");
    }

    let login = "username=ben&password=correct%20horse";
    let list = ask(&relay, "GET", &format!("/get.php?{login}&type=m3u_plus&output=ts"), None).await.text();
    let address = format!("http://{}/live/ben/correct%20horse/{id}.ts", relay.address());
    let entries: Vec<&str> = list.lines().filter(|line| line.starts_with("http")).collect();
    assert_eq!(entries, [&*address], "{list}");
    let line = format!(
        "#EXTINF:-1 tvg-id=\"{guide_id}\" tvg-name=\"The 'One'\" tvg-chno=\"5\" tvg-logo=\"{icon}\" \
         group-title=\"News\",The \"One\""
    );
    assert!(list.contains(&line) && list.starts_with("#EXTM3U url-tvg="), "{list}");
    let hls = ask(&relay, "GET", &format!("/get.php?{login}&type=m3u&output=m3u8"), None).await.text();
    assert!(hls.contains(&format!("/{id}.m3u8")) && !hls.contains("group-title"), "{hls}");
    let guide = ask(&relay, "GET", &format!("/xmltv.php?{login}"), None).await.text();
    assert_eq!(guide.matches("<channel id=").count(), 1, "{guide}");
    assert!(
        guide.contains(&format!(
            "<channel id=\"{guide_id}\"><display-name>The &quot;One&quot;</display-name>"
        )),
        "{guide}"
    );

    let path = address.strip_prefix(&format!("http://{}", relay.address())).expect("it is ours");
    let ours = path.strip_prefix("/live").expect("it is that of a panel").trim_end_matches(".ts");
    for path in [path, ours] {
        let mut viewer = Viewer::get(relay.address(), path).await;
        assert_eq!(viewer.status(), 200, "{path}");
        assert!(viewer.read_until(10 * PACKET_SIZE).await.len() >= 10 * PACKET_SIZE, "{path}");
        let active = api(&relay, "ben", "").await["user_info"]["active_cons"].clone();
        assert_eq!(active, json!("1"));
    }
    let other = streams[1]["stream_id"].as_u64().expect("a number");
    let refused = ask(&relay, "GET", &format!("/live/ben/correct%20horse/{other}.ts"), None).await;
    assert_eq!(refused.status, 403);
}
