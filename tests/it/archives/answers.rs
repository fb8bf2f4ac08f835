//! What is sent of an archive, and what is not.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn ranges_lengths_and_tags_are_those_of_the_provider() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", file());
    let relay = Relay::start(HOUSE);
    add(relay.address(), "Mine", &entry("One", "catchup=\"shift\" catchup-days=\"1\"", &origin.url("/a.ts")))
        .await;
    let path = format!("/stream/one-1.ts?utc={}&duration=60", now() - HOUR);
    let clip = Clip::get(Kind::H264Aac);
    let bytes = clip.bytes();
    let get = async |headers: &[(&str, &str)]| {
        let request = Request::get(relay.address(), &path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.expect("the relay answers")
    };
    let whole = get(&[]).await;
    assert_eq!((whole.status, &whole.body[..]), (200, bytes));
    let length = bytes.len().to_string();
    for (name, value) in [
        ("Content-Length", Some(&*length)),
        ("Accept-Ranges", Some("bytes")),
        ("ETag", Some("\"v1\"")),
        ("Content-Type", Some("video/mp2t")),
        ("Set-Cookie", None),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }
    let middle = bytes.len() / 2;
    let range = format!("bytes={middle}-{}", middle + 99);
    let part = get(&[("Range", &range), ("If-Range", "\"v1\"")]).await;
    assert_eq!((part.status, &part.body[..]), (206, &bytes[middle..middle + 100]));
    let expected = format!("bytes {middle}-{}/{length}", middle + 99);
    assert_eq!(part.header("Content-Range"), Some(&*expected));
    assert_eq!(part.header("Content-Length"), Some("100"));
    assert_eq!(get(&[("Range", "bytes=0-")]).await.body, bytes);
    // The player has a part of another file.
    let stale = get(&[("Range", &range), ("If-Range", "\"v0\"")]).await;
    assert_eq!((stale.status, stale.body.len()), (200, bytes.len()));
    let beyond = get(&[("Range", &format!("bytes={length}-"))]).await;
    assert_eq!((beyond.status, beyond.body.len()), (416, 0));
    assert_eq!(beyond.header("Content-Range"), Some(&*format!("bytes */{length}")));
    // Several ranges would come as a document of parts.
    assert_eq!(get(&[("Range", "bytes=0-1,5-9")]).await.body, bytes);
}

