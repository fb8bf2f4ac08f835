//! What the program writes into its log, and where.

use forebay_testkit::ts::build::{Muxer, h264};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn goes_to_a_file_too() {
    let config = format!("[log]\nfile = \"logs/forebay.log\"\n{TEST_CARD}");
    let mut program = Setup::new(&config).start().await;
    drop(watch(&program, "/stream/card").await);
    program.wait_log("viewer left").await;
    let file = program.folder().join("logs/forebay.log");
    program.signal(Signal::TERM);
    let (folder, finished) = program.wait_in_folder().await;
    // Two threads that log at the same moment may be written in one order here, and in another
    // there.
    let untimed = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| Some(line.split_once("Z ")?.1.to_owned()));
        let mut lines: Vec<String> = lines.collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(untimed(&std::fs::read_to_string(file).unwrap()), untimed(&finished.log), "line by line");
    assert_eq!(
        finished.log.lines().filter(|line| line.contains("viewer joined")).count(),
        1,
        "{}",
        finished.log
    );
    drop(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn may_be_json_for_machines() {
    let mut program = Setup::new(TEST_CARD).arg("--log-format").arg("json").start().await;
    drop(watch(&program, "/stream/card").await);
    program.wait_log("viewer left").await;
    program.signal(Signal::TERM);
    let finished = program.wait().await;
    let lines: Vec<Value> = finished.log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let is_text = |key: &str| line[key].is_string();
        assert!(
            is_text("timestamp") && is_text("level") && is_text("target") && is_text("message"),
            "{line}"
        );
    }
    let find = |message: &str| {
        lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{message}"))
    };
    let span = &find("viewer joined")["spans"][0];
    assert_eq!((&span["name"], &span["channel"]), (&"session".into(), &"card".into()), "{span}");
    let opening = find("opening source");
    assert_eq!(
        (&opening["spans"][0]["name"], &opening["spans"][0]["id"]),
        (&"channel".into(), &"card".into())
    );
    assert_eq!((&opening["url"], &opening["source"]), (&"testcard://".into(), &0.into()), "{opening}");
}

/// Whatever happens to it, no part of an address that could be a secret is written or answered.
#[tokio::test(flavor = "multi_thread")]
async fn and_answers_hold_no_secret() {
    const SECRETS: [&str; 6] = ["joe", "hunter2", "s3cret", "k3y", "c00kie", "am9lOmh1bnRlcjI"];
    let origin = Origin::start().await;
    let (_taken, refused) = refusing();
    let address = origin.address();
    let location = |path: &str| format!("http://joe:hunter2@{path}?token=s3cret");
    let away = |to: &str| Behaviour::redirect(to, Some("sid=c00kie"));
    origin
        .serve("/live.ts", clip().end_after(SECOND))
        .serve("/to-refused", away(&location(&format!("{refused}/x"))))
        .serve("/round", away("/round?token=s3cret"))
        .serve("/nowhere", away("ftp://joe:hunter2@h/?token=s3cret"))
        .serve("/invalid", away("http://joe:hunter2@[s3cret/"))
        .serve("/unknown", away("http://joe:hunter2@no-such-host.invalid/s3cret?token=s3cret"))
        .serve("/page", Behaviour::body("text/html", "<html>"))
        .serve("/forbidden", Behaviour::status(403, "text/plain", "no"));
    let paths =
        ["/live.ts", "/to-refused", "/round", "/nowhere", "/invalid", "/unknown", "/page", "/forbidden"];
    let table = |path: &str| {
        let url = location(&format!("{address}{path}"));
        format!("{{ url = {url:?}, headers = {{ X-Key = \"k3y\", Cookie = \"a=c00kie\" }} }}")
    };
    let sources: Vec<String> = paths[1..].iter().map(|path| table(path)).collect();
    let failing = format!("[[channels]]\nid = \"failing\"\nsources = [{}]\n", sources.join(", "));
    let flapping =
        format!("[[channels]]\nid = \"flapping\"\nsources = [{}, {}]\n", table("/live.ts"), table("/page"));
    let config =
        format!("[log]\nfile = \"forebay.log\"\n[stream]\nstart_timeout = \"2s\"\n{failing}{flapping}");
    let mut program = Setup::new(&config).arg("--log").arg("trace").start().await;
    let mut viewer = Viewer::get(program.address(), "/stream/flapping").await;
    let failed = client::get(program.address(), "/stream/failing").await;
    assert_eq!(failed.status, 503);
    assert!(!viewer.read_for(2 * SECOND).await.is_empty());
    // A configuration that is wrong is quoted with care.
    program.set_config(
        "[[channels]]\nid = \"a\"\nsources = [\"rtmp://joe:hunter2@h/?token=s3cret\", joe:hunter2@s3cret]\n",
    );
    program.signal(Signal::HUP);
    program.wait_log("not reloaded").await;
    let mut told = vec![failed.text()];
    for path in ["/api/streams/status", "/api/streams/flapping/status", "/playlist.m3u", "/health"] {
        told.push(client::get(program.address(), path).await.text());
    }
    program.signal(Signal::TERM);
    let (folder, finished) = program.wait_in_folder().await;
    told.push(std::fs::read_to_string(folder.path().join("forebay.log")).unwrap());
    told.extend([finished.output, finished.log]);
    let body = failed.json();
    let sources = body["error"]["sources"].as_array().unwrap().iter();
    let reasons: Vec<_> = sources.filter_map(|source| source["reason"].as_str()).collect();
    let expected = [
        "refused",
        "redirect",
        "redirect",
        "http_status",
        "unreachable",
        "not_transport_stream",
        "http_status",
    ];
    assert_eq!(reasons, expected, "{body:#}");
    for text in told {
        for secret in SECRETS {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is told");
        }
    }
}

