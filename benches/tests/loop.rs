//! The whole chain in small: the origin, the reference, and viewers who find no fault in what comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Ended when the test is over, however it ends.
struct Running(Child, String);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay-bench"));
    command.args(arguments).stdout(Stdio::piped());
    command
}

/// Starts a server of ours and waits for the line that says where it listens.
fn start(arguments: &[&str]) -> Running {
    let mut child = bench(arguments).spawn().expect("the bench has been built");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
    let address = line.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap_or_default();
    Running(child, address.to_owned())
}

#[test]
fn viewers_of_the_reference_find_no_fault() {
    let origin = start(&["origin"]);
    let upstream = format!("{}/one", origin.1);
    let reference = start(&["reference", "--upstream", &upstream, "--coalesce", "50"]);
    let pid = reference.0.id().to_string();
    let url = format!("http://{}/any", reference.1);
    let load = ["load", &url, "--viewers", "20", "--check-every", "2", "--warm-up", "0.5", "--duration", "2"];
    let output = bench(&load).args(["--churn", "10", "--pid", &pid, "--json", "-"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64);
    assert_eq!(count("/viewers"), Some(20), "{report:#}");
    for nothing in ["/lost", "/checked/sync_errors", "/checked/continuity_errors", "/checked/foreign_clocks"]
    {
        assert_eq!(count(nothing), Some(0), "{nothing}: {report:#}");
    }
    // Ten viewers are looked at for two seconds of 2 Mbit/s, the clock comes at least ten times a second, and 20 join meanwhile.
    assert!(count("/checked/packets") > Some(20_000), "{report:#}");
    assert!(count("/age/count") > Some(200), "{report:#}");
    assert!(count("/churn/first_key/count") > Some(5), "{report:#}");
    let resident = report.pointer("/server/rss_bytes").and_then(Value::as_u64);
    assert!(resident > Some(0), "{report:#}");
}

/// What a viewer of the bad server gets: two packets of a stream, bytes that are none, and a packet whose counter is four too far.
fn bad_stream() -> Vec<u8> {
    let packet = |counter: u8| {
        let mut packet = [0xFF; 188];
        packet[..4].copy_from_slice(&[0x47, 0x01, 0x00, 0x10 | counter]);
        packet
    };
    [&packet(0)[..], &packet(1), &[0; 30], &packet(6)].concat()
}

fn answer_badly(mut viewer: TcpStream) {
    let mut request = [0; 1024];
    let _ = viewer.read(&mut request);
    let body = bad_stream();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let _ = viewer.write_all(&[format!("{head}{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat());
}

#[test]
fn faults_are_found() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // It ends with the test's process: nothing else would end its waiting for viewers.
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer_badly));
    let load = ["load", &url, "--viewers", "3", "--warm-up", "0.2", "--duration", "0.2", "--json", "-"];
    let output = bench(&load).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64);
    assert_eq!((count("/lost"), count("/viewers")), (Some(3), Some(0)), "{report:#}");
    assert_eq!(report["failures"]["Steady: closed by the server"], 3, "{report:#}");
    assert_eq!(count("/checked/sync_errors"), Some(3), "{report:#}");
    assert_eq!(count("/checked/continuity_errors"), Some(3), "{report:#}");
}
