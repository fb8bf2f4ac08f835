//! The way to a source: proxies, certificates that do not verify, and where a source may lead.

use std::time::Duration;

use forebay_testkit::client::{self, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin, Reply};
use forebay_testkit::proxy::Proxy;
use forebay_testkit::ts::Checker;
use serde_json::Value;

use crate::program::{Program, Setup};

const SECOND: Duration = Duration::from_secs(1);

fn stream() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac))
}

/// A channel with one source, given as the inside of a table.
fn channel(id: &str, source: &str) -> String {
    format!("[[channels]]\nid = {id:?}\nstart_timeout = \"3s\"\nsources = [{{ {source} }}]\n")
}

async fn assert_plays(program: &Program, id: &str) {
    let mut viewer = Viewer::get(program.address(), &format!("/stream/{id}")).await;
    assert_eq!(viewer.status(), 200, "{id}: {}", program.log());
    Checker::check(&viewer.read_for(SECOND).await).assert_clean();
}

/// The reason for which the only source of a channel is refused, and its message.
async fn refusal(program: &Program, id: &str) -> (String, String) {
    let (status, body) = client::get_json(program.address(), &format!("/stream/{id}")).await;
    assert_eq!(status, 503, "{body}");
    let source = &body["error"]["sources"][0];
    let text = |value: &Value| value.as_str().expect("it is a text").to_owned();
    (text(&source["reason"]), text(&source["message"]))
}

/// By each kind of proxy, with names that only the proxy knows.
#[tokio::test(flavor = "multi_thread")]
async fn sources_are_reached_through_proxies() {
    let (origin, tls) = (Origin::start().await, Origin::start_tls().await);
    for origin in [&origin, &tls] {
        origin.serve("/live.ts", stream());
    }
    let (plain, secure) = (Proxy::start(origin.address()).await, Proxy::start(tls.address()).await);
    let source = |url: &str, rest: &str| format!("url = \"{url}://provider.invalid/live.ts\"{rest}");
    let proxy = |scheme: &str, proxy: &Proxy| {
        format!(", tls = \"unverified\", proxy = \"{scheme}://joe:hunter2@{}\"", proxy.address())
    };
    let channels = [
        channel("environment", &source("http", "")),
        channel("http", &source("http", &proxy("http", &plain))),
        channel("connect", &source("https", &proxy("http", &secure))),
        channel("socks", &source("http", &proxy("socks5h", &plain))),
        channel("socks-tls", &source("https", &proxy("socks5h", &secure))),
        channel("none", &source("http", ", proxy = \"none\"")),
    ];
    let setup = Setup::new(&channels.concat()).env("http_proxy", &format!("http://{}", plain.address()));
    let program = setup.env("FOREBAY_LOG", "trace").start().await;
    for id in ["environment", "http", "connect", "socks", "socks-tls"] {
        assert_plays(&program, id).await;
    }
    assert_eq!(refusal(&program, "none").await.0, "unreachable", "the name is looked up here");
    let seen = [plain.seen(), secure.seen()].concat();
    let (basic, target) =
        ("Proxy-Authorization: Basic am9lOmh1bnRlcjI=", "GET http://provider.invalid/live.ts ");
    for (request, begins, has) in [
        (&seen[0], target, "|Host: provider.invalid|"),
        (&seen[1], target, basic),
        (&seen[2], "SOCKS5 provider.invalid:80 joe:hunter2", ""),
        (&seen[3], "CONNECT provider.invalid:443 ", basic),
        (&seen[4], "SOCKS5 provider.invalid:443 joe:hunter2", ""),
    ] {
        assert!(request.starts_with(begins) && request.contains(has), "{request}");
    }
    let (_, status) = client::get_json(program.address(), "/api/streams/status").await;
    assert!(!status.to_string().contains("hunter2") && !program.log().contains("hunter2"));
}

/// Behind a proxy, the address itself tells where it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_source_does_not_lead_to_this_machine() {
    let (origin, inner) = (Origin::start().await, Origin::start().await);
    inner.serve("/secret.ts", stream());
    let location = |to: String| Reply {
        status: 302,
        content_type: String::new(),
        headers: vec![("Location".to_owned(), to)],
        body: Vec::new(),
    };
    let to = inner.url("/secret.ts");
    origin.serve("/live.ts", Behaviour::handler(move |_| location(to.clone())));
    let proxy = Proxy::start(origin.address()).await;
    let source = |rest: &str| {
        format!("url = \"http://203.0.113.7/live.ts\", proxy = \"http://{}\"{rest}", proxy.address())
    };
    let program = Setup::new(&channel("guarded", &source(""))).start().await;
    let (reason, message) = refusal(&program, "guarded").await;
    assert_eq!(reason, "private_address");
    assert!(message.contains("allow_private") && !message.contains("127"), "{message}");
    assert_eq!(inner.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_does_not_verify_is_named_with_the_key_that_allows_it() {
    let origin = Origin::start_tls().await;
    origin.serve("/live.ts", stream());
    let url = origin.url("/live.ts");
    let channels = channel("strict", &format!("url = {url:?}"))
        + &channel("lenient", &format!("url = {url:?}, tls = \"unverified\""));
    let program = Setup::new(&channels).start().await;
    let (reason, message) = refusal(&program, "strict").await;
    assert_eq!(reason, "untrusted");
    assert!(message.contains("self-signed") && message.contains("tls = \"unverified\""), "{message}");
    assert_plays(&program, "lenient").await;
}
