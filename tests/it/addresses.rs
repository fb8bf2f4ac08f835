//! Every address in every document opens, under whatever address a proxy offers the server: the
//! documents are asked for through a real nginx, and what they name is opened as a player would, by
//! the names and ports that they have.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use forebay_testkit::client::Request;
use forebay_testkit::identity::Identity;
use forebay_testkit::origin::{Behaviour, Origin};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use url::Url;

use crate::proxies::program;
use crate::relay::Relay;
use crate::tls::browser_of_names;

/// How long nginx may take to listen, and one address to be opened.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a proxy is called by viewers.
const NAME: &str = "tv.example";

/// No picture has fewer bytes (PNG, a point).
const LOGO: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

/// What tells Forebay under which address it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// `X-Forwarded-Proto`, `-Host` and `-Prefix`; `Host` is that of the upstream.
    XForwarded,
    /// `Forwarded` (RFC 7239), which has no word for a path: `X-Forwarded-Prefix` has it.
    Forwarded,
    /// `Host` as it came, `X-Forwarded-Proto` and `-Prefix`, as our documents say.
    Host,
    /// `public_url`; the proxy says nothing.
    PublicUrl,
}

/// How viewers reach a proxy, and what it says.
#[derive(Debug, Clone, Copy)]
struct Way {
    scheme: &'static str,
    /// The port is one that addresses have to name.
    has_port: bool,
    prefix: &'static str,
    says: Says,
    /// Where its proxy listens.
    proxy: SocketAddr,
}

impl Way {
    /// All of them, each at an address of its own: ports of addresses that nobody else has are
    /// free.
    fn all() -> Vec<Self> {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let mut all = Vec::new();
        for scheme in ["http", "https"] {
            for has_port in [false, true] {
                for prefix in ["", "/tv/b-1.c"] {
                    for says in [Says::XForwarded, Says::Forwarded, Says::Host, Says::PublicUrl] {
                        let port = 21_000 + u16::try_from(all.len()).expect("a handful");
                        let proxy = (Ipv4Addr::new(127, 129, high, low), port).into();
                        all.push(Self { scheme, has_port, prefix, says, proxy });
                    }
                }
            }
        }
        all
    }

    /// What viewers write in front of a path.
    fn base(&self) -> String {
        let Self { scheme, has_port, prefix, proxy, .. } = self;
        let port = if *has_port { format!(":{}", proxy.port()) } else { String::new() };
        format!("{scheme}://{NAME}{port}{prefix}")
    }

    /// Its section of nginx's configuration.
    fn section(&self, upstream: SocketAddr) -> String {
        let Self { scheme, prefix, says, proxy, .. } = self;
        let tls = if *scheme == "https" {
            "ssl; ssl_certificate proxy.pem; ssl_certificate_key proxy-key.pem"
        } else {
            ""
        };
        let forwarded = "proxy_set_header Forwarded 'proto=$scheme;host=\"$http_host\"';";
        let of_path = format!("proxy_set_header X-Forwarded-Prefix '{prefix}';");
        let fields = match says {
            Says::XForwarded => format!(
                "proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host; {of_path}"
            ),
            Says::Forwarded => format!("{forwarded} {of_path}"),
            Says::Host => format!(
                "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; {of_path}"
            ),
            Says::PublicUrl => String::new(),
        };
        let outside = if prefix.is_empty() { "" } else { "location / { return 404; }" };
        // The slash behind the upstream is what strips the prefix.
        format!(
            "server {{ listen {proxy} {tls}; {outside} location {prefix}/ {{ \
             proxy_pass http://{upstream}/; proxy_buffering off; proxy_http_version 1.1; {fields} }} }}\n"
        )
    }
}

/// An nginx in front of servers. It is killed when this is dropped.
struct Nginx {
    _child: Child,
    _folder: TempDir,
}

impl Nginx {
    async fn start(sections: &str, identity: &Identity, listens: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let text = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr crit;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; \
             scgi_temp_path s;\n{sections} }}\n"
        );
        for (name, text) in [
            ("nginx.conf", &text),
            ("proxy.pem", &identity.certificate_pem),
            ("proxy-key.pem", &identity.key_pem),
        ] {
            std::fs::write(folder.path().join(name), text).expect("its own folder can be written");
        }
        let prefix = folder.path().to_str().expect("the temporary folder has a plain name");
        let child = Command::new(program("nginx"))
            .args(["-p", prefix, "-c", "nginx.conf", "-e", "stderr"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is installed: make setup");
        let all = async {
            for address in listens {
                while tokio::net::TcpStream::connect(address).await.is_err() {
                    sleep(Duration::from_millis(10)).await;
                }
            }
        };
        timeout(PATIENCE, all).await.expect("nginx listens");
        Self { _child: child, _folder: folder }
    }
}

