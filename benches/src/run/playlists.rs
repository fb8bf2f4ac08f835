//! What long playlists cost: imports, refreshes of what is unchanged, the list that players get.
//!
//! Each round has a server of its own with an empty database. A list of 100,000 entries is taken
//! beside another one that has a fifth of its channels, through 20 rules; then it comes again. A
//! server says of a list that it is unchanged. Last, there is a list of 600,000 entries, most of
//! which are films.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::program::{self, Placement, Program};
use crate::proc::{self, Process};
use crate::stats::median;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often `/playlist.m3u` is asked for in each round.
const ASKED: usize = 5;

/// How often a server says that its list is unchanged, in each round.
const UNCHANGED: usize = 3;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many entries the list has.
    #[arg(long, default_value_t = 100_000)]
    entries: usize,
    /// How many entries the mixed list has, of which a sixth are channels.
    #[arg(long, default_value_t = 600_000)]
    mixed: usize,
    /// How many rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The server; by default the `forebay` beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
}

/// The measurements by name, in the order of the first round.
#[derive(Debug, Default)]
struct Figures(Vec<(&'static str, &'static str, Vec<f64>)>);

impl Figures {
    fn note(&mut self, name: &'static str, unit: &'static str, value: f64) {
        match self.0.iter_mut().find(|(known, ..)| *known == name) {
            Some((.., values)) => values.push(value),
            None => self.0.push((name, unit, vec![value])),
        }
    }

    /// Medians, and the least and the greatest in brackets.
    fn print(&mut self, out: &mut impl Write) -> io::Result<()> {
        for (name, unit, values) in &mut self.0 {
            values.sort_by(f64::total_cmp);
            let [first, .., last] = values[..] else { continue };
            let middle = median(values).unwrap_or(f64::NAN);
            writeln!(out, "{name:46} {middle:9.1} [{first:.1} to {last:.1}] {unit}")?;
        }
        Ok(())
    }
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let binary = args.server.clone().map_or_else(program::default_server, Ok)?;
    let (list, other) = (list(0..args.entries, "UK", 1), list(0..args.entries / 5, "GB", 5));
    let mixed = mixed(args.mixed);
    writeln!(
        out,
        "a list of {} entries ({:.1} MB), one of {} with {} of its channels, one of {} ({:.1} MB)",
        args.entries,
        list.len() as f64 / 1e6,
        args.entries / 5,
        args.entries / 5,
        args.mixed,
        mixed.len() as f64 / 1e6
    )?;
    let mut figures = Figures::default();
    for round in 0..args.rounds {
        let folder = program::run_folder()?.join(round.to_string());
        std::fs::create_dir_all(&folder)?;
        let house = House { folder, binary: binary.clone(), placement: Placement::new(false)? };
        house.measure_list(&list, &other, args.entries, &mut figures)?;
        house.measure_mixed(&mixed, args.mixed, &mut figures)?;
    }
    figures.print(&mut out)?;
    Ok(())
}

/// Where everything of one round is.
struct House {
    folder: PathBuf,
    binary: PathBuf,
    placement: Placement,
}

