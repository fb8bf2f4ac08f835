//! Behind a real nginx on the same machine, nobody is taken for an admin who is none.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use forebay_testkit::client::Request;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command as AsyncCommand};
use tokio::time::{sleep, timeout};

use crate::program::Setup;
use crate::relay::{Relay, channel};

/// How long nginx may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// An nginx that runs as the same user, in front of a server.
struct Nginx {
    address: SocketAddr,
    _child: Child,
    _folder: TempDir,
}

/// Each nginx has an address of its own, so that no port is taken.
static NEXT: AtomicU8 = AtomicU8::new(1);

impl Nginx {
    /// Passes everything on to `upstream`, with these directives in `location /`.
    async fn start(upstream: SocketAddr, location: &str) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address: SocketAddr =
            (Ipv4Addr::new(127, 64 + NEXT.fetch_add(1, Ordering::Relaxed), high, low), 20_080).into();
        let text = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr;\n\
             events {{}}\n\
             http {{ access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; \
             scgi_temp_path s;\n\
             server {{ listen {address}; location / {{ proxy_pass http://{upstream}; {location} }} }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).expect("its own folder can be written");
        let prefix = folder.path().to_str().expect("the temporary folder has a plain name");
        let child = AsyncCommand::new(program("nginx"))
            .args(["-p", prefix, "-c", "nginx.conf", "-e", "stderr"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is installed: make setup");
        let listens = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, listens).await.expect("nginx listens");
        Self { address, _child: child, _folder: folder }
    }
}

/// Debian keeps servers where the paths of users do not lead.
pub(crate) fn program(name: &str) -> String {
    let system = format!("/usr/sbin/{name}");
    if Path::new(&system).exists() { system } else { name.into() }
}

/// A wish that is done at once, where it may be.
fn request(address: SocketAddr) -> Request {
    let visitor = "127.0.0.2".parse().expect("an address of this machine");
    let wish = json!({ "action": "pin", "source": 0 });
    Request::new("POST", address, "/api/streams/one/source").json(&wish).from(visitor)
}

/// What nginx is told, and what the visitor sends besides.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Header fields that visitors make up.
const FORGED: &[(&str, &str)] = &[
    ("X-Forwarded-For", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1"),
    ("X-Real-IP", "127.0.0.1"),
    ("Authorization", "Bearer "),
];

const ROWS: &[Row] = &[
    ("", "bare", &[]),
    ("", "bare, with what a browser would not send", &[("Sec-Fetch-Site", "none")]),
    ("", "bare, forged", FORGED),
    ("proxy_http_version 1.1; proxy_set_header Connection \"\";", "bare, kept connections", &[]),
    ("proxy_set_header Host $http_host;", "keeps Host", &[]),
    ("proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr;", "X-Real-IP, Host", &[]),
    (
        "proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;",
        "X-Forwarded-Proto, X-Forwarded-Host",
        &[],
    ),
    ("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", "X-Forwarded-For", &[]),
    ("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", "X-Forwarded-For, forged", FORGED),
    ("proxy_set_header Forwarded \"for=$remote_addr\";", "Forwarded, forged", FORGED),
    ("proxy_set_header Via nginx;", "Via", &[]),
];

async fn assert_nobody_is_an_admin(server: &str) {
    let card = channel("one", &["testcard://".into()], "");
    let relay = Relay::start(&format!("{server}\n{card}"));
    for (location, what, fields) in ROWS {
        let nginx = Nginx::start(relay.address(), location).await;
        let request =
            fields.iter().fold(request(nginx.address), |all, (name, value)| all.header(name, value));
        let answer = request.send().await.expect("nginx answers");
        assert_eq!(answer.status, 403, "{server:?}, {what}: {}", answer.text());
        assert!(answer.text().contains("\"forbidden\""), "Forebay said so: {}", answer.text());
        assert_eq!(relay.status("one").await["sources"][0]["pinned"], false, "{what}");
    }
    // Whoever may not change anything may watch, and who is on this machine may change it.
    let nginx = Nginx::start(relay.address(), "").await;
    let watched = Request::get(nginx.address, "/api/streams/one/status").send().await;
    assert_eq!(watched.expect("nginx answers").status, 200);
    let answer = request(relay.address()).send().await.expect("the relay answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_an_admin_through_a_proxy_that_is_not_known() {
    assert_nobody_is_an_admin("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_an_admin_through_a_proxy_of_which_no_header_is_known() {
    assert_nobody_is_an_admin("trusted_proxies = [\"127.0.0.1\"]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_an_admin_through_a_proxy_that_does_not_set_its_header() {
    assert_nobody_is_an_admin("trusted_proxies = [\"127.0.0.1\"]\nproxy_header = \"x-forwarded-for\"").await;
    assert_nobody_is_an_admin("trusted_proxies = [\"127.0.0.1\"]\nproxy_header = \"forwarded\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_of_the_network_is_one_through_a_proxy_that_is_known() {
    // The addresses of this machine that a proxy names count for nothing, so a network stands in
    // for them.
    let card = channel("one", &["testcard://".into()], "");
    let server =
        "admin_from = [\"192.0.2.0/24\"]\nadmin_hosts = [\"tv.lan\"]\ntrusted_proxies = [\"127.0.0.1\"]";
    let relay = Relay::start(&format!("{server}\nproxy_header = \"x-forwarded-for\"\n{card}"));
    for (client, host, status) in
        [("192.0.2.7", "tv.lan", 200), ("192.0.2.7", "rebound.example", 403), ("198.51.100.7", "tv.lan", 403)]
    {
        let set = format!("proxy_set_header Host {host}; proxy_set_header X-Forwarded-For {client};");
        let nginx = Nginx::start(relay.address(), &set).await;
        let answer = request(nginx.address).header("X-Forwarded-For", "192.0.2.7").send().await;
        let answer = answer.expect("nginx answers");
        assert_eq!(answer.status, status, "{client}, {host}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_program_and_the_token_are_enough_on_this_machine() {
    let program = Setup::new(&channel("one", &["testcard://".into()], "")).start().await;
    let curl = |more: &[&str]| {
        let url = format!("http://{}/api/streams/one/source", program.address());
        let wish = "{\"action\":\"pin\",\"source\":0}";
        let output = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"])
            .args(["-H", "Content-Type: application/json", "-d", wish])
            .args(more)
            .arg(url)
            .output();
        String::from_utf8(output.expect("curl is installed: make setup").stdout).expect("a number")
    };
    assert_eq!(curl(&[]), "200");
    for header in
        ["Host: rebound.example", "Origin: null", "Sec-Fetch-Site: cross-site", "X-Real-IP: 127.0.0.1"]
    {
        assert_eq!(curl(&["-H", header]), "403", "{header}");
    }
    // This process has other connections, as a proxy has, and so has to show the token.
    let _other = Relay::start(&channel("one", &["testcard://".into()], ""));
    let answer = request(program.address()).send().await.expect("the relay answers");
    assert_eq!(answer.status, 403, "{}", answer.text());
    let token = std::fs::read_to_string(program.folder().join("hls_cache/admin.token")).expect("it is there");
    let authorization = format!("Bearer {}", token.trim());
    let answer = request(program.address()).header("Authorization", &authorization).send().await;
    assert_eq!(answer.expect("the relay answers").status, 200);
    assert!(!program.log().contains(token.trim()), "it is a secret");
}
