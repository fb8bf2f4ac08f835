//! However large, wrong or strange a configuration is that an operator puts in the place of
//! another: nobody notices.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::time::Duration;

use forebay_testkit::client::{self, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::PACKET_SIZE;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::program::{Program, Setup};
use crate::relay::channel;

const SECOND: Duration = Duration::from_secs(1);

const TEST_CARD: &str = "[[channels]]\nid = \"card\"\nsources = [\"testcard://\"]\n";

/// Enough channels that a reload takes a second or two in a build for tests.
const MANY: usize = 30_000;

fn many(source: &str) -> String {
    let mut text = TEST_CARD.to_owned();
    for at in 0..MANY {
        write!(text, "[[channels]]\nid = \"c{at}\"\nsources = [\"{source}\"]\n").expect("it is text");
    }
    text
}

/// The longest that `/health` took until this line was in the log.
async fn worst_health(program: &mut Program, line: &str) -> Duration {
    let address = program.address();
    let mut worst = Duration::ZERO;
    let ask = async {
        loop {
            let asked = Instant::now();
            timeout(20 * SECOND, client::get_json(address, "/health")).await.expect("it answers");
            worst = worst.max(asked.elapsed());
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = ask => {}
        () = program.wait_log(line) => {}
    }
    worst
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_channels_or_many_faults_keeps_nobody_waiting() {
    let mut program = Setup::new(TEST_CARD).start().await;
    let mut viewer = Viewer::get(program.address(), "/stream/card").await;
    for (config, line) in [
        (many("testcard://"), "configuration reloaded"),
        (many("nothing"), "and 29900 more faults"),
        (TEST_CARD.to_owned(), "removed=30000"),
    ] {
        program.set_config(&config);
        program.signal(Signal::HUP);
        let worst = worst_health(&mut program, line).await;
        println!("{line}: the worst /health took {worst:?}");
        assert!(worst < SECOND / 2, "{line}: /health took {worst:?}");
    }
    assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());
    assert_eq!(viewer.ended(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_no_file_stops_neither_requests_nor_the_end() {
    for (is_folder, why) in [(false, "it is no file"), (true, "Is a directory")] {
        let mut program = Setup::new(TEST_CARD).start().await;
        let path = program.folder().join("channels.toml");
        fs::remove_file(&path).expect("it is ours");
        if is_folder {
            fs::create_dir(&path).expect("it is our folder");
        } else {
            mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("it is our folder");
        }
        program.signal(Signal::HUP);
        program.wait_log_line(&[&format!("channels.toml: cannot be read: {why}")]).await;
        timeout(SECOND, client::get_json(program.address(), "/health")).await.expect("it answers");
        program.signal(Signal::TERM);
        assert!(program.wait().await.status.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_removes_the_source_on_air_is_told_in_words_that_an_operator_knows() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let second = Behaviour::ts(Clip::get(Kind::H264AacB)).start_at(Duration::from_millis(7300));
    origin.serve("/b.ts", second);
    let [a, b] = ["/a.ts", "/b.ts"].map(|path| origin.url(path));
    let mut program = Setup::new(&channel("one", &[b.clone(), a.clone()], "")).start().await;
    let mut viewer = Viewer::get(program.address(), "/stream/one").await;
    assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());
    program.set_config(&channel("one", &[a], ""));
    program.signal(Signal::HUP);
    program.wait_log_line(&["closing upstream", "source=0", "/b.ts", "Removed"]).await;
    program.wait_log_line(&["source is active", "source=0"]).await;
    viewer.read_for(SECOND).await;
    assert_eq!(viewer.ended(), None);
    let (_, status) = client::get_json(program.address(), "/api/streams/one/status").await;
    let switch = &status["failovers"]["last"][0];
    let told = [&switch["from"], &switch["to"], &switch["reason"], &status["source_index"]];
    assert_eq!(told, [&Value::Null, &json!(0), &json!("removed"), &json!(0)], "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_until_the_file_is_written_to_its_end() {
    let mut program = Setup::new(TEST_CARD).start().await;
    let path = program.folder().join("channels.toml");
    // Each state of it is a good file. Each look of three seconds would meet one of them.
    for at in 0..30 {
        let mut file = fs::OpenOptions::new().append(true).open(&path).expect("it is there");
        write!(file, "[[channels]]\nid = \"c{at}\"\nsources = [\"testcard://\"]\n").expect("it is ours");
        sleep(Duration::from_millis(100)).await;
    }
    let line = program.wait_log_line(&["configuration reloaded"]).await;
    assert!(line.contains("added=30"), "{line}");
}