impl House {
    /// A server with an empty database.
    fn start(&self, name: &str) -> anyhow::Result<Program> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let server = Program::server(&self.placement, &folder.join("log"), |listen| {
            let text = program::configuration(listen, listen, 0, "allow_private_sources = true");
            program::forebay(&self.binary, &folder.join("channels.toml"), &text)
        })?;
        get(server.address, "/health")?;
        Ok(server)
    }

    fn api<'a>(&self, server: &'a Program, name: &str) -> anyhow::Result<Api<'a>> {
        let token = self.folder.join(name).join("hls_cache/admin.token");
        Ok(Api { server, token: std::fs::read_to_string(token).context("no admin.token")?.trim().to_owned() })
    }

    fn measure_list(
        &self,
        list: &str,
        other: &str,
        entries: usize,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let server = self.start("list")?;
        let api = self.api(&server, "list")?;
        for name in ["first", "second"] {
            api.ask("POST", "/api/playlists", Some(&json!({ "name": name })))?;
        }
        api.upload(1, other)?;
        api.ask("PUT", "/api/playlists/2/rules", Some(&rules()))?;
        let watch = Watch::begin(&server)?;
        let taken = api.upload(2, list)?;
        watch.end(
            figures,
            ["import with 20 rules and merging", "  its processor time", "  its memory at most"],
        )?;
        ensure!(taken["summary"]["added"] == entries, "{taken}");
        let watch = Watch::begin(&server)?;
        let taken = api.upload(2, list)?;
        watch
            .end(figures, ["the same list again", "  processor time of that", "  memory of that at most"])?;
        ensure!(taken["unchanged"] == true, "{taken}");
        // Other bytes that say the same.
        let watch = Watch::begin(&server)?;
        let taken = api.upload(2, &format!("{list}# the end\n"))?;
        watch.end(
            figures,
            ["a list that says the same", "  processor time of this", "  memory of this at most"],
        )?;
        ensure!(taken["summary"]["unchanged"] == entries, "{taken}");
        for _ in 0..ASKED {
            let (first, whole, bytes) = get(server.address, "/playlist.m3u")?;
            figures.note("/playlist.m3u, first byte", "ms", first);
            figures.note("/playlist.m3u, whole", "ms", whole);
            figures.note("/playlist.m3u, length", "MB", bytes as f64 / 1e6);
        }
        measure_unchanged(&api, figures)
    }

    fn measure_mixed(&self, list: &str, entries: usize, figures: &mut Figures) -> anyhow::Result<()> {
        let server = self.start("mixed")?;
        let api = self.api(&server, "mixed")?;
        api.ask("POST", "/api/playlists", Some(&json!({ "name": "mixed" })))?;
        let watch = Watch::begin(&server)?;
        let taken = api.upload(1, list)?;
        watch.end(
            figures,
            [
                "import of the mixed list",
                "  processor time of the mixed list",
                "  memory of the mixed list at most",
            ],
        )?;
        let summary = &taken["summary"];
        ensure!(summary["live"] == entries / 6 && summary["added"] == entries / 6, "{taken}");
        ensure!(summary["movies"] == entries / 6 * 4 && summary["episodes"] == entries / 6, "{taken}");
        Ok(())
    }
}

/// A list whose server says that it is unchanged.
fn measure_unchanged(api: &Api<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    let origin = origin(list(0..1000, "FR", 1))?;
    let fields = json!({ "name": "third", "url": format!("http://{origin}/list.m3u"), "merge": false });
    api.ask("POST", "/api/playlists", Some(&fields))?;
    let read = |before: &Value| {
        let begun = Instant::now();
        loop {
            let state = api.ask("GET", "/api/playlists/3", None)?["state"].take();
            if state["read_at"].is_string() && state["read_at"] != *before && state["progress"].is_null() {
                ensure!(state["error"].is_null(), "{state}");
                return anyhow::Ok(state);
            }
            ensure!(begun.elapsed() < PATIENCE, "the list is not read");
            thread::sleep(Duration::from_millis(1));
        }
    };
    let mut state = read(&Value::Null)?;
    for _ in 0..UNCHANGED {
        // Times are told to the second.
        thread::sleep(Duration::from_millis(1100));
        let begun = Instant::now();
        api.ask("POST", "/api/playlists/3/refresh", None)?;
        let next = read(&state["read_at"])?;
        figures.note("a list that is unchanged (304)", "ms", millis(begun.elapsed()));
        ensure!(next["taken_at"] == state["taken_at"], "it was taken again");
        state = next;
    }
    Ok(())
}

/// The API of a server.
struct Api<'a> {
    server: &'a Program,
    /// We listen, too, as a list's server does: so we have to show who we are.
    token: String,
}

/// What something takes of time and memory.
struct Watch<'a> {
    server: &'a Program,
    before: Process,
    begun: Instant,
}

impl<'a> Watch<'a> {
    fn begin(server: &'a Program) -> anyhow::Result<Self> {
        proc::reset_peak(server.pid())?;
        let before = Process::read(server.pid())?;
        Ok(Self { server, before, begun: Instant::now() })
    }

