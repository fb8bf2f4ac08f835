//! Whoever reads the log may stop reading, and whoever watches may try to fill it: neither stops
//! television.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::time::Duration;

use forebay_testkit::client::{self, Request, Viewer};
use forebay_testkit::ts::PACKET_SIZE;
use futures_util::future::join_all;
use rustix::process::Signal;
use tokio::time::{Instant, timeout};

use crate::program::{Program, Setup};

const SECOND: Duration = Duration::from_secs(1);

const TEST_CARD: &str = "[[channels]]\nid = \"card\"\nsources = [\"testcard://\"]\n";

/// A pipe that is full.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("there are pipes");
    rustix::io::ioctl_fionbio(&writer, true).expect("it is ours");
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).expect("it is ours");
    (reader, writer)
}

/// So many viewers come at the same time, and leave at once.
async fn visit(program: &Program, viewers: usize, agent: &str) {
    let visit = Request::get(program.address(), "/stream/card").header("User-Agent", agent);
    let one = async || {
        let mut viewer = visit.open().await.expect("it answers");
        assert_eq!(viewer.status(), 200);
        assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());
    };
    let all = join_all((0..viewers).map(|_| one()));
    timeout(5 * SECOND, all).await.expect("no viewer waits");
}

async fn lines_left_out(program: &Program, why: &str) -> u64 {
    let health = timeout(SECOND, client::get_json(program.address(), "/health")).await;
    health.expect("/health does not wait").1["log"][why].as_u64().expect("it is a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_nobody_reads_stops_neither_streams_nor_the_end() {
    let (mut reader, writer) = full_pipe();
    let program = Setup::new(TEST_CARD).arg("--log").arg("trace").stderr(writer).start().await;
    let mut victim = Viewer::get(program.address(), "/stream/card").await;
    for _ in 0..10 {
        visit(&program, 20, "test").await;
    }
    assert_eq!(lines_left_out(&program, "lost").await, 0, "that is not much");
    assert!(!victim.read_until(PACKET_SIZE).await.is_empty());
    let asked = Instant::now();
    program.signal(Signal::TERM);
    let finished = program.wait().await;
    println!("ended after {} ms", asked.elapsed().as_millis());
    assert!(finished.status.success(), "{finished:?}");
    assert!(asked.elapsed() < 5 * SECOND, "after {:?}", asked.elapsed());
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("it is text");
    assert_eq!(log.trim(), "", "the pipe was full all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_wait_for_a_reader_who_comes_back() {
    let (mut reader, writer) = full_pipe();
    let program = Setup::new(TEST_CARD).stderr(writer).start().await;
    visit(&program, 20, "test").await;
    let reading = std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).expect("it is text");
        log
    });
    program.signal(Signal::TERM);
    program.wait().await;
    let log = reading.join().expect("it can be read");
    let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!((count("viewer joined"), count("stopping")), (20, 1), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_who_come_and_go_do_not_fill_the_log() {
    const VISITS: usize = 500;
    let mut program = Setup::new(TEST_CARD).start().await;
    for _ in 0..10 {
        visit(&program, VISITS / 10, &"agent ".repeat(2600)).await;
    }
    assert!(lines_left_out(&program, "suppressed").await > VISITS as u64);
    program.wait_log_line(&["more viewers came than are told one by one", "address=127.0.0.1"]).await;
    program.signal(Signal::TERM);
    let log = program.wait().await.log;
    println!("{VISITS} visits: {} bytes of log", log.len());
    assert!(log.len() < 150_000, "{} bytes", log.len());
    assert!(log.contains("agent agent") && log.contains("viewer left"));
}

/// `script` is the terminal of the program; while it is stopped, nobody reads, as after Ctrl-S.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_stands_still_does_not_stop_streams() {
    let Some(setup) = Setup::new(TEST_CARD).arg("--log").arg("trace").in_terminal() else {
        println!("left out: there is no program \"script\"");
        return;
    };
    let program = setup.start().await;
    program.signal(Signal::STOP);
    let mut victim = Viewer::get(program.address(), "/stream/card").await;
    let shown = program.output().len();
    for _ in 0..10 {
        visit(&program, 20, "test").await;
        assert!(!victim.read_until(PACKET_SIZE).await.is_empty());
    }
    assert_eq!(program.output().len(), shown, "the terminal stands still");
    assert_eq!(lines_left_out(&program, "lost").await, 0, "that is not much");
    // Ctrl-Q: what has waited is shown.
    program.signal(Signal::CONT);
    let asked = Instant::now();
    while program.output().matches("viewer left").count() < 20 {
        assert!(asked.elapsed() < 10 * SECOND, "{}", program.output());
        tokio::time::sleep(SECOND / 20).await;
    }
    let ours = program.id();
    program.signal(Signal::TERM);
    let finished = program.wait().await;
    println!("process {ours}: {:?}, {} bytes of log", finished.status, finished.output.len());
}