/// A file that is no film, with ranges.
fn notes() -> Behaviour {
    let text = "The password of the database is zyx. ".repeat(20_000);
    Behaviour::handler(move |request| {
        let mut reply = answer_file(request, text.as_bytes());
        reply.content_type = "text/plain".into();
        reply
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_of_what_is_no_film_is_passed_on() {
    let origin = Origin::start().await;
    origin.serve("/notes.txt", notes());
    origin.serve("/a.ts", file());
    let relay = Relay::start(HOUSE);
    let attributes = "catchup=\"shift\" catchup-days=\"1\"";
    let list = ["/notes.txt", "/a.ts"].map(|path| entry("One", attributes, &origin.url(path)));
    add(relay.address(), "Mine", &list.concat()).await;
    let get = async |channel: &str, range: &str| {
        let path = format!("/stream/{channel}.ts?utc={}&duration=60", now() - HOUR);
        let request = Request::get(relay.address(), &path).header("Range", range);
        request.send().await.expect("the relay answers")
    };
    let clip = Clip::get(Kind::H264Aac);
    let bytes = clip.bytes();
    for (range, part) in [
        ("bytes=1-", &bytes[1..]),
        ("bytes=0-1", &bytes[..2]),
        ("bytes=700-799", &bytes[700..800]),
        ("bytes=300000-", &bytes[300_000..]),
    ] {
        let refused = get("one-1", range).await;
        assert_eq!((refused.status, &*code(&refused)), (502, "archive_failed"), "{range}");
        assert!(!refused.text().contains("zyx"), "{range}");
        let sent = get("one-2", range).await;
        assert_eq!(sent.status, 206, "{range}: {}", sent.text());
        assert!(sent.body == part, "{range}: {} bytes", sent.body.len());
    }
    assert_eq!(get("one-1", "bytes=0-").await.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_is_told_of_and_the_next_one_is_asked() {
    let (first, second) = (Origin::start().await, Origin::start().await);
    let relay = Relay::start(HOUSE);
    let of = |origin: &Origin| {
        entry("One", "tvg-id=\"one.uk\" catchup=\"shift\" catchup-days=\"2\"", &origin.url("/a.ts"))
    };
    add(relay.address(), "First", &of(&first)).await;
    let path = format!("/stream/one-1.ts?utc={}&duration=3600", now() - HOUR);
    for (behaviour, reason) in [
        (Behaviour::status(404, "text/html", "gone"), "http_status"),
        (Behaviour::status(403, "text/html", "no"), "http_status"),
        (Behaviour::body("text/html", "<html>No archive for joe:secret</html>"), "not_transport_stream"),
        (Behaviour::body("video/mp2t", ""), "not_transport_stream"),
        (Behaviour::body("audio/x-mpegurl", "#EXTM3U\n#EXT-X-ENDLIST\n"), "ended"),
        (Behaviour::redirect("file:///etc/passwd", None), "redirect"),
        (Behaviour::refuse(), "broken"),
    ] {
        first.serve("/a.ts", behaviour);
        let answer = ask(&relay, "GET", &path, None).await;
        assert_eq!((answer.status, &*code(&answer)), (502, "archive_failed"), "{reason}: {}", answer.text());
        let text = answer.text();
        assert!(text.contains(reason), "{reason}: {text}");
        for secret in ["127.0.0.1", "secret", "a.ts"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    // Who was sent nothing is not there.
    let gone = async {
        while !viewers(&relay).await.is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(5 * SECOND, gone).await.expect("nobody watches");

    // The same channel of another provider, and the archive with it.
    second.serve("/a.ts", file());
    add(relay.address(), "Second", &of(&second)).await;
    let answer = ask(&relay, "GET", &path, None).await;
    assert_eq!((answer.status, answer.body.len()), (200, Clip::get(Kind::H264Aac).bytes().len()));
    assert_eq!(second.opened("/a.ts"), 1);
    let metrics = ask(&relay, "GET", "/metrics", None).await.text();
    for (result, count) in [("sent", 1), ("failed", 7), ("refused", 0)] {
        let line = format!("forebay_provider_archives_total{{result=\"{result}\"}} {count}");
        assert!(metrics.contains(&line), "{line}");
    }
    // A player that seeks wants more of the same file: the source that has it is asked first, and
    // no other one.
    first.serve("/a.ts", file());
    let seek = async || {
        let request = Request::get(relay.address(), &path).header("Range", "bytes=300000-");
        request.send().await.expect("the relay answers")
    };
    let asked = first.requests().len();
    assert_eq!((seek().await.status, second.opened("/a.ts")), (206, 2));
    second.serve("/a.ts", Behaviour::status(404, "text/html", "gone"));
    assert_eq!((seek().await.status, first.requests().len()), (502, asked));
    // A source that an operator has disabled is not asked.
    let order = |action: &str| json!({ "action": action, "source": 0 });
    let path_of_order = "/api/streams/one-1/source";
    assert_eq!(ask(&relay, "POST", path_of_order, Some(order("disable"))).await.status, 200);
    assert_eq!((ask(&relay, "GET", &path, None).await.status, first.requests().len()), (502, asked));
    assert_eq!(ask(&relay, "POST", path_of_order, Some(order("enable"))).await.status, 200);
    assert_eq!(ask(&relay, "GET", &path, None).await.status, 200);
    assert_eq!(first.requests().len(), asked + 1);
    // One that breaks off breaks off for the viewer, too, who then asks for the rest.
    first.serve("/a.ts", clip().burst(SECOND).cut_after(Duration::from_millis(200)));
    let mut viewer = Viewer::get(relay.address(), &path).await;
    assert_eq!(viewer.status(), 200);
    let bytes = viewer.read_to_end().await;
    assert_ne!(viewer.ended(), Some(&Ended::Cleanly));
    assert!(bytes.len() >= PACKET_SIZE && bytes.len() < Clip::get(Kind::H264Aac).bytes().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_by_hls_is_one_stream_and_one_by_ts_a_playlist_of_minutes() {
    let origin = Origin::start().await;
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:10,\na.ts\n\
                    #EXT-X-DISCONTINUITY\n#EXTINF:10,\nb.ts\n#EXT-X-ENDLIST\n";
    origin.serve("/list.m3u8", Behaviour::body("application/vnd.apple.mpegurl", playlist));
    for (name, kind) in [("/a.ts", Kind::H264Aac), ("/b.ts", Kind::H264AacB)] {
        origin.serve(name, Behaviour::body("video/mp2t", Clip::get(kind).bytes()));
    }
    origin.serve("/file.ts", file());
    let attributes = "catchup=\"append\" catchup-days=\"2\" catchup-source=\"?utc={utc}&end={utcend}\"";
    let relay = Relay::start(HOUSE);
    let list = [
        entry("Hls", attributes, &origin.url("/list.m3u8")),
        entry("Ts", attributes, &origin.url("/file.ts")),
        entry("Shift", "catchup=\"shift\"", &origin.url("/file.ts")),
    ];
    add(relay.address(), "Mine", &list.concat()).await;
    let start = minute_before(HOUR);

    // A player of MPEG-TS is sent the media of the playlist, to its end.
    let whole = ask(&relay, "GET", &format!("/stream/hls-1.ts?utc={start}&duration=60"), None).await;
    assert_eq!((whole.status, whole.header("Content-Length")), (200, None), "{}", whole.text());
    let media: usize = [Kind::H264Aac, Kind::H264AacB].map(|kind| Clip::get(kind).bytes().len()).iter().sum();
    assert!(whole.body.len() > media * 9 / 10, "{} of {media}", whole.body.len());

    // A player of playlists is given a segment for each minute, and gets each from the archive.
    for (channel, place) in [
        ("hls-1", "stream/hls-1/index.m3u8"),
        ("ts-2", "stream/ts-2/hls"),
        ("ts-2", "api/proxy/channel/ts-2/hls"),
    ] {
        let asked = origin.requests().len();
        let answer = ask(&relay, "GET", &format!("/{place}?utc={start}&duration=180"), None).await;
        let text = answer.text();
        assert_eq!(answer.status, 200, "{text}");
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
        assert_eq!(origin.requests().len(), asked, "nobody is asked for a playlist");
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let minutes: Vec<String> = (0..3).map(|at| format!("hls/utc-{}.ts", start + at * 60)).collect();
        assert_eq!(lines, minutes);
        let folder = place.rsplit_once('/').expect("it has one").0;
        let path = format!("/{folder}/{}", lines[1]);
        let part = ask(&relay, "GET", &path, None).await;
        assert_eq!(part.status, 200, "{channel}: {}", part.text());
        assert!(part.body.len() > PACKET_SIZE);
        let (from, until) = (start + 60, start + 120);
        let is_asked = |request: &Asked| request.path.ends_with(&format!("?utc={from}&end={until}"));
        assert!(origin.requests()[asked..].iter().any(is_asked), "{channel}");
        assert_eq!(ask(&relay, "HEAD", &path, None).await.status, 200);
    }
    // Where it cannot be said when a minute ends, there are no minutes; the stream can be had.
    let path = format!("utc={start}&duration=180");
    for (method, query) in [("GET", &path), ("HEAD", &path)] {
        let refused = ask(&relay, method, &format!("/stream/shift-3/index.m3u8?{query}"), None).await;
        assert_eq!(refused.status, 409, "{method}");
    }
    let refused = ask(&relay, "GET", &format!("/stream/shift-3/index.m3u8?{path}"), None).await;
    assert_eq!(code(&refused), "not_in_parts");
    assert_eq!(ask(&relay, "GET", &format!("/stream/shift-3.ts?{path}"), None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_channel_has_kept_itself_costs_no_connection() {
    let origin = Origin::start().await;
    origin.serve("/live.ts", clip().burst(100 * SECOND));
    origin.serve("/past.ts", file());
    let source = origin.url("/past.ts?utc={utc}");
    let attributes = format!("catchup=\"default\" catchup-source=\"{source}\" catchup-days=\"2\"");
    let relay = Relay::start(&format!("{HOUSE}[stream]\ntimeshift = '1h'\nread_ahead = '1h'\n"));
    add(relay.address(), "Mine", &entry("One", &attributes, &origin.url("/live.ts"))).await;
    let line = listed(&relay, "One").await;
    assert!(line.contains("catchup-days=\"2\""), "the longer of both: {line}");
    let _viewer = Viewer::get(relay.address(), "/stream/one-1").await;
    let has_kept = |status: &Value| status["timeshift"]["seconds"].as_f64().is_some_and(|it| it >= 90.0);
    relay.wait_status("one-1", 20 * SECOND, has_kept).await;
    let playlist = client::get(relay.address(), "/stream/one-1/index.m3u8?dvr=1h").await.text();
    let date = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:"));
    let kept: Timestamp = date.expect("it is dated").parse().expect("a date");
    let at = kept.as_second() + 20;
    let here = ask(&relay, "GET", &format!("/stream/one-1.ts?utc={at}&duration=10"), None).await;
    assert_eq!((here.status, origin.opened("/past.ts")), (200, 0));
    // The beginning is kept by the provider alone.
    let there = ask(&relay, "GET", &format!("/stream/one-1.ts?utc={}&duration=600", at - 300), None).await;
    assert_eq!((there.status, there.header("ETag")), (200, Some("\"v1\"")));
    assert_eq!(origin.opened("/past.ts"), 1);
    // The provider's archive has no parts: a player of playlists gets what is here.
    let parts = format!("/stream/one-1/index.m3u8?utc={}&duration=600", at - 300);
    let kept = ask(&relay, "GET", &parts, None).await;
    assert_eq!(kept.status, 200, "{}", kept.text());
    assert!(kept.text().contains("?catchup"), "{}", kept.text());
    assert_eq!(ask(&relay, "HEAD", &parts, None).await.status, 200);
    assert_eq!(origin.opened("/past.ts"), 1);
    // If the provider has nothing, a part is better than nothing.
    origin.remove("/past.ts");
    let part = ask(&relay, "GET", &format!("/stream/one-1.ts?utc={}&duration=600", at - 300), None).await;
    assert_eq!(part.status, 200, "{}", part.text());
    Checker::check(&part.body).assert_clean();
    // But not for whoever has the beginning of the provider's file.
    let path = format!("/stream/one-1.ts?utc={}&duration=600", at - 300);
    let rest = Request::get(relay.address(), &path).header("Range", "bytes=5000-").send().await;
    assert_eq!(rest.expect("the relay answers").status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_an_archive_is_in_the_log_or_an_answer() {
    let origin = Origin::start().await;
    let host = origin.address();
    origin.serve("/*", file());
    origin.serve(&format!("/timeshift/joe/{PASSWORD}/61/*"), Behaviour::status(403, "text/plain", "no"));
    let template = format!("http://joe:{PASSWORD}@{host}/a.ts?token={TOKEN}&utc={{utc}}");
    let program = Setup::new(HOUSE).env("FOREBAY_LOG", "trace").start().await;
    let address = program.address();
    let secret = program.admin_token();
    let as_admin = |method, path: &str| Request::new(method, address, path).header("Authorization", &secret);
    let made = as_admin("POST", "/api/playlists").json(&json!({ "name": "Mine" })).send().await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let list = [
        entry("Good", &format!("catchup=\"default\" catchup-source=\"{template}\""), &origin.url("/live.ts")),
        entry("Bad", "catchup=\"xc\"", &origin.url(&format!("/live/joe/{PASSWORD}/1.ts"))),
        entry("Dead", "catchup=\"shift\"", &format!("http://joe:{PASSWORD}@127.0.0.1:9/{TOKEN}.ts")),
    ];
    let sent = as_admin("PUT", "/api/playlists/1/list")
        .body("audio/x-mpegurl", format!("#EXTM3U\n{}", list.concat()));
    assert_eq!(sent.send().await.unwrap().status, 200);
    let mut answers = String::new();
    let at = now() - HOUR;
    for (channel, status) in [("good-1", 200), ("bad-2", 502), ("dead-3", 502)] {
        let path = format!("/stream/{channel}.ts?utc={at}&duration=3600");
        let answer = as_admin("GET", &path).send().await.unwrap();
        assert_eq!(answer.status, status, "{channel}");
        answers.extend(answer.headers.iter().flat_map(|(name, value)| [name, "=", value, "\n"]));
        if status != 200 {
            answers += &answer.text();
        }
    }
    for path in ["/playlist.m3u", "/metrics", "/api/streams/status", "/api/viewers", "/api/audit"] {
        answers += &as_admin("GET", path).send().await.unwrap().text();
    }
    let asked = origin.requests();
    assert!(asked.iter().any(|request| request.path.contains(TOKEN)), "it was asked with the token");
    let log = program.log();
    assert!(log.contains("archive failed") && log.contains("archive of the provider opened"), "{log}");
    for secret in [PASSWORD, TOKEN] {
        for (place, text) in [("the log", &log), ("an answer", &answers)] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is in {place}");
        }
    }
}