/// What viewers of long groups of pictures meet is said once, and of ordinary ones nothing.
#[tokio::test(flavor = "multi_thread")]
async fn tells_of_groups_that_do_not_fit_and_of_pictures_without_a_key() {
    const TOO_LONG: &str = "a group of pictures takes more than `buffer_bytes`";
    const WITHOUT_KEY: &str = "no key picture comes";
    let origin = Origin::start().await;
    // Groups of 10 s are 1.4 MB.
    origin.serve("/long.ts", Behaviour::ts(Clip::get(Kind::Gop10)));
    origin.serve("/without.ts", Behaviour::body("video/mp2t", without_key(60 * SECOND)).chunked());
    origin.serve("/usual.ts", clip());
    let channels = ["long", "without", "usual"]
        .map(|id| channel(id, &[origin.url(&format!("/{id}.ts"))], "buffer_bytes = \"1 MiB\""));
    let mut program = Setup::new(&channels.concat()).start().await;
    let viewers = ["long", "without", "usual"].map(|id| {
        let (address, path) = (program.address(), format!("/stream/{id}"));
        tokio::spawn(async move { Viewer::get(address, &path).await.read_for(600 * SECOND).await })
    });
    for (message, id) in [(TOO_LONG, "long"), (WITHOUT_KEY, "without")] {
        program.wait_log_line(&[message, &format!("channel{{id={id}}}")]).await;
    }
    // Another group.
    assert!(!watch(&program, "/stream/usual").await.read_for(12 * SECOND).await.is_empty());
    viewers.iter().for_each(tokio::task::JoinHandle::abort);
    let log = program.log();
    for message in [TOO_LONG, WITHOUT_KEY] {
        assert_eq!(log.matches(message).count(), 1, "{log}");
    }
}

/// So much of pictures that refer to others, and none that does not.
fn without_key(span: Duration) -> Vec<u8> {
    let mut muxer = Muxer::new(0x1000, 0x100).stream(0x100, 0x1b).program(1);
    let pictures = span.as_secs() * 25;
    let picture = |at: u64| {
        let time = 900_000 + at * 3600;
        let tables = [muxer.pat(), muxer.pmt()].concat();
        let size = 300 + usize::try_from(at % 151).expect("it is small");
        let picture = muxer.pes(0x100, time, None, &h264::predicted(size), Some((time - 9000) * 300));
        [tables, picture].concat()
    };
    (0..pictures).flat_map(picture).collect()
}