/// A server with two channels, a guide and a user.
struct Server {
    relay: Relay,
    /// The user's, in addresses.
    key: String,
}

impl Server {
    async fn start(origin: &Origin, settings: &str) -> Self {
        let (logo, guide) = (origin.url("/logo.png"), origin.url("/guide.xml"));
        let relay = Relay::start(&format!(
            "trusted_proxies = ['127.0.0.0/8']\n{settings}\n[auth]\nstreams = 'open'\n\
             [hls]\nsegment = '1s'\n\
             [[guides]]\nid = 'g'\nurl = '{guide}'\n\
             [[channels]]\nid = 'one'\nnumber = 1\ntvg_id = 'one.tv'\nlogo = '{logo}'\nsources = ['testcard://']\n\
             [[channels]]\nid = 'two'\ngroup = 'G & H'\nlogo = '{logo}?2'\nsources = ['testcard://']\n"
        ));
        let user = json!({ "name": "ann", "password": "pass word" });
        let made = Request::new("POST", relay.address(), "/api/users").json(&user).send().await;
        let url = made.expect("the relay answers").json()["playlist_url"].clone();
        let key = url.as_str().and_then(|url| url.strip_suffix("/playlist.m3u")?.rsplit('/').next());
        let key = key.expect("its addresses hold a key").to_owned();
        crate::epg::until(&relay, |guides| guides[0]["matched"] == 1).await;
        Self { relay, key }
    }
}

/// A viewer behind a proxy, who opens what he or she is shown.
struct Visitor {
    way: Way,
    client: reqwest::Client,
    queue: VecDeque<Url>,
    seen: BTreeSet<String>,
    /// Kinds of documents that named an address.
    named_by: BTreeSet<&'static str>,
}

/// What kind of document it is, by where it is.
fn kind_of(path: &str) -> &'static str {
    const KINDS: [(&str, &str); 12] = [
        ("/playlist.m3u", "list"),
        ("/channel.m3u", "list of one"),
        ("/get.php", "list of a panel"),
        ("/epg.xml", "guide"),
        ("/xmltv.php", "guide of a panel"),
        ("/player_api.php", "panel"),
        ("/discover.json", "device"),
        ("/lineup.json", "device's list"),
        ("/device.xml", "device's description"),
        (".m3u8", "HLS"),
        ("/hls", "HLS"),
        ("/api/epg", "what is on"),
    ];
    let found = KINDS
        .iter()
        .find(|(part, _)| path.ends_with(part) || path.contains("/api/epg") && *part == "/api/epg");
    found.map_or("other", |(_, kind)| kind)
}

impl Visitor {
    fn new(way: Way, identity: &Identity) -> Self {
        let client = browser_of_names(&identity.certificate_der, NAME, way.proxy);
        Self { way, client, queue: VecDeque::new(), seen: BTreeSet::new(), named_by: BTreeSet::new() }
    }

    /// Puts an address in the queue, unless it was there.
    fn see(&mut self, url: &Url) {
        if self.seen.insert(url.to_string()) {
            self.queue.push_back(url.clone());
        }
    }

    /// Puts an address in front of all others: segments are not there for long.
    fn see_next(&mut self, url: &Url) {
        if self.seen.insert(url.to_string()) {
            self.queue.push_front(url.clone());
        }
    }

    /// An address that a document names in full.
    fn found(&mut self, document: &Url, text: &str) {
        let is_ours = text.starts_with(&format!("{}/", self.way.base()));
        assert!(is_ours, "{:?}: {document} names {text}", self.way);
        self.named_by.insert(kind_of(document.path()));
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{document} names {text}: {error}"));
        self.see(&url);
    }

    /// Opens an address: where it led, the type, and the bytes; of a stream, the first ones.
    async fn open(&self, url: &Url) -> (Url, String, Vec<u8>) {
        let opened = async {
            let mut answer =
                self.client.get(url.clone()).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
            let status = answer.status();
            assert_eq!(status.as_u16(), 200, "{:?}: {url}", self.way);
            let kind = answer.headers().get("Content-Type").and_then(|it| it.to_str().ok());
            let kind = kind.unwrap_or_default().to_owned();
            let is_stream = kind.starts_with("video/");
            let (place, mut bytes) = (answer.url().clone(), Vec::new());
            while let Some(piece) = answer.chunk().await.unwrap_or_else(|error| panic!("{url}: {error}")) {
                bytes.extend_from_slice(&piece);
                if is_stream && bytes.len() >= 188 {
                    break;
                }
            }
            (place, kind, bytes)
        };
        timeout(PATIENCE, opened).await.unwrap_or_else(|_| panic!("{:?}: {url} says nothing", self.way))
    }

