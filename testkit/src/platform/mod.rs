//! A video platform, with an extractor for the real yt-dlp: what a video is called is what its
//! page does.
//!
//! A test makes pages of its own with [`Platform::broadcast`] and [`Platform::offer`]. Of the
//! others, `good` has a whole form and half of a better one, `split` has halves only, `headers`
//! wants to see its own header fields; `geo`, `login`, `offline`, `begins`, `private`, `away`,
//! `error`, `limit` and `bug` fail as their names say; `hang`, `crash`, `balloon`, `long` and `wide`
//! misbehave.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// The platform. It ends with the runtime.
#[derive(Debug)]
pub struct Platform {
    address: SocketAddr,
    plugins: TempDir,
    asked: Arc<AtomicUsize>,
    offers: Offers,
    told: mpsc::Receiver<[i32; 2]>,
}

/// Pages that the test makes, by their names.
#[derive(Clone, Default)]
struct Offers(Arc<Mutex<HashMap<String, Offer>>>);

/// A page that the test makes.
struct Offer {
    formats: Box<dyn Fn() -> serde_json::Value + Send>,
    is_live: bool,
    asked: usize,
}

impl std::fmt::Debug for Offers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Offers")
    }
}

impl Platform {
    /// Begins to answer.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let plugins = plugins(address);
        let asked = Arc::<AtomicUsize>::default();
        let (tell, told) = mpsc::channel(10);
        let (count, offers) = (Arc::clone(&asked), Offers::default());
        let pages = offers.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&count), pages.clone(), tell.clone()));
            }
        });
        Self { address, plugins, asked, offers, told }
    }

    /// Where its site is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder with the plugin.
    pub fn plugins(&self) -> &Path {
        self.plugins.path()
    }

    /// How often it was asked for a video.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// From now on the page of this name is live, at an address that each who asks is given anew.
    pub fn broadcast(&self, name: &str, address: impl Fn() -> String + Send + 'static) {
        let formats = move || {
            serde_json::json!([{
                "format_id": "hls", "url": address(), "protocol": "m3u8_native", "ext": "mp4",
                "vcodec": "avc1.42001E", "acodec": "mp4a.40.2", "height": 360, "width": 640,
            }])
        };
        self.offer_as(name, true, formats);
    }

    /// From now on the page of this name has these formats, which each who asks is given anew.
    pub fn offer(&self, name: &str, formats: impl Fn() -> serde_json::Value + Send + 'static) {
        self.offer_as(name, false, formats);
    }

    fn offer_as(&self, name: &str, is_live: bool, formats: impl Fn() -> serde_json::Value + Send + 'static) {
        let offer = Offer { formats: Box::new(formats), is_live, asked: 0 };
        self.offers.0.lock().expect("nobody panics").insert(name.to_owned(), offer);
    }

    /// How often it was asked for the page of this name, which the test has made.
    pub fn asked_for(&self, name: &str) -> usize {
        self.offers.0.lock().expect("nobody panics").get(name).map_or(0, |offer| offer.asked)
    }

    /// The address of the page of this name.
    pub fn page(name: &str) -> String {
        format!("https://www.youtube.com/watch?v={}", Self::id(name))
    }

    /// The processes of a page that hangs: its own, and one that it has started.
    pub async fn processes(&mut self) -> [i32; 2] {
        self.told.recv().await.expect("the platform runs")
    }

    /// The id of the video of this name.
    pub fn id(name: &str) -> String {
        format!("{name:_<11}")
    }
}

/// The yt-dlp that `make setup` installs.
pub fn yt_dlp() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("platform/.venv/bin/yt-dlp");
    assert!(path.is_file(), "there is no {}: run make setup", path.display());
    path
}

fn plugins(site: SocketAddr) -> TempDir {
    let folder = TempDir::new().expect("a folder can be made");
    let extractors = folder.path().join("double/yt_dlp_plugins/extractor");
    fs::create_dir_all(&extractors).expect("folders can be made");
    let text = include_str!("extractor.py").replace("http://SITE", &format!("http://{site}"));
    fs::write(extractors.join("double.py"), text).expect("a file can be written");
    folder
}

/// Answers one request.
async fn answer(stream: TcpStream, asked: Arc<AtomicUsize>, pages: Offers, tell: mpsc::Sender<[i32; 2]>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.expect("the extractor asks");
    let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    while line != "\r\n" && !line.is_empty() {
        line.clear();
        stream.read_line(&mut line).await.expect("the extractor asks");
    }
    if let Some((own, child)) = path.strip_prefix("tell/").and_then(|numbers| numbers.split_once('/')) {
        let number = |text: &str| text.parse().expect("the extractor tells numbers");
        // Nobody may want to know.
        let _ = tell.try_send([number(own), number(child)]);
    } else {
        asked.fetch_add(1, Ordering::Relaxed);
    }
    // Several pages may do the same.
    let name = path.trim_end_matches('_').trim_end_matches(|last: char| last.is_ascii_digit());
    let status = match name {
        "limit" => "429 Too Many Requests",
        "away" => "404 Not Found",
        "error" => "500 Internal Server Error",
        _ => "200 OK",
    };
    let body = pages.document(name, &path).unwrap_or_else(|| document(name, &path)).to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nRetry-After: 77\r\nConnection: close\r\n\r\n"
    );
    // A page that was killed meanwhile reads nothing.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

impl Offers {
    fn document(&self, name: &str, id: &str) -> Option<serde_json::Value> {
        let mut pages = self.0.lock().expect("nobody panics");
        let offer = pages.get_mut(name)?;
        offer.asked += 1;
        let formats = (offer.formats)();
        let (title, is_live) = ("A title", offer.is_live);
        Some(serde_json::json!({ "id": id, "title": title, "is_live": is_live, "formats": formats }))
    }
}

fn document(name: &str, id: &str) -> serde_json::Value {
    let text = match name {
        "private" => "Private video. Sign in if you've been granted access",
        "begins" => "This live event will begin in 3 hours.",
        "bot" => "Sign in to confirm you’re not a bot",
        _ => "",
    };
    let headers = match name {
        "headers" => serde_json::json!({ "Referer": "https://a.example/" }),
        _ => serde_json::json!({}),
    };
    let whole = serde_json::json!({
        "format_id": "18", "url": "https://a.example/whole.mp4?token=hunter2", "ext": "mp4", "vcodec": "avc1.42001E",
        "acodec": "mp4a.40.2", "height": 360, "width": 640, "tbr": 500.5, "http_headers": headers,
    });
    let picture = serde_json::json!({
        "format_id": "137", "url": "https://a.example/picture.mp4?token=hunter2", "ext": "mp4",
        "vcodec": "avc1.640028", "acodec": "none", "height": 1080, "width": 1920, "http_headers": headers,
    });
    let sound = serde_json::json!({
        "format_id": "140", "url": "https://a.example/sound.m4a?token=hunter2", "ext": "m4a", "vcodec": "none",
        "acodec": "mp4a.40.2", "tbr": 128, "http_headers": headers,
    });
    let formats = if name == "split" { vec![sound, picture] } else { vec![sound, whole, picture] };
    let deed = if text.is_empty() { name } else { "say" };
    serde_json::json!({
        "do": deed, "text": text, "id": id, "title": "A title", "duration": 60.5, "view_count": 7,
        "formats": formats,
    })
}