    /// Notes the time, that of processors, which other programs change little, and the memory that
    /// it took at most besides what there was.
    fn end(self, figures: &mut Figures, [time, cpu, memory]: [&'static str; 3]) -> anyhow::Result<()> {
        figures.note(time, "ms", millis(self.begun.elapsed()));
        let process = Process::read(self.server.pid())?;
        figures.note(cpu, "ms", process.cpu_since(&self.before) * 1000.0);
        let grown = proc::peak(self.server.pid())?.saturating_sub(self.before.rss_bytes);
        figures.note(memory, "MB", grown as f64 / 1e6);
        Ok(())
    }
}

/// The rules of somebody who tidies up: all kinds, most of which find something.
fn rules() -> Value {
    let mut rules = vec![
        json!({ "field": "group", "contains": "adult", "action": "set_adult" }),
        json!({ "field": "group", "is": "UK| Group 3", "action": "exclude" }),
        json!({ "matches": "^[A-Z]{2}\\| *", "action": "rename", "to": "" }),
        json!({ "matches": " (?:FHD|HEVC|4K)$", "action": "rename", "to": "" }),
        json!({ "matches": "^(?!Channel)", "action": "exclude" }),
        json!({ "field": "group", "matches": "^UK\\| (.*)$", "action": "set_group", "to": "$1" }),
        json!({ "field": "group", "contains": "group 7", "action": "number", "from": 200_000 }),
        json!({ "field": "tvg_id", "matches": "\\.uk$", "action": "include" }),
        json!({ "field": "url", "contains": "/live/", "action": "include" }),
        json!({ "contains": "test", "action": "exclude" }),
    ];
    rules.extend((0..10).map(|at| {
        let (field, text) = if at % 2 == 0 { ("name", "Channel 1") } else { ("group", "Group 1") };
        json!({ "field": field, "is": format!("{text}{at}"), "action": "set_group", "to": "Favourites" })
    }));
    json!({ "rules": rules })
}

/// A list of channels of a panel. Each has the guide id of its number times `step`.
fn list(numbers: std::ops::Range<usize>, country: &str, step: usize) -> String {
    let mut list = "#EXTM3U url-tvg=\"http://guide.example/epg.xml.gz\"\n".to_owned();
    for number in numbers {
        live(&mut list, number, country, step);
    }
    list
}

fn live(list: &mut String, number: usize, country: &str, step: usize) {
    let (id, group) = (number * step, number % 300);
    let _ = writeln!(
        list,
        "#EXTINF:-1 tvg-id=\"channel{id}.uk\" tvg-name=\"{country}| Channel {id} FHD\" \
         tvg-logo=\"http://logos.example/pictures/{id}.png\" group-title=\"{country}| Group {group}\",\
         {country}| Channel {id} FHD\nhttp://panel-{country}.example:8080/live/user/secret/{}.ts",
        number + 1
    );
}

/// Of six entries one is a channel, four are films, and one is an episode.
fn mixed(entries: usize) -> String {
    let mut list = "#EXTM3U\n".to_owned();
    for number in 0..entries / 6 {
        live(&mut list, number, "UK", 1);
        for film in 0..4 {
            let _ = writeln!(
                list,
                "#EXTINF:-1 tvg-logo=\"http://logos.example/f{number}.jpg\" group-title=\"Films\",Film {number}-{film} (1999)\n\
                 http://panel-UK.example:8080/movie/user/secret/{number}{film}.mkv"
            );
        }
        let _ = writeln!(
            list,
            "#EXTINF:-1 group-title=\"Series\",Show {number} S01E02\n\
             http://panel-UK.example:8080/series/user/secret/{number}.mp4"
        );
    }
    list
}

/// A server that has one list, and says to whoever has it that it is unchanged.
fn origin(list: String) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, list) = (listener.local_addr()?, Arc::new(list));
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let list = Arc::clone(&list);
            thread::spawn(move || answer(&socket, &list));
        }
    });
    Ok(address)
}

fn answer(mut socket: &TcpStream, list: &str) -> io::Result<()> {
    let (mut lines, mut head) = (BufReader::new(socket), String::new());
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let is_known = head.to_ascii_lowercase().contains("if-none-match: \"1\"");
    let (status, body) = if is_known { ("304 Not Modified", "") } else { ("200 OK", list) };
    let length = if is_known { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    write!(socket, "HTTP/1.1 {status}\r\nETag: \"1\"\r\n{length}Connection: close\r\n\r\n{body}")
}

impl Api<'_> {
    /// Sends a list; what became of it.
    fn upload(&self, playlist: usize, list: &str) -> anyhow::Result<Value> {
        self.send("PUT", &format!("/api/playlists/{playlist}/list"), "audio/x-mpegurl", list)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(method, path, "application/json", &body)
    }

    /// The document of an answer that says that all is well.
    fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> anyhow::Result<Value> {
        let (address, token, length) = (self.server.address, &self.token, body.len());
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
        )?;
        socket.write_all(body.as_bytes())?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no head")?;
        ensure!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
        Ok(serde_json::from_str(body).unwrap_or_default())
    }
}

/// Milliseconds until the first byte and until the last one, and how many there are.
fn get(server: SocketAddr, path: &str) -> anyhow::Result<(f64, f64, usize)> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let begun = Instant::now();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = vec![0; 1];
    socket.read_exact(&mut bytes)?;
    let first = millis(begun.elapsed());
    socket.read_to_end(&mut bytes)?;
    Ok((first, millis(begun.elapsed()), bytes.len()))
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
