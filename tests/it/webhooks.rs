//! Webhooks, as a library of others verifies them.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use forebay_testkit::client::{Answer, Request, Viewer, get_json};
use forebay_testkit::ts::PACKET_SIZE;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::relay::Relay;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Within that a message comes, on a busy machine and behind some pauses too.
const PATIENCE: Duration = Duration::from_mins(1);

/// A receiver with the library `standardwebhooks`; dropped, it ends.
struct Receiver {
    port: u64,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Receiver {
    async fn start(port: u16, secret: &str) -> Self {
        let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testkit", "webhooks"].iter().collect();
        let mut child = Command::new("node")
            .arg(folder.join("receive.mjs"))
            .args([&port.to_string(), secret])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node is installed: `make setup` does that");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut receiver = Self { port: 0, lines, _child: child };
        receiver.port = receiver.next().await["port"].as_u64().expect("it listens");
        receiver
    }

    /// What it has received next.
    async fn next(&mut self) -> Value {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("something comes");
        serde_json::from_str(&line.expect("it is text").expect("it runs")).expect("it is JSON")
    }

    /// The type of the next message, which it has verified.
    async fn next_type(&mut self) -> String {
        let told = self.next().await;
        told["message"]["type"].as_str().unwrap_or_else(|| panic!("not verified: {told}")).to_owned()
    }
}

fn relay(port: u64, more: &str) -> Relay {
    Relay::start(&format!(
        "[[webhooks]]\nid = \"chat\"\nurl = \"http://127.0.0.1:{port}/in/t0ken\"\nsecret = \"{SECRET}\"\n{more}\n\
         [[channels]]\nid = \"one\"\nsources = [\"testcard://\"]\n"
    ))
}

async fn try_out(relay: &Relay, id: &str) -> Answer {
    let path = format!("/api/webhooks/{id}/test");
    Request::new("POST", relay.address(), &path).send().await.expect("it answers")
}

async fn report(relay: &Relay) -> Value {
    let (status, body) = get_json(relay.address(), "/api/webhooks").await;
    assert_eq!(status, 200, "{body}");
    assert!(!body.to_string().contains("whsec") && !body.to_string().contains("t0ken"), "{body}");
    body["webhooks"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_in_order_and_another_library_verifies_it() {
    let mut receiver = Receiver::start(0, SECRET).await;
    let relay = relay(receiver.port, "events = [\"channel.opened\", \"channel.source_started\"]");
    assert_eq!(try_out(&relay, "chat").await.status, 202);
    assert_eq!(receiver.next_type().await, "webhook.test");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    viewer.read_until(PACKET_SIZE).await;
    let opened = receiver.next().await;
    assert_eq!(
        (&opened["message"]["type"], &opened["message"]["data"]["channel"]),
        (&"channel.opened".into(), &"one".into())
    );
    assert_eq!(receiver.next_type().await, "channel.source_started");
    let report = report(&relay).await;
    assert_eq!((&report["dropped"], &report["last_error"]), (&0.into(), &Value::Null), "{report}");
    assert_eq!(try_out(&relay, "none").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_with_another_secret_refuses_and_no_other_message_waits_for_that_for_ever() {
    let mut receiver = Receiver::start(0, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    let relay = relay(receiver.port, "");
    try_out(&relay, "chat").await;
    let refused = receiver.next().await;
    assert!(refused["error"].is_string(), "{refused}");
    let again = receiver.next().await;
    assert_eq!(refused["id"], again["id"], "the same message has the same id");
    let report = report(&relay).await;
    assert!(report["last_error"]["text"].as_str().unwrap().contains("400"), "{report}");
}