    /// Opens an address and notes what it names.
    async fn visit(&mut self, url: &Url) {
        let (place, kind, bytes) = self.open(url).await;
        // What is relative is relative to where a redirect has led.
        let url = &place;
        assert!(!bytes.is_empty(), "{url} is empty");
        let is = |word: &str| kind.contains(word);
        if is("video/") {
            assert_eq!(bytes[0], 0x47, "{url}");
        } else if is("image/") {
            assert_eq!(bytes, LOGO, "{url}");
        } else if is("json") {
            let document: Value =
                serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{url}: {error}"));
            self.read_json(url, &document);
        } else if bytes.starts_with(b"#EXTM3U") {
            self.read_list(url, &String::from_utf8_lossy(&bytes));
        } else if is("xml") {
            self.read_xml(url, &String::from_utf8_lossy(&bytes));
        } else {
            assert_eq!(bytes[..2], *b"\x1f\x8b", "{url} is {kind}");
        }
    }

    fn read_json(&mut self, document: &Url, value: &Value) {
        match value {
            Value::String(text) if text.starts_with("http") => self.found(document, text),
            Value::Array(all) => all.iter().for_each(|it| self.read_json(document, it)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        // It is what addresses begin with.
                        ("BaseURL", Value::String(base)) => {
                            self.found(document, &format!("{base}/discover.json"));
                        }
                        _ => self.read_json(document, value),
                    }
                }
            }
            _ => {}
        }
    }

    fn read_list(&mut self, document: &Url, text: &str) {
        for line in text.lines() {
            for (at, _) in line.match_indices("=\"").filter(|_| line.starts_with('#')) {
                let value = line[at + 2..].split('"').next().unwrap_or_default();
                if value.starts_with("http") {
                    self.found(document, value);
                } else if line[..at].ends_with("URI") {
                    self.see_next(&document.join(value).expect("it is a reference"));
                }
            }
            match line {
                _ if line.starts_with('#') || line.is_empty() => {}
                _ if line.starts_with("http") => self.found(document, line),
                _ => {
                    self.named_by.insert(kind_of(document.path()));
                    self.see_next(&document.join(line).expect("it is a reference"));
                }
            }
        }
    }

    fn read_xml(&mut self, document: &Url, text: &str) {
        let values = |start: &'static str, end: char| {
            let parts = text.split(start).skip(1).filter_map(move |part| part.split(end).next());
            parts.map(|value| value.replace("&amp;", "&"))
        };
        for base in values("<URLBase>", '<') {
            self.found(document, &format!("{base}/discover.json"));
        }
        // A guide is the same for all, and names logos where they are.
        for icon in values("src=\"", '"') {
            self.named_by.insert(kind_of(document.path()));
            self.see(&Url::parse(&icon).unwrap_or_else(|error| panic!("{document} names {icon}: {error}")));
        }
    }

    /// What a player of a panel makes of what was typed, and of the answers.
    async fn read_panel(&mut self, login: &str) {
        let base = self.way.base();
        let at = |path: &str| Url::parse(&format!("{base}{path}")).expect("it is an address");
        let (.., bytes) = self.open(&at(&format!("/player_api.php?{login}"))).await;
        let document: Value = serde_json::from_slice(&bytes).expect("it is JSON");
        let server = &document["server_info"];
        let text =
            |key: &str| server[key].as_str().unwrap_or_else(|| panic!("no {key}: {server}")).to_owned();
        let port = if text("server_protocol") == "https" { text("https_port") } else { text("port") };
        // It has no word for a path: what stands below one is made of what was typed.
        let made = format!("{}://{}:{port}{}", text("server_protocol"), text("url"), self.way.prefix);
        let (.., bytes) = self.open(&at(&format!("/player_api.php?{login}&action=get_live_streams"))).await;
        let streams: Value = serde_json::from_slice(&bytes).expect("it is JSON");
        for stream in streams.as_array().expect("a list") {
            let id = &stream["stream_id"];
            for base in [&base, &made] {
                for end in [".ts", ".m3u8", ""] {
                    let url = format!("{base}/live/ann/pass%20word/{id}{end}");
                    self.see(&Url::parse(&url).expect("it is an address"));
                }
            }
            self.see(&at(&format!("/player_api.php?{login}&action=get_short_epg&stream_id={id}")));
        }
    }

    /// Opens all documents, and all that they name; returns how many addresses that was.
    async fn visit_all(&mut self, key: &str) -> usize {
        let login = "username=ann&password=pass%20word";
        self.read_panel(login).await;
        let below = format!("/t/{key}");
        for start in ["", &*below] {
            for path in [
                "/playlist.m3u",
                "/playlist.m3u?format=hls",
                "/stream/one/channel.m3u",
                "/epg.xml",
                "/epg.xml.gz",
                "/discover.json",
                "/lineup.json",
                "/device.xml",
                "/hdhr/1/discover.json",
                "/hdhr/1/device.xml",
                "/hdhr/1/lineup.json",
                "/api/epg/now",
                "/api/epg/one",
                "/api/channels",
            ] {
                self.see(
                    &Url::parse(&format!("{}{start}{path}", self.way.base())).expect("it is an address"),
                );
            }
        }
        for path in
            ["get.php", "get.php?output=m3u8&type=m3u", "xmltv.php", "player_api.php?action=get_live_streams"]
        {
            let mark = if path.contains('?') { '&' } else { '?' };
            let url = format!("{}/{path}{mark}{login}", self.way.base());
            self.see(&Url::parse(&url).expect("it is an address"));
        }
        while let Some(url) = self.queue.pop_front() {
            self.visit(&url).await;
        }
        self.seen.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_in_every_document_opens_behind_every_proxy() {
    let origin = Origin::start().await;
    origin.serve("/logo.png", Behaviour::body("image/png", LOGO));
    let now = Timestamp::now();
    let at = |hours: i64| {
        let at = Timestamp::from_second(now.as_second() + hours * 3600).expect("it is near");
        at.strftime("%Y%m%d%H%M%S +0000").to_string()
    };
    let guide = format!(
        "<tv><channel id='one.tv'/><programme start='{}' stop='{}' channel='one.tv'><title>T</title></programme></tv>",
        at(-1),
        at(2)
    );
    origin.serve("/guide.xml", Behaviour::body("text/xml", guide));
    let ways = Way::all();
    assert!(ways.len() >= 30, "{}", ways.len());
    let plain = Server::start(&origin, "").await;
    let mut public = Vec::new();
    for way in ways.iter().filter(|way| way.says == Says::PublicUrl) {
        let settings = format!("public_url = '{}/'\n", way.base());
        public.push((way.proxy, Server::start(&origin, &settings).await));
    }
    let server_of = |way: &Way| {
        let own = public.iter().find(|(proxy, _)| *proxy == way.proxy);
        own.map_or(&plain, |(_, server)| server)
    };
    let identity = Identity::new(&[NAME], (1975, 4096));
    let mut sections = String::new();
    for way in &ways {
        let _ = sections.write_str(&way.section(server_of(way).relay.address()));
    }
    let listens: Vec<SocketAddr> = ways.iter().map(|way| way.proxy).collect();
    let _nginx = Nginx::start(&sections, &identity, &listens).await;
    let visits = stream::iter(&ways).map(async |way| {
        let mut visitor = Visitor::new(*way, &identity);
        (visitor.visit_all(&server_of(way).key).await, visitor.named_by)
    });
    let visits: Vec<_> = visits.buffer_unordered(4).collect().await;
    let opened: usize = visits.iter().map(|(opened, _)| opened).sum();
    let named_by: BTreeSet<&str> = visits.into_iter().flat_map(|(_, named_by)| named_by).collect();
    println!("{opened} addresses opened in {} ways, named by {named_by:?}", listens.len());
    for kind in ["list", "list of one", "list of a panel", "guide", "panel", "device", "device's list", "HLS"]
    {
        assert!(named_by.contains(kind), "{kind} named none: {named_by:?}");
    }
    // Where nothing is below a path, nothing is had beside it.
    let way = ways.iter().find(|way| !way.prefix.is_empty()).expect("there is one");
    let visitor = Visitor::new(*way, &identity);
    let beside = way.base().replace(way.prefix, "/playlist.m3u");
    let answer = visitor.client.get(beside).send().await.expect("nginx answers");
    assert_eq!(answer.status().as_u16(), 404, "the proxy serves it below the path alone");
}
